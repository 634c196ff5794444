"""Collects evidence about a checkpoint's activation and image transform, such as open_clip's table.

The adapter uses it. OpenAI trained with QuickGELU, ``x * sigmoid(1.702 x)``; most later weights use the exact GELU. The
shapes are equal, so weights with the wrong activation load without an error and lose accuracy. A local file does not
state its activation, and no test of the weights alone can find it. So this module looks for evidence: the file's name,
a config in its folder, and the name of its training run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import open_clip

from vlmbench.files import read_text

QUICKGELU_SUFFIX = "-quickgelu"
QUICKGELU_FAMILIES = ("quickgelu", "quick_gelu", "openai", "metaclip", "dfn")
"""Words in a name that mark QuickGELU weights if the table does not have the name. Each is a family in the table."""

PREPROCESS_KEYS = ("mean", "std", "interpolation", "resize_mode")


@dataclass(frozen=True)
class Facts:
    """Facts about a checkpoint that its tensors do not show.

    Attributes:
        quick_gelu: whether it was trained with QuickGELU; None if unknown.
        evidence: the source of that fact, in words.
        preprocess: the image transform it was trained with; empty if unknown.
        preprocess_evidence: the source of that fact, in words.
    """

    quick_gelu: bool | None = None
    evidence: str = ""
    preprocess: Mapping[str, Any] = field(default_factory=dict)
    preprocess_evidence: str = ""


def has_quickgelu_twin(architecture: str) -> bool:
    """Whether the architecture exists with both activations."""
    base = architecture.removesuffix(QUICKGELU_SUFFIX)
    known = open_clip.list_models()
    return base in known and base + QUICKGELU_SUFFIX in known


def facts_of_tag(architecture: str, tag: str) -> Facts:
    """Facts about a tag from the table. It marks only QuickGELU; without a mark the architecture's config decides."""
    entry = open_clip.get_pretrained_cfg(architecture, tag)
    return Facts(
        quick_gelu=True if entry.get("quick_gelu") else None,
        evidence=f"open_clip's table for {architecture}/{tag}",
        preprocess=entry,
        preprocess_evidence="the tag",
    )


def facts_of_file(architecture: str, path: Path, run_name: str = "") -> Facts:
    """Facts about a local checkpoint, from the best evidence that exists.

    In order: a config in the file's folder that describes this architecture; the training run's name inside the file; a
    name from the table of published weights; the name of a family. Names that contradict each other are ignored.

    Args:
        run_name: the training run's name inside the file.
    """
    name = evident_name(path)
    # The table of the plain architecture contains that of the QuickGELU one.
    architecture = architecture.removesuffix(QUICKGELU_SUFFIX)
    beside = _config_beside(architecture, path)
    tags = _tags_in(architecture, name)
    quick_gelu, evidence = None, ""
    if beside:
        quick_gelu = bool(beside["model_cfg"].get("quick_gelu", False))
        evidence = f"{path.parent / 'open_clip_config.json'}"
    elif "quickgelu" in run_name.casefold():
        quick_gelu, evidence = True, f"its training run's name {run_name!r}"
    elif tags:
        marks = {_quick_gelu(architecture, tag) for tag in tags}
        if len(marks) == 1:
            quick_gelu, evidence = marks.pop(), f"its name {name!r} (open_clip's {', '.join(tags)})"
    else:
        family = next((family for family in QUICKGELU_FAMILIES if re.search(f"(^|_){family}", name)), None)
        if family:
            quick_gelu, evidence = True, f"its name {name!r}"

    if beside and beside.get("preprocess_cfg"):
        return Facts(quick_gelu, evidence, beside["preprocess_cfg"], "open_clip_config.json in its folder")
    candidates = tags or open_clip.list_pretrained_tags_by_model(architecture)
    transforms = [_transform(architecture, tag) for tag in candidates]
    if transforms and all(transform == transforms[0] for transform in transforms):
        source = f"open_clip's {', '.join(tags)}" if tags else f"all of open_clip's weights for {architecture}"
        return Facts(quick_gelu, evidence, transforms[0], source)
    return Facts(quick_gelu, evidence)


GENERIC_STEMS = frozenset(
    {"open_clip_model", "open_clip_pytorch_model", "model", "pytorch_model", "checkpoint", "weights"}
)


def evident_name(path: Path) -> str:
    """The part of a path that names the weights, in lower case with underscores.

    It is the file's name. If that is generic (``open_clip_pytorch_model.bin``), it is the name of the hub repository in
    whose cache the file is, or of the file's folder.
    """
    name = path.stem
    if name in GENERIC_STEMS:
        folders = path.absolute().parts[:-1]
        cached = [folder for folder in folders if folder.startswith("models--")]
        name = cached[-1].removeprefix("models--") if cached else folders[-1]
    return _fold(name)


def _fold(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.casefold())


def _tags_in(architecture: str, name: str) -> list[str]:
    """Find tags that occur in a name, as the tag or as its published file's name. Only the longest matches count."""
    found: dict[str, str] = {}
    for tag in open_clip.list_pretrained_tags_by_model(architecture):
        published = Path(open_clip.get_pretrained_cfg(architecture, tag).get("url", "")).stem
        for key in (_fold(tag), _fold(published)):
            # OpenAI's files have the names of architectures, so these names are no evidence.
            if key and key in name and key != _fold(architecture):
                found[tag] = max(found.get(tag, ""), key, key=len)
    return [tag for tag, key in found.items() if not any(key in other and key != other for other in found.values())]


def _quick_gelu(architecture: str, tag: str) -> bool:
    # The table does not repeat the architecture's own config (roberta-ViT-B-32).
    configured = (open_clip.get_model_config(architecture) or {}).get("quick_gelu")
    return bool(configured or open_clip.get_pretrained_cfg(architecture, tag).get("quick_gelu"))


def _transform(architecture: str, tag: str) -> dict[str, Any]:
    entry = open_clip.get_pretrained_cfg(architecture, tag)
    return {key: entry[key] for key in PREPROCESS_KEYS if key in entry}


def _config_beside(architecture: str, path: Path) -> dict[str, Any] | None:
    """The config in the file's folder, if it describes this architecture. Its activation may differ."""
    config_path = path.parent / "open_clip_config.json"
    try:
        config = json.loads(read_text(config_path))
        model = config["model_cfg"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None  # no such file, or one of another program; it is only evidence
    wanted = open_clip.get_model_config(architecture) or {}
    same = all(model.get(key) == wanted.get(key) for key in ("embed_dim", "vision_cfg", "text_cfg"))
    return config if same else None
