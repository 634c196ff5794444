"""What open_clip's own table of published weights tells of a checkpoint: its activation and its image transform.

QuickGELU, ``x * sigmoid(1.702 x)``, is what OpenAI trained with; most later weights use the exact GELU. The shapes are
the same, so weights under the wrong one load without a word and lose accuracy. A local file carries no mark of it, and
no test of the weights alone tells them apart, so evidence is gathered here: what the file is called, what lies beside
it, and what its training run was called.
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
"""Words that mark QuickGELU weights where the name is none of the table's; each is that of a family in it."""

PREPROCESS_KEYS = ("mean", "std", "interpolation", "resize_mode")


@dataclass(frozen=True)
class Facts:
    """What is known of a checkpoint besides its tensors.

    Attributes:
        quick_gelu: the activation it was trained with, None where nothing tells.
        evidence: what told, in words.
        preprocess: the image transform it was trained with; empty where nothing tells.
        preprocess_evidence: what told, in words.
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
    """What the table says of a tag. It marks only QuickGELU: where it is silent, the architecture's config stands."""
    entry = open_clip.get_pretrained_cfg(architecture, tag)
    return Facts(
        quick_gelu=True if entry.get("quick_gelu") else None,
        evidence=f"open_clip's table for {architecture}/{tag}",
        preprocess=entry,
        preprocess_evidence="the tag",
    )


def facts_of_file(architecture: str, path: Path, run_name: str = "") -> Facts:
    """What can be told of a local checkpoint, the surest evidence first.

    A config beside the file that describes this very architecture; the training run's name inside the file; a name from
    the table of published weights; a family's name. Names that point both ways count for nothing.

    Args:
        run_name: the training run's name inside the file.
    """
    name = evident_name(path)
    # The twin's table is a part of the plain architecture's.
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
        return Facts(quick_gelu, evidence, beside["preprocess_cfg"], "open_clip_config.json beside it")
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

    The file's own name; of a file that is called like every other (``open_clip_pytorch_model.bin``), the hub repository
    in whose cache it lies, or its folder.
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
    """The architecture's tags of which the name, or the published file's name, is part of this one: the longest."""
    found: dict[str, str] = {}
    for tag in open_clip.list_pretrained_tags_by_model(architecture):
        published = Path(open_clip.get_pretrained_cfg(architecture, tag).get("url", "")).stem
        for key in (_fold(tag), _fold(published)):
            # OpenAI's files are called like architectures, and tell nothing.
            if key and key in name and key != _fold(architecture):
                found[tag] = max(found.get(tag, ""), key, key=len)
    return [tag for tag, key in found.items() if not any(key in other and key != other for other in found.values())]


def _quick_gelu(architecture: str, tag: str) -> bool:
    # The table leaves out what the architecture's own config says (roberta-ViT-B-32).
    configured = (open_clip.get_model_config(architecture) or {}).get("quick_gelu")
    return bool(configured or open_clip.get_pretrained_cfg(architecture, tag).get("quick_gelu"))


def _transform(architecture: str, tag: str) -> dict[str, Any]:
    entry = open_clip.get_pretrained_cfg(architecture, tag)
    return {key: entry[key] for key in PREPROCESS_KEYS if key in entry}


def _config_beside(architecture: str, path: Path) -> dict[str, Any] | None:
    """The config in the file's folder, if it describes this architecture (its activation aside)."""
    config_path = path.parent / "open_clip_config.json"
    try:
        config = json.loads(read_text(config_path))
        model = config["model_cfg"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None  # no such file, or somebody else's: it is evidence, not an input
    wanted = open_clip.get_model_config(architecture) or {}
    same = all(model.get(key) == wanted.get(key) for key in ("embed_dim", "vision_cfg", "text_cfg"))
    return config if same else None
