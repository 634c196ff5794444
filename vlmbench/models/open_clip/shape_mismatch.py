"""Makes the error for a checkpoint that does not fit an open_clip architecture, and lists the ones that fit.

The adapter raises it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import open_clip
from torch import Tensor

from vlmbench.errors import ModelError
from vlmbench.models.open_clip.pretrained import QUICKGELU_SUFFIX
from vlmbench.models.towers.owner import owner
from vlmbench.wording import listed

SHOWN = 3
"""The number of mismatches of each kind that are shown."""

Shapes = Mapping[str, tuple[int, ...]]


def mismatch_error(
    architecture: str,
    where: str,
    state: Mapping[str, Tensor],
    *,
    missing: Sequence[str],
    unexpected: Sequence[str],
    differing: Sequence[str],
) -> ModelError:
    """The error for a state dict that does not fit an architecture.

    Args:
        where: the file, and the place in it.
        state: the tensors under open_clip's current names.
        missing: names that the architecture has and the state dict lacks; ``unexpected``: the opposite.
        differing: the tensors that differ in shape or type, in words.
    """
    lines = [
        *some("missing", missing),
        *some("unknown to this architecture", unexpected),
        *some("of a different shape", differing),
    ]
    shapes = {name: tuple(value.shape) for name, value in state.items()}
    fitting = [name for name in guess_architectures(shapes) if name != architecture]
    hint = f"Its shapes fit {listed(fitting, 'or')}." if fitting else owner(shapes)
    return ModelError(f"{where} does not fit {architecture}:\n" + "\n".join(lines), hint=hint)


def some(what: str, names: Sequence[str]) -> list[str]:
    """One line with the first few names and the number of the others; no line without names."""
    if not names:
        return []
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return [f"  {what}: {'; '.join(names[:SHOWN])}{more}"]


def guess_architectures(shapes: Shapes) -> list[str]:
    """Find architectures of open_clip's own towers whose widths, depths and patch size fit these tensors.

    If several differ only in image size, those with the tensors' size are returned.
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
    """The tensors' (text width, text layers, vocabulary, image width, image layers, patch or 0)."""
    vocabulary = shapes.get("token_embedding.weight") or shapes.get("text.token_embedding.weight")
    convolution = shapes.get("visual.conv1.weight")
    if not vocabulary or not convolution:
        return None
    text_layers = _blocks(shapes, "transformer.resblocks.") or _blocks(shapes, "text.transformer.resblocks.")
    image_layers: int | tuple[int, ...] = _blocks(shapes, "visual.transformer.resblocks.")
    width, patch = convolution[0], convolution[-1]
    if not image_layers:  # a ResNet; its stem has half the width of its first stage
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
