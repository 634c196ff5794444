"""Computes scores for every pixel from patch features, window by window. The segmentation scorers use it.

The patch cosines of each window are resized bilinearly to the window's size. Each pixel then gets the mean over all
windows that contain it. Last, the result is resized bilinearly to the image's own size. All this is done with cosines,
before any scale or softmax, as in SCLIP, NACLIP and ClearCLIP. One image is computed at a time, and memory holds only
the sums of its queries at each pixel.

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
"""From N windows of one size, (3, H, W) each, to their patch features, (N, D, h, w)."""


@dataclass(frozen=True)
class Tiling:
    """How an image is cut into windows; see :class:`~vlmbench.tasks.segmentation.protocol.SegmentationProtocol`.

    Attributes:
        window: the side of a window, in pixels; None: the whole image.
        stride: the distance from one window to the next, in pixels; None if ``window`` is None.
        patch_size: the patch size of the encoder, in pixels.
        remainder: what is done if a side is not a multiple of the patch size.
    """

    window: int | None
    stride: int | None
    patch_size: int
    remainder: Literal["pad", "crop"]


def windows(height: int, width: int, side: int, stride: int) -> list[tuple[slice, slice]]:
    """The rows and columns of each window in mmseg's grid.

    The last windows of a row or column are moved back so that they lie inside the image. No window is larger than the
    image.

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
    """The cosine of each query at each pixel.

    Args:
        pixels: (3, H, W) the image, rescaled and normalised for the encoder.
        head: (Q, D) text features, unit length, on the device that computes the scores.
        encode: computes the patch features of windows.
        tiling: how the image is cut.
        size: height and width of the image before it was rescaled.
        batch_size: the number of windows in a forward pass.

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
    """Resize patch cosines directly to the image's own size, as NACLIP does without windows.

    If the image was padded, the padding is cut off first.
    """
    (cosines,) = _cosines([pixels], head, encode, tiling)
    extent = (pixels.shape[1], pixels.shape[2])
    if any(_padding(extent, tiling)):
        cosines = _over_window(cosines, extent, tiling)
    return bilinear(cosines, size)


def _cosines(crops: Sequence[Tensor], head: Tensor, encode: Encode, tiling: Tiling) -> Tensor:
    """The (N, Q, h, w) cosines of each query with each patch of N windows."""
    features = encode([_fitted(crop, tiling) for crop in crops])
    return torch.einsum("ndhw,qd->nqhw", features.to(head.device), head)


def _fitted(crop: Tensor, tiling: Tiling) -> Tensor:
    """Pad or crop a window so that its sides are multiples of the patch size."""
    extent = (crop.shape[1], crop.shape[2])
    padding = _padding(extent, tiling)
    padded = F.pad(crop, padding) if any(padding) else crop
    height, width = (side - side % tiling.patch_size for side in padded.shape[1:])
    return padded[:, :height, :width]


def _over_window(cosines: Tensor, extent: tuple[int, int], tiling: Tiling) -> Tensor:
    """Resize the (Q, h, w) cosines of a window to (Q, H, W), its size without padding."""
    left, right, top, bottom = _padding(extent, tiling)
    height, width = extent
    padded = bilinear(cosines, (height + top + bottom, width + left + right))
    return padded[:, top : top + height, left : left + width]


def _padding(extent: tuple[int, int], tiling: Tiling) -> tuple[int, int, int, int]:
    """The number of zeros to add at the left, right, top and bottom.

    The left and top get half of them, rounded down.
    """
    around = []
    for side in (extent[1], extent[0]):
        short = -side % tiling.patch_size
        missing = (
            short if tiling.remainder == "pad" or side < tiling.patch_size else 0
        )  # every side needs at least one patch
        around += [missing // 2, missing - missing // 2]
    left, right, top, bottom = around
    return left, right, top, bottom
