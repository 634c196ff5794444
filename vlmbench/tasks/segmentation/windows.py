"""Scores for every pixel from patch features, window by window.

Patch cosines are brought to the window's size bilinearly, summed, divided by how many windows saw a pixel, and brought
to the image's own size bilinearly: cosines, before any scale or softmax, as SCLIP, NACLIP and ClearCLIP all do. One
image is worked on at a time, and of it only the sums of all queries are kept.

Source: wangf3014/SCLIP clip_segmentor.py, mc-lan/ClearCLIP clearclip_segmentor.py (the grid of windows is mmseg's
slide_inference).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from vlmbench.tasks.segmentation.resize import bilinear

Encode = Callable[[Sequence[Tensor]], Tensor]
"""N windows of one size, (3, H, W), to their patch features, (N, D, h, w)."""


@dataclass(frozen=True)
class Tiling:
    """How an image is cut; see :class:`~vlmbench.tasks.segmentation.protocol.SegmentationProtocol`.

    Attributes:
        window: None: the whole image.
        stride: None with it.
        patch_size: of the encoder.
        remainder: what becomes of sides that are no multiple of it.
    """

    window: int | None
    stride: int | None
    patch_size: int
    remainder: Literal["pad", "crop"]


def windows(height: int, width: int, side: int, stride: int) -> list[tuple[slice, slice]]:
    """Rows and columns of mmseg's grid: the last windows of a row or column are moved back to lie inside; none is
    larger than the image.

    >>> [(columns.start, columns.stop) for _, columns in windows(4, 11, 4, 3)]
    [(0, 4), (3, 7), (6, 10), (7, 11)]
    """
    rows, columns = (
        [slice(max(end - side, 0), end) for end in _ends(length, side, stride)] for length in (height, width)
    )
    return [(down, across) for down in rows for across in columns]


def _ends(length: int, side: int, stride: int) -> list[int]:
    count = max(length - side + stride - 1, 0) // stride + 1
    return [min(index * stride + side, length) for index in range(count)]


def pixel_scores(
    pixels: Tensor, head: Tensor, encode: Encode, tiling: Tiling, *, size: tuple[int, int], batch_size: int
) -> Tensor:
    """Every query's cosine at every pixel.

    Args:
        pixels: (3, H, W), the image as the encoder takes it.
        head: (Q, D), unit length, where scores are to be computed.
        tiling: how the image is cut.
        size: height and width of the image before it was rescaled.
        batch_size: windows a forward pass.

    Returns:
        (Q, *size).
    """
    height, width = pixels.shape[1:]
    if tiling.window is None or tiling.stride is None:
        return _whole(pixels, head, encode, tiling, size)
    sums = torch.zeros(len(head), height, width, device=head.device)
    seen = torch.zeros(height, width, device=head.device)
    places = windows(height, width, tiling.window, tiling.stride)
    for start in range(0, len(places), batch_size):
        chosen = places[start : start + batch_size]
        crops = [pixels[:, rows, columns] for rows, columns in chosen]
        extent = (crops[0].shape[1], crops[0].shape[2])
        for (rows, columns), cosines in zip(chosen, _cosines(crops, head, encode, tiling), strict=True):
            sums[:, rows, columns] += _over_window(cosines, extent, tiling)
            seen[rows, columns] += 1
    return bilinear(sums.div_(seen), size)


def _whole(pixels: Tensor, head: Tensor, encode: Encode, tiling: Tiling, size: tuple[int, int]) -> Tensor:
    """Patch cosines straight to the image's own size, as without windows NACLIP does; where the image was padded, the
    padding is cut off first."""
    (cosines,) = _cosines([pixels], head, encode, tiling)
    extent = (pixels.shape[1], pixels.shape[2])
    if any(_padding(extent, tiling)):
        cosines = _over_window(cosines, extent, tiling)
    return bilinear(cosines, size)


def _cosines(crops: Sequence[Tensor], head: Tensor, encode: Encode, tiling: Tiling) -> Tensor:
    """(N, Q, h, w)."""
    features = encode([_fitted(crop, tiling) for crop in crops])
    return torch.einsum("ndhw,qd->nqhw", features.to(head.device), head)


def _fitted(crop: Tensor, tiling: Tiling) -> Tensor:
    """A crop whose sides are multiples of the patch size."""
    extent = (crop.shape[1], crop.shape[2])
    padding = _padding(extent, tiling)
    padded = F.pad(crop, padding) if any(padding) else crop
    height, width = (side - side % tiling.patch_size for side in padded.shape[1:])
    return padded[:, :height, :width]


def _over_window(cosines: Tensor, extent: tuple[int, int], tiling: Tiling) -> Tensor:
    """(Q, h, w) to the (Q, H, W) of the crop that they came from."""
    left, right, top, bottom = _padding(extent, tiling)
    height, width = extent
    padded = bilinear(cosines, (height + top + bottom, width + left + right))
    return padded[:, top : top + height, left : left + width]


def _padding(extent: tuple[int, int], tiling: Tiling) -> tuple[int, int, int, int]:
    """Zeros at the left, right, top and bottom: half of what is missing before, the rest behind."""
    around = []
    for side in (extent[1], extent[0]):
        short = -side % tiling.patch_size
        missing = short if tiling.remainder == "pad" or side < tiling.patch_size else 0  # a patch has to be there
        around += [missing // 2, missing - missing // 2]
    left, right, top, bottom = around
    return left, right, top, bottom
