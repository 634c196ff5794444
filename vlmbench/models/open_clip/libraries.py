"""Checks that the library that a model's texts need is installed, before anything is fetched. The adapter uses it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import open_clip

from vlmbench.errors import MissingDependencyError, install_command
from vlmbench.models.open_clip.byte_level import byte_level_tokenizer
from vlmbench.models.open_clip.spec import Source
from vlmbench.paths import user_path

LIBRARY = "transformers"


def refuse_without_libraries(source: Source) -> None:
    """Refuse a model whose text tower or tokenizer needs a library that is not installed.

    Nothing is known about a hub repository before it is fetched. For it, loading the tokenizer raises the same error.

    Raises:
        MissingDependencyError: the library is not installed.
    """
    if find_spec(LIBRARY) is None and _needs_library(source):
        raise MissingDependencyError(
            f"the texts of {source.name} need the package {LIBRARY!r}, which is not installed",
            hint=install_command(LIBRARY),
        )


def _needs_library(source: Source) -> bool:
    config = _text_config(source)
    if config.get("hf_model_name"):
        return True
    if source.schema == "local-dir" and byte_level_tokenizer(_folder(source), config, None):
        return False
    # open_clip.get_tokenizer uses the library for SigLIP, even if the config names no tokenizer of it.
    return bool(config.get("hf_tokenizer_name")) or (not source.schema and "siglip" in source.name.lower())


def _text_config(source: Source) -> Mapping[str, Any]:
    if source.schema == "hf-hub":
        return {}
    if not source.schema:
        return dict((open_clip.get_model_config(source.name) or {}).get("text_cfg", {}))
    try:
        content = json.loads((_folder(source) / "open_clip_config.json").read_text(encoding="utf-8"))
        found = content["model_cfg"]["text_cfg"]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):  # loading it says what is wrong
        return {}
    return found if isinstance(found, dict) else {}


def _folder(source: Source) -> Path:
    return user_path(source.location)
