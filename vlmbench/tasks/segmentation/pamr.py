"""Pixel-adaptive mask refinement (PAMR): averages the scores of neighbouring pixels with similar colours.

The segmentation plugin uses it.

Source: N. Araslanov, S. Roth, "Single-Stage Semantic Segmentation from Image Labels", CVPR 2020, section 3.2. The
constants are those of visinf/1-stage-wseg models/mods/pamr.py, which NACLIP and SCLIP use.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

_NEIGHBOURS = [(row, column) for row in (-1, 0, 1) for column in (-1, 0, 1)]
_SHARPNESS = 0.1
"""The unit of differences between pixels, as a share of the local standard deviation."""
_EPSILON = 1e-8
CLASSES_AT_ONCE = 8
"""The number of score maps that are refined together. The maps are independent, so memory holds only a few copies."""


def refine(scores: Tensor, image: Tensor, steps: int, dilations: Sequence[int]) -> Tensor:
    """Replace each score by a weighted mean of its neighbours' scores, ``steps`` times.

    A pixel has eight neighbours at each dilation. The weights of the neighbours are a softmax over all of them. Its
    input for the pixel x and its neighbour y is the mean over channels of -|x - y| / (0.1 s). Here s is the unbiased
    standard deviation of the pixel and its neighbours at all dilations. At the border, the outermost pixels are
    repeated.

    Args:
        scores: (Q, H, W) scores. They are overwritten.
        image: (3, H, W) pixels. If a channel is scaled or shifted, the result stays the same.
        steps: the number of rounds. With 0 the scores stay as they are.
        dilations: the distances of the neighbours from their pixel, in pixels.

    Returns:
        (Q, H, W) refined scores.
    """
    if steps == 0:
        return scores
    weights = affinity(image.to(scores.device), dilations)
    for start in range(0, len(scores), CLASSES_AT_ONCE):
        some = scores[start : start + CLASSES_AT_ONCE]
        for _ in range(steps):
            refined = torch.zeros_like(some)
            for weight, neighbour in zip(weights, _neighbours(some, dilations, centre=False), strict=True):
                refined.addcmul_(neighbour, weight)
            some = refined
        scores[start : start + CLASSES_AT_ONCE] = some
    return scores


def affinity(image: Tensor, dilations: Sequence[int]) -> Tensor:
    """The weights of each pixel's neighbours, which sum to 1: (8 * number of dilations, H, W) for a (3, H, W) image.

    Raises:
        ValueError: the image has no channel.
    """
    total: Tensor | None = None
    for channel in image.float():
        around = torch.stack(list(_neighbours(channel[None], dilations, centre=True)))[:, 0]
        deviation = around.std(dim=0)
        others = torch.stack(list(_neighbours(channel[None], dilations, centre=False)))[:, 0]
        unlike = (others - channel).abs() / (_EPSILON + _SHARPNESS * deviation)
        total = unlike if total is None else total + unlike
    if total is None:
        raise ValueError("the image has no channel")
    return (-total / len(image)).softmax(dim=0)


def _neighbours(maps: Tensor, dilations: Sequence[int], *, centre: bool) -> Iterator[Tensor]:
    """For each dilation, copies of (C, H, W) maps that have at each pixel the value of one of its eight neighbours.

    With ``centre``, there is also a copy with the pixel's own value, once for each dilation.
    """
    height, width = maps.shape[1:]
    for dilation in dilations:
        padded = F.pad(maps[None], [dilation] * 4, mode="replicate")[0]
        for row, column in _NEIGHBOURS:
            if centre or (row, column) != (0, 0):
                top, left = dilation * (1 + row), dilation * (1 + column)
                yield padded[:, top : top + height, left : left + width]
