"""Resizes, crops, rescales and normalises as ``preprocessor_config.json`` states, without the transformers library.

It repeats the arithmetic of the library's ``TorchvisionBackend`` (transformers/image_processing_backends.py), so that
both give equal pixels. Processors that do anything else need the library.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import PIL.Image
import torch
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as tv

from vlmbench.errors import ModelError, install_command
from vlmbench.wording import listed

_KINDS = ("CLIPImageProcessor", "CLIPFeatureExtractor", "SiglipImageProcessor", "ViTImageProcessor")
"""Processors that do nothing but these steps; each also with the ending ``Fast``."""
_STEPS = {"do_resize": True, "do_center_crop": None, "do_rescale": True, "do_normalize": True}
"""The switches of the steps with the value that an absent one has. The crop must be stated, or its size absent."""
_UNKNOWN = (
    "do_pad",
    "do_thumbnail",
    "do_align_long_axis",
    "do_flip_channel_order",
    "do_random_crop",
    "use_square_size",
)
_INTERPOLATIONS: Mapping[int, InterpolationMode] = {
    PIL.Image.Resampling.NEAREST: InterpolationMode.NEAREST,
    PIL.Image.Resampling.BILINEAR: InterpolationMode.BILINEAR,
    PIL.Image.Resampling.BICUBIC: InterpolationMode.BICUBIC,
}
_RESCALE = 1 / 255


@dataclass(frozen=True)
class PlainTransform:
    """An image transform of four steps, each of which may be absent.

    Attributes:
        shortest: the length of the shorter side after resizing; else ``size`` is height and width; else no resizing.
        crop: height and width that are cut out of the middle.
        scale: what pixels are multiplied with.
        mean, std: the normalisation after it.
    """

    shortest: int | None
    size: tuple[int, int] | None
    interpolation: InterpolationMode
    crop: tuple[int, int] | None
    scale: float | None
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None

    def __call__(self, image: PIL.Image.Image) -> Tensor:
        """Map an RGB image to (3, H, W) float32."""
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()
        if size := self._new_size(*pixels.shape[-2:]):
            pixels = tv.resize(pixels, list(size), interpolation=self.interpolation, antialias=True)
        if self.crop is not None:
            pixels = _cropped(pixels, *self.crop)
        pixels = pixels.float()
        if self.mean is not None and self.std is not None:
            factor = 1.0 / self.scale if self.scale is not None else 1.0
            return cast(Tensor, tv.normalize(pixels, (torch.tensor(self.mean) * factor).tolist(), self._spread(factor)))
        return pixels if self.scale is None else pixels * self.scale

    @property
    def description(self) -> str:
        """The transform in words, for a model's identity."""
        return f"plain resize, crop, rescale and normalise {json.dumps(vars(self), sort_keys=True, default=str)}"

    def _spread(self, factor: float) -> list[float]:
        spread: list[float] = (torch.tensor(self.std) * factor).tolist()
        return spread

    def _new_size(self, height: int, width: int) -> tuple[int, int] | None:
        if self.shortest is None:
            return self.size
        short, long = sorted((height, width))
        longer = int(self.shortest * long / short)
        return (self.shortest, longer) if height <= width else (longer, self.shortest)


def plain_transform(file: Path, settings: Mapping[str, Any]) -> PlainTransform:
    """Read a ``preprocessor_config.json``.

    Raises:
        ModelError: it states other steps than these, or lacks a size.
    """
    kind = str(settings.get("image_processor_type") or settings.get("feature_extractor_type") or "")
    unknown = [name for name in _UNKNOWN if settings.get(name)]
    if kind.removesuffix("Fast") not in _KINDS or unknown:
        what = f"sets {listed(unknown)}" if unknown else f"is of a {kind or 'processor without a name'}"
        raise ModelError(
            f"{file} {what}, which only the transformers library can apply", hint=install_command("transformers")
        )
    steps = {name: settings.get(name, usual) for name, usual in _STEPS.items()}
    if steps["do_center_crop"] is None:
        steps["do_center_crop"] = kind.startswith("CLIP")
    try:
        shortest, size = _size(settings["size"]) if steps["do_resize"] else (None, None)
        crop = _height_width(settings["crop_size"]) if steps["do_center_crop"] else None
        mean, std = (
            tuple(float(value) for value in settings[name]) if steps["do_normalize"] else None
            for name in ("image_mean", "image_std")
        )
        scale = float(settings.get("rescale_factor", _RESCALE)) if steps["do_rescale"] else None
        interpolation = _INTERPOLATIONS[int(settings["resample"])] if steps["do_resize"] else InterpolationMode.NEAREST
    except (LookupError, TypeError, ValueError) as error:
        raise ModelError(
            f"{file} does not state a plain image transform ({error!r})", hint=install_command("transformers")
        ) from error
    return PlainTransform(shortest, size, interpolation, crop, scale, mean, std)


def _size(value: Any) -> tuple[int | None, tuple[int, int] | None]:
    if isinstance(value, int):
        return value, None
    if set(value) == {"shortest_edge"}:
        return int(value["shortest_edge"]), None
    return None, _height_width(value)


def _height_width(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (int(value["height"]), int(value["width"]))


def _cropped(pixels: Tensor, height: int, width: int) -> Tensor:
    over, down = width - pixels.shape[-1], height - pixels.shape[-2]
    if over > 0 or down > 0:
        around = [max(over, 0) // 2, max(down, 0) // 2, (max(over, 0) + 1) // 2, (max(down, 0) + 1) // 2]
        pixels = tv.pad(pixels, around, fill=0)
    top, left = int((pixels.shape[-2] - height) / 2.0), int((pixels.shape[-1] - width) / 2.0)
    return cast(Tensor, tv.crop(pixels, top, left, height, width))
