"""Pieces of a transformers checkpoint, from a local folder or a hub repository, or a sentence on what is wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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

OPEN_CLIP_CONFIG = "open_clip_config.json"
_BROKEN = ("SafetensorError", "UnpicklingError", "EOFError")
"""Errors of broken files."""


def checkpoint(spec: str) -> str:
    """A local folder, or a hub repository's name.

    Raises:
        ModelError: nothing is named, or a path that does not exist or holds no model.
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
        raise ModelError(f"{folder.absolute()} is a file, and transformers loads folders", hint=_of_file(folder))
    if spec.startswith(("/", "./", "../", "~")) or spec.count("/") > 1:
        raise ModelError(f"no folder at {folder.absolute()}", hint="Hub repositories are written ORG/REPO.")
    return spec


def _instead(folder: Path) -> str:
    """What a folder without a config.json is, or should be."""
    names = {item.name for item in folder.iterdir()}
    if "adapter_config.json" in names:
        return f"It holds an adapter (LoRA or another of peft's), and no model. {MERGE}."
    if hint := in_open_clip(str(folder), offline=True):
        return hint.strip()
    if "modules.json" in names:
        return "It is of sentence-transformers: name the folder inside that has a config.json."
    if "model_index.json" in names:
        return "It is a pipeline of diffusers, which no adapter reads."
    return "It should be what save_pretrained writes."


def _of_file(file: Path) -> str:
    usual = "Name the folder that save_pretrained wrote, with config.json and the tokenizer's files."
    try:
        states = nested_states(read_checkpoint(file).content)
    except ModelError:
        return usual
    names = max((list(state.tensors) for state in states), key=len, default=[])
    return owner(names) or usual


def loaded(spec: str, options: LoadOptions, what: str, kind: Any, arguments: Mapping[str, Any]) -> Any:
    """One piece, by its class's ``from_pretrained``.

    Args:
        spec: what :func:`checkpoint` gave.
        what: the piece in words, such as "tokenizer".
        arguments: with ``state_dict``, weights that were read already, nothing is read of the checkpoint.

    Raises:
        ModelError: it is missing, not to be fetched, broken, or code that was not asked for.
    """
    try:
        return kind.from_pretrained(None if "state_dict" in arguments else spec, **arguments)
    except Exception as error:  # the library raises whatever files and network made it raise
        if "trust_remote_code" in str(error) and not options.trust_remote_code:
            raise ModelError(
                f"{spec}: its {what} comes with Python code of its own, which is not run unasked",
                hint="Read it, and pass --trust-remote-code if you trust it.",
            ) from error
        if Path(spec).is_dir():
            raise ModelError(
                f"{spec}: the {what} cannot be loaded: {type(error).__name__}: {error}",
                hint="The file may be truncated: fetch it again." if type(error).__name__ in _BROKEN else None,
            ) from error
        if what == "config" and (hint := in_open_clip(spec, offline=options.offline)):
            raise ModelError(f"{spec}: it has no config.json that transformers knows", hint=hint.strip()) from error
        if isinstance(error, OSError):
            raise fetch_error(f"the {what} of {spec}", error, offline=options.offline, repository=spec) from error
        raise ModelError(f"the {what} of {spec} cannot be loaded: {type(error).__name__}: {error}") from error


def incomplete(info: Mapping[str, Any]) -> list[str]:
    """What a checkpoint lacks of its network, by what the library says of the loading."""
    return sorted(map(str, info["missing_keys"])) + sorted(map(str, info.get("mismatched_keys", ())))


def refuse_incomplete(spec: str, info: Mapping[str, Any]) -> None:
    """The library draws what a checkpoint lacks at random and goes on; features of such a model mean nothing."""
    lacking = incomplete(info)
    if lacking:
        some, instead = ", ".join(lacking[:3]), sorted(map(str, info["unexpected_keys"]))
        has = f"; it has {', '.join(instead[:3])}, for which the model has no place" if instead else ""
        raise ModelError(
            f"{spec}: the checkpoint lacks {len(lacking)} of the model's weights, such as {some}{has}",
            hint=owner(instead) or "It may hold one tower only, or belong to another configuration.",
        )


def refuse_nan(spec: str, network: nn.Module) -> None:
    """Features of a network in which a number is NaN are NaN."""
    if names := nan_weights(network):
        raise ModelError(
            f"{spec}: {len(names)} of the weights hold NaN (not a number): {', '.join(names[:3])}",
            hint="The training diverged, or the file is damaged: name another checkpoint.",
        )


def in_open_clip(spec: str, *, offline: bool) -> str:
    """How open_clip's adapter would load this checkpoint, in a sentence; empty if nothing shows that it can."""
    if Path(spec).is_dir():
        there = (Path(spec) / OPEN_CLIP_CONFIG).is_file()
        return f" Its {OPEN_CLIP_CONFIG} says that this loads it: open_clip:local-dir:{spec}." if there else ""
    import open_clip

    for architecture, tag in open_clip.list_pretrained():
        if open_clip.get_pretrained_cfg(architecture, tag).get("hf_hub", "").rpartition("/")[0] == spec:
            return f" open_clip lists it: open_clip:{architecture}/{tag}."
    try:
        hf_hub_download(spec, OPEN_CLIP_CONFIG, local_files_only=offline)
    except Exception:  # not there, or not to be reached: then nothing shows it
        return ""
    return f" Its {OPEN_CLIP_CONFIG} says that this loads it: open_clip:hf-hub:{spec}."


def refuse_wordless(spec: str, tokenizer: Any) -> None:
    """Without its files the library makes a tokenizer that knows only special tokens, and all texts are alike to it."""
    if not set(tokenizer.get_vocab()) - set(tokenizer.all_special_tokens):
        raise ModelError(
            f"{spec}: the tokenizer has no vocabulary",
            hint="Put the tokenizer's files (tokenizer.json, or vocab.json and merges.txt) beside config.json.",
        )


def cached_revision(spec: str, revision: str) -> str | None:
    """The commit of the hub repository that a loaded checkpoint is of; None for a local folder.

    Args:
        revision: the branch, tag or commit that was asked for.
    """
    folder = cached_folder(spec, revision)
    return fetched_revision(folder / "config.json") if folder else None


def cached_folder(spec: str, revision: str) -> Path | None:
    """The folder of the hub's cache with the files of a hub repository; None for a local folder.

    Args:
        revision: the branch, tag or commit that was asked for.
    """
    if Path(spec).is_dir():
        return None
    file = try_to_load_from_cache(spec, "config.json", revision=revision)
    return Path(file).parent if isinstance(file, str) else None


def forward_config(config: Any) -> str:
    """The configuration without what has no part in the forward pass, such as the path it was loaded from."""
    aside = {"_name_or_path", "transformers_version", "architectures", "dtype", "torch_dtype"}

    def kept(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: kept(item) for key, item in value.items() if key not in aside}
        return value

    return json.dumps(kept(config.to_dict()), sort_keys=True, default=str)
