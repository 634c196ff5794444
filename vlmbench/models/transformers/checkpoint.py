"""Pieces of a transformers checkpoint, from a local folder or a hub repository, or a sentence on what is wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vlmbench.errors import ModelError
from vlmbench.files import check_folder
from vlmbench.models.base import LoadOptions
from vlmbench.models.hub_access import fetch_error
from vlmbench.paths import user_path


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
            raise ModelError(
                f"{folder.absolute()} has no config.json", hint="It should be what save_pretrained writes."
            )
        try:
            check_folder(folder)
        except OSError as error:
            raise ModelError(f"{error.filename or folder}: {error.strerror or error}") from error
        return str(folder)
    if spec.startswith(("/", "./", "../", "~")) or spec.count("/") > 1:
        raise ModelError(f"no folder at {folder.absolute()}", hint="Hub repositories are written ORG/REPO.")
    return spec


def loaded(spec: str, options: LoadOptions, what: str, kind: Any, arguments: Mapping[str, Any]) -> Any:
    """One piece, by its class's ``from_pretrained``.

    Args:
        spec: what :func:`checkpoint` gave.
        what: the piece in words, such as "tokenizer".

    Raises:
        ModelError: it is missing, not to be fetched, broken, or code that was not asked for.
    """
    try:
        return kind.from_pretrained(spec, **arguments)
    except Exception as error:  # the library raises whatever files and network made it raise
        if "trust_remote_code" in str(error) and not options.trust_remote_code:
            raise ModelError(
                f"{spec}: its {what} comes with Python code of its own, which is not run unasked",
                hint="Read it, and pass --trust-remote-code if you trust it.",
            ) from error
        if Path(spec).is_dir():
            raise ModelError(f"{spec}: the {what} cannot be loaded: {type(error).__name__}: {error}") from error
        if isinstance(error, OSError):
            raise fetch_error(f"the {what} of {spec}", error, offline=options.offline, repository=spec) from error
        raise ModelError(f"the {what} of {spec} cannot be loaded: {type(error).__name__}: {error}") from error


def refuse_incomplete(spec: str, info: Mapping[str, Any]) -> None:
    """The library draws what a checkpoint lacks at random and goes on; features of such a model mean nothing."""
    lacking = sorted(map(str, info["missing_keys"])) + sorted(map(str, info.get("mismatched_keys", ())))
    if lacking:
        raise ModelError(
            f"{spec}: the checkpoint lacks {len(lacking)} of the model's weights, such as {', '.join(lacking[:3])}",
            hint="It may hold one tower only, or belong to another configuration.",
        )


def refuse_wordless(spec: str, tokenizer: Any) -> None:
    """Without its files the library makes a tokenizer that knows only special tokens, and all texts are alike to it."""
    if not set(tokenizer.get_vocab()) - set(tokenizer.all_special_tokens):
        raise ModelError(
            f"{spec}: the tokenizer has no vocabulary",
            hint="Put the tokenizer's files (tokenizer.json, or vocab.json and merges.txt) beside config.json.",
        )


def forward_config(config: Any) -> str:
    """The configuration without what has no part in the forward pass, such as the path it was loaded from."""
    aside = {"_name_or_path", "transformers_version", "architectures", "dtype", "torch_dtype"}

    def kept(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: kept(item) for key, item in value.items() if key not in aside}
        return value

    return json.dumps(kept(config.to_dict()), sort_keys=True, default=str)
