"""Checks that a checkpoint's image processor and its network agree on the image size. The adapter uses it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import PIL.Image

from vlmbench.errors import ModelError
from vlmbench.wording import listed

_HINT = "preprocessor_config.json and config.json belong to two checkpoints, or one of them was edited."
_WIDTH, _HEIGHT = 61, 47
"""The test image's size. It is unusual and not square, so a processor that keeps the size or the shape is found."""


def refuse_other_size(spec: str, config: Any, processor: Any, names: Sequence[str]) -> None:
    """Refuse a processor whose images do not fit the network.

    The processor is tried on one small image.

    Args:
        names: the processor's outputs that the network takes.

    Raises:
        ModelError: an output is missing, or the processor's size of images or patches differs from the configuration's.
    """
    vision = getattr(config, "vision_config", None) or getattr(config, "image_config", None)
    size, patch = getattr(vision, "image_size", None), getattr(vision, "patch_size", None)
    if size is None and len(names) == 1:
        return
    image = PIL.Image.new("RGB", (_WIDTH, _HEIGHT))
    made = processor(images=image, return_tensors="pt", do_convert_rgb=True)
    if missing := [name for name in names if name not in made]:
        raise ModelError(
            f"{spec}: the image processor makes no {listed(missing)}, and the network takes them", hint=_HINT
        )
    if size is not None:
        _check(spec, "images", tuple(made["pixel_values"].shape[-2:]), size)
    elif getattr(processor, "patch_size", None) is not None and patch is not None:
        _check(spec, "patches", (processor.patch_size, processor.patch_size), patch)


def _check(spec: str, what: str, made: tuple[int, ...], wanted: int | tuple[int, int]) -> None:
    height, width = (wanted, wanted) if isinstance(wanted, int) else tuple(wanted)
    if made != (height, width):
        raise ModelError(
            f"{spec}: the image processor makes {what} of {made[1]} x {made[0]} pixels, but the network takes "
            f"{width} x {height}",
            hint=_HINT,
        )
