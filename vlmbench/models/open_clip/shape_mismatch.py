"""Why a checkpoint does not fit an open_clip architecture, and which one it would fit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import open_clip
import torch
from torch import nn

from vlmbench.errors import ModelError
from vlmbench.models.open_clip.pretrained import QUICKGELU_SUFFIX
from vlmbench.models.towers.weights import CheckpointHeader

SHOWN = 3
"""Mismatches shown of each kind."""

Shapes = Mapping[str, tuple[int, ...]]


def shape_mismatch_error(architecture: str, path: Path, header: CheckpointHeader, error: Exception) -> ModelError:
    """The error for a checkpoint that open_clip could not load into this architecture."""
    mismatches = _mismatches(architecture, header.shapes)
    if not mismatches:  # the tensors fit, so something else failed: let the library say it
        return ModelError(f"{path} could not be loaded as {architecture}: {type(error).__name__}: {error}")
    fitting = guess_architectures(header.shapes)
    hint = f"Its shapes are those of {' or '.join(fitting)}." if fitting else None
    return ModelError(f"{path} does not fit {architecture}:\n" + "\n".join(mismatches), hint=hint)


def _mismatches(architecture: str, shapes: Shapes) -> list[str]:
    try:
        # On the meta device a model has shapes and no values, so that building it again costs nothing.
        with torch.device("meta"):
            model: nn.Module = open_clip.create_model(
                architecture, load_weights=False, pretrained_text=False, device="meta"
            )
    except Exception:  # some towers cannot be built there; the message is then the library's own
        return []
    wanted = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    found = dict(shapes)
    if "text.token_embedding.weight" in wanted and "token_embedding.weight" in found:
        found = {_as_custom_text(name): shape for name, shape in found.items()}
    lines = [
        *_listed("missing", [name for name in wanted if name not in found]),
        *_listed("not of this architecture", [name for name in found if name not in wanted]),
    ]
    differing = [
        f"{name} is {found[name]}, not {shape}"
        for name, shape in wanted.items()
        if name in found and found[name] != shape and not _resizable(name, found[name], shape)
    ]
    return [*lines, *_listed("of another shape", differing)]


def _as_custom_text(name: str) -> str:
    tower = ("text_projection", "positional_embedding", "token_embedding", "transformer", "ln_final")
    return f"text.{name}" if name.startswith(tower) else name


def _resizable(name: str, found: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """open_clip interpolates positional embeddings, and takes logit scales of one element as scalars."""
    if name in ("logit_scale", "logit_bias"):
        return sum(found) <= 1 and sum(wanted) <= 1
    return name.endswith("positional_embedding") and found[1:] == wanted[1:]


def _listed(what: str, names: list[str]) -> list[str]:
    if not names:
        return []
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return [f"  {what}: {'; '.join(names[:SHOWN])}{more}"]


def guess_architectures(shapes: Shapes) -> list[str]:
    """Architectures of open_clip's own towers whose widths, depths and patch size are those of these tensors.

    Where several differ in image size alone, only those of the tensors' size are named.
    """
    seen = _signature_of_tensors(shapes)
    if seen is None:
        return []
    captions = any(name.startswith("text_decoder.") for name in shapes)
    fitting: dict[str, int | None] = {}
    for name in open_clip.list_models():
        config = open_clip.get_model_config(name)
        if not config or name.endswith(QUICKGELU_SUFFIX) or ("multimodal_cfg" in config) != captions:
            continue
        if _signature_of_config(config) == seen:
            vision = config["vision_cfg"]
            size, patch = vision.get("image_size", 224), vision.get("patch_size", 16)
            fitting[name] = (size // patch) ** 2 + 1 if isinstance(size, int) and isinstance(patch, int) else None
    positions = shapes.get("visual.positional_embedding", (None,))[0]
    exact = [name for name, count in fitting.items() if count == positions]
    return (exact or list(fitting))[:3]


def _signature_of_tensors(shapes: Shapes) -> tuple[Any, ...] | None:
    """(text width, text layers, vocabulary, image width, image layers, patch or 0)."""
    vocabulary = shapes.get("token_embedding.weight") or shapes.get("text.token_embedding.weight")
    convolution = shapes.get("visual.conv1.weight")
    if not vocabulary or not convolution:
        return None
    text_layers = _blocks(shapes, "transformer.resblocks.") or _blocks(shapes, "text.transformer.resblocks.")
    image_layers: int | tuple[int, ...] = _blocks(shapes, "visual.transformer.resblocks.")
    width, patch = convolution[0], convolution[-1]
    if not image_layers:  # a ResNet, whose stem is half as wide as its first stage
        image_layers = tuple(_blocks(shapes, f"visual.layer{stage}.") for stage in (1, 2, 3, 4))
        width, patch = width * 2, 0
    return vocabulary[1], text_layers, vocabulary[0], width, image_layers, patch


def _blocks(shapes: Shapes, prefix: str) -> int:
    return len({name.removeprefix(prefix).split(".")[0] for name in shapes if name.startswith(prefix)})


def _signature_of_config(config: Mapping[str, Any]) -> tuple[Any, ...] | None:
    vision, text = config["vision_cfg"], config["text_cfg"]
    if vision.get("timm_model_name") or text.get("hf_model_name"):
        return None
    layers = vision.get("layers", 12)
    resnet = isinstance(layers, list)
    return (
        text.get("width", 512),
        text.get("layers", 12),
        text.get("vocab_size", 49408),
        vision.get("width", 768),
        tuple(layers) if resnet else layers,
        0 if resnet else vision.get("patch_size", 16),
    )
