"""Loads the parts of a transformers checkpoint, with errors that say what is wrong. The adapter uses it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import transformers
from huggingface_hub import hf_hub_download, try_to_load_from_cache
from torch import nn

from vlmbench.errors import ModelError
from vlmbench.files import check_folder
from vlmbench.models.base import LoadOptions
from vlmbench.models.hub_access import fetch_error, fetched_revision
from vlmbench.models.towers.checkpoint_file import read_checkpoint
from vlmbench.models.towers.owner import owner
from vlmbench.models.towers.skip_init import nan_weights
from vlmbench.models.towers.state_dicts import nested_states
from vlmbench.models.towers.weight_folder import MERGE
from vlmbench.paths import user_path
from vlmbench.wording import counted, either, listed

OPEN_CLIP_CONFIG = "open_clip_config.json"
_BROKEN = ("SafetensorError", "UnpicklingError", "EOFError")
"""Names of the errors that broken files raise."""
_INSTALL = re.compile(r"pip install (?P<name>[\w.-]+)")
"""What the library's errors advise if a package is missing, such as timm."""
_UNKNOWN_TYPE = re.compile(
    r"(?:Unrecognized model [^:]*: |has model type `)(?P<name>[^\s.`]+)(?:\. Should contain one of|` but Transformers)"
)
"""How the library says that it lacks a model type of config.json. Long advice or a list of all types follows."""
_OTHER_CODE = "It may be for code of its authors, or for a newer version of transformers."
_REWRITTEN: Mapping[str, str] = {
    "florence2_language": "Of Florence-2, name the library's form, such as florence-community/Florence-2-base.",
}
"""Types of checkpoints for their authors' own code, with the place of the same weights in the library's form."""


def checkpoint(spec: str) -> str:
    """Resolve a spec to a local folder, or to the name of a hub repository.

    Raises:
        ModelError: the spec is empty, or is a path that does not exist or holds no model.
    """
    if not spec:
        raise ModelError("the transformers adapter needs a spec", hint="A local folder, or ORG/REPO of the hub.")
    folder = user_path(spec)
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise ModelError(f"{folder.absolute()} has no config.json", hint=_instead(folder))
        try:
            check_folder(folder)
        except OSError as error:
            raise ModelError(f"{error.filename or folder}: {error.strerror or error}") from error
        return str(folder)
    if folder.is_file():
        raise ModelError(
            f"{folder.absolute()} is a file, but the transformers adapter loads folders", hint=_of_file(folder)
        )
    if spec.startswith(("/", "./", "../", "~")) or spec.count("/") > 1:
        raise ModelError(f"no folder at {folder.absolute()}", hint="Hub repositories are written ORG/REPO.")
    return spec


def _instead(folder: Path) -> str:
    """A hint on what a folder without a config.json is, or should be."""
    names = {item.name for item in folder.iterdir()}
    if "adapter_config.json" in names:
        return f"It holds an adapter (LoRA or another type of peft) but no model. {MERGE}."
    if hint := in_open_clip(str(folder), offline=True):
        return hint.strip()
    if "modules.json" in names:
        return "It belongs to sentence-transformers: name the folder inside it that has a config.json."
    if "model_index.json" in names:
        return "It is a pipeline of diffusers, and no adapter reads those."
    return "It should be a folder that save_pretrained wrote."


def _of_file(file: Path) -> str:
    usual = "Name the folder that save_pretrained wrote, with config.json and the tokenizer's files."
    try:
        states = nested_states(read_checkpoint(file).content)
    except ModelError:
        return usual
    names = max((list(state.tensors) for state in states), key=len, default=[])
    return owner(names) or usual


def loaded(spec: str, options: LoadOptions, what: str, kind: Any, arguments: Mapping[str, Any]) -> Any:
    """Load one part of a checkpoint with its class's ``from_pretrained``.

    Args:
        spec: the result of :func:`checkpoint`.
        what: the part in words, such as "tokenizer".
        arguments: of ``from_pretrained``. With ``state_dict``, weights that are in memory, the checkpoint is not read.

    Raises:
        ModelError: the part is missing, cannot be fetched, is broken, or needs code that the user did not allow.
    """
    try:
        return kind.from_pretrained(None if "state_dict" in arguments else spec, **arguments)
    except Exception as error:  # files and network can make the library raise any error
        if "trust_remote_code" in str(error) and not options.trust_remote_code:
            raise ModelError(
                f"{spec}: its {what} comes with its own Python code, which runs only with your permission",
                hint="Read the code, and pass --trust-remote-code if you trust it.",
            ) from error
        if isinstance(error, ImportError) and (command := _INSTALL.search(str(error))):
            raise ModelError(
                f"{spec}: the {what} cannot be loaded without the package {command['name']}, which is not installed",
                hint=f"Install it: {command[0]}",
            ) from error
        if unknown := _UNKNOWN_TYPE.search(str(error)):
            name = unknown["name"]
            raise ModelError(
                f"{spec}: its config.json has the model type {name!r}, which transformers "
                f"{transformers.__version__} does not know",
                hint=in_open_clip(spec, offline=options.offline).strip() or _REWRITTEN.get(name, _OTHER_CODE),
            ) from error
        if Path(spec).is_dir():
            raise ModelError(
                f"{spec}: the {what} cannot be loaded: {type(error).__name__}: {error}",
                hint="The file may be truncated: fetch it again." if type(error).__name__ in _BROKEN else None,
            ) from error
        if what == "config" and (hint := in_open_clip(spec, offline=options.offline)):
            raise ModelError(f"{spec} has no config.json that transformers knows", hint=hint.strip()) from error
        if isinstance(error, OSError):
            raise fetch_error(f"the {what} of {spec}", error, offline=options.offline, repository=spec) from error
        raise ModelError(f"the {what} of {spec} cannot be loaded: {type(error).__name__}: {error}") from error


