"""Pixel-adaptive mask refinement: scores flow to neighbours that look alike.

Source: N. Araslanov, S. Roth, "Single-Stage Semantic Segmentation from Image Labels", CVPR 2020, section 3.2;
visinf/1-stage-wseg models/mods/pamr.py, whose numbers these are (NACLIP and SCLIP use that file).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

_NEIGHBOURS = [(row, column) for row in (-1, 0, 1) for column in (-1, 0, 1)]
_SHARPNESS = 0.1
"""Differences are measured in tenths of the local standard deviation."""
_EPSILON = 1e-8
CLASSES_AT_ONCE = 8
"""Classes do not see each other, so that memory needs to hold a few of them only."""


def refine(scores: Tensor, image: Tensor, steps: int, dilations: Sequence[int]) -> Tensor:
    """Replace every score by the mean of its neighbours', weighted by how alike their pixels are, ``steps`` times.

    The neighbours are the eight around a pixel, at each dilation. Of a neighbour at a distance |x - y| in a channel the
    weight is the softmax over neighbours of -|x - y| / (0.1 s), mean over channels, where s is the standard deviation
    (unbiased) of the pixel and its neighbours at all dilations. At the border the outermost pixels are repeated.

    Args:
        scores: (Q, H, W). They are overwritten.
        image: (3, H, W), in any linear scale of each channel: it makes no difference.
        dilations: in pixels.

    Returns:
        (Q, H, W).
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
    """The weights of every pixel's neighbours: (3, H, W) to (8 * number of dilations, H, W), summing to 1."""
    total: Tensor | None = None
    for channel in image.float():
        around = torch.stack(list(_neighbours(channel[None], dilations, centre=True)))[:, 0]
        deviation = around.std(dim=0)
        others = torch.stack(list(_neighbours(channel[None], dilations, centre=False)))[:, 0]
        unlike = (others - channel).abs() / (_EPSILON + _SHARPNESS * deviation)
        total = unlike if total is None else total + unlike
    if total is None:
        raise ValueError("an image has at least one channel")
    return (-total / len(image)).softmax(dim=0)


def _neighbours(maps: Tensor, dilations: Sequence[int], *, centre: bool) -> Iterator[Tensor]:
    """(C, H, W) shifted to each of a pixel's neighbours in turn, and with ``centre`` to itself, once a dilation."""
    height, width = maps.shape[1:]
    for dilation in dilations:
        padded = F.pad(maps[None], [dilation] * 4, mode="replicate")[0]
        for row, column in _NEIGHBOURS:
            if centre or (row, column) != (0, 0):
                top, left = dilation * (1 + row), dilation * (1 + column)
                yield padded[:, top : top + height, left : left + width]
