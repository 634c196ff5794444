"""Resizes images and scores as mmcv does, because published segmentation numbers were computed with mmcv.

The segmentation plugin and its scorers use it.
"""

from __future__ import annotations

import numpy as np
import PIL.Image
import torch
import torch.nn.functional as F
from torch import Tensor


def rescaled_size(size: tuple[int, int], short_side: int | None, long_side_limit: int | None) -> tuple[int, int]:
    """Width and height after mmcv's ``imrescale`` to ``(long_side_limit, short_side)``.

    The scale is the largest that keeps the short side at or below ``short_side`` and the long side at or below
    ``long_side_limit``. Each side is rounded half up. Source: open-mmlab/mmcv mmcv/image/geometric.py (rescale_size).

    >>> rescaled_size((500, 375), 336, 2048), rescaled_size((3000, 300), 336, 2048), rescaled_size((7, 5), None, None)
    ((448, 336), (2048, 205), (7, 5))
    """
    limits = [(short_side, min(size)), (long_side_limit if short_side else None, max(size))]
    scale = min((limit / side for limit, side in limits if limit is not None), default=1.0)
    width, height = (max(1, int(side * scale + 0.5)) for side in size)
    return width, height


def rescale(image: PIL.Image.Image, size: tuple[int, int]) -> PIL.Image.Image:
    """Resize an RGB image to (width, height): bilinear without smoothing, as OpenCV's INTER_LINEAR.

    Pillow and the models' own transforms smooth an image when they shrink it. mmcv does not, and the aliasing that this
    causes is part of the protocol. OpenCV computes in fixed point, so single values may differ by 1 of 255.
    """
    if image.size == size:
        return image
    pixels = torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)[None].float()
    resized = bilinear(pixels[0], (size[1], size[0])).round().clamp(0, 255)
    return PIL.Image.fromarray(resized.permute(1, 2, 0).numpy().astype(np.uint8))


def bilinear(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize (C, h, w) to (C, H, W) without smoothing. Pixel centres lie at halves (``align_corners=False``)."""
    if tuple(maps.shape[1:]) == size:
        return maps
    return F.interpolate(maps[None], size=size, mode="bilinear", align_corners=False)[0]