def incomplete(info: Mapping[str, Any]) -> list[str]:
    """The weights that a network has and its checkpoint lacks, from the library's report on the loading."""
    return sorted(map(str, info["missing_keys"])) + sorted(map(str, info.get("mismatched_keys", ())))


def refuse_incomplete(spec: str, info: Mapping[str, Any]) -> None:
    """Refuse a checkpoint that lacks weights.

    The library fills missing weights with random numbers, and features of such a model mean nothing.
    """
    lacking = incomplete(info)
    if lacking:
        instead = sorted(map(str, info["unexpected_keys"]))
        has = f"; the model has no place for the checkpoint's {listed(instead, most=3)}" if instead else ""
        raise ModelError(
            f"{spec}: the checkpoint lacks {len(lacking)} of the model's weights: {listed(lacking, most=3)}{has}",
            hint=owner(instead) or "It may hold only one tower, or belong to another configuration.",
        )


def refuse_nan(spec: str, network: nn.Module) -> None:
    """Refuse a network with NaN in its weights, because its features would be NaN, too."""
    if names := nan_weights(network):
        raise ModelError(
            f"{spec}: {counted(len(names), 'weight')} {either(len(names), 'holds', 'hold')} NaN (not a number): "
            f"{listed(names, most=3)}",
            hint="Name another checkpoint: the training diverged, or the file is damaged.",
        )


def in_open_clip(spec: str, *, offline: bool) -> str:
    """A sentence on how open_clip's adapter would load this checkpoint; empty if nothing shows that it can."""
    if Path(spec).is_dir():
        there = (Path(spec) / OPEN_CLIP_CONFIG).is_file()
        return f" It has an {OPEN_CLIP_CONFIG}, so load it as open_clip:local-dir:{spec}." if there else ""
    import open_clip

    for architecture, tag in open_clip.list_pretrained():
        if open_clip.get_pretrained_cfg(architecture, tag).get("hf_hub", "").rpartition("/")[0] == spec:
            return f" open_clip lists it, so load it as open_clip:{architecture}/{tag}."
    try:
        hf_hub_download(spec, OPEN_CLIP_CONFIG, local_files_only=offline)
    except Exception:  # the file does not exist or cannot be reached
        return ""
    return f" It has an {OPEN_CLIP_CONFIG}, so load it as open_clip:hf-hub:{spec}."


def refuse_wordless(spec: str, tokenizer: Any) -> None:
    """Refuse a tokenizer without a vocabulary, for which all texts are equal.

    If the tokenizer's files are missing, the library makes one that knows only special tokens.
    """
    if not set(tokenizer.get_vocab()) - set(tokenizer.all_special_tokens):
        raise ModelError(
            f"{spec}: the tokenizer has no vocabulary",
            hint="Put the tokenizer's files (tokenizer.json, or vocab.json and merges.txt) beside config.json.",
        )


def cached_revision(spec: str, revision: str) -> str | None:
    """The commit of the hub repository from which a checkpoint was loaded; None for a local folder.

    Args:
        revision: the requested branch, tag or commit.
    """
    folder = cached_folder(spec, revision)
    return fetched_revision(folder / "config.json") if folder else None


def cached_folder(spec: str, revision: str) -> Path | None:
    """The folder in the hub's cache with the files of a hub repository; None for a local folder.

    Args:
        revision: the requested branch, tag or commit.
    """
    if Path(spec).is_dir():
        return None
    file = try_to_load_from_cache(spec, "config.json", revision=revision)
    return Path(file).parent if isinstance(file, str) else None


def forward_config(config: Any) -> str:
    """The configuration as JSON, without entries that cannot change the forward pass, such as the file's path."""
    aside = {"_name_or_path", "transformers_version", "architectures", "dtype", "torch_dtype"}

    def kept(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: kept(item) for key, item in value.items() if key not in aside}
        return value

    return json.dumps(kept(config.to_dict()), sort_keys=True, default=str)
