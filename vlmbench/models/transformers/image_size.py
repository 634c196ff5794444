"""Checks that a checkpoint's image processor and its network agree on the image size. The adapter uses it."""

from __future__ import annotations

from typing import Any

import PIL.Image

from vlmbench.errors import ModelError

_WIDTH, _HEIGHT = 61, 47
"""The test image's size. It is unusual and not square, so a processor that keeps the size or the shape is found."""


def refuse_other_size(spec: str, config: Any, processor: Any) -> None:
    """Refuse a processor whose images do not fit the network's positional embeddings.

    The processor is tried on one small image.

    Raises:
        ModelError: the processor's size differs from the configuration's.
    """
    vision = getattr(config, "vision_config", None) or getattr(config, "image_config", None)
    size = getattr(vision, "image_size", None)
    if size is None:
        return
    height, width = (size, size) if isinstance(size, int) else tuple(size)
    image = PIL.Image.new("RGB", (_WIDTH, _HEIGHT))
    made = tuple(processor(images=image, return_tensors="pt", do_convert_rgb=True)["pixel_values"].shape[-2:])
    if made != (height, width):
        raise ModelError(
            f"{spec}: the image processor makes images of {made[1]} x {made[0]} pixels, but the network takes "
            f"{width} x {height}",
            hint="preprocessor_config.json and config.json belong to two checkpoints, or one of them was edited.",
        )
