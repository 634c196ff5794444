"""Turns the scores of all queries at each pixel into one class for each pixel. The segmentation plugin uses it.

A query is one word of a class.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

BAND = 2**24
"""The largest number of scores that become probabilities at once, in whole rows and at least one row. So memory never
holds a second copy of all scores."""


@dataclass(frozen=True)
class Rule:
    """The rule that turns scores into classes.

    Attributes:
        owners: (Q,) the class of each query.
        num_classes: C.
        scale: the factor of the scores before the softmax over queries.
        probability_threshold: a pixel becomes class 0 if its best class has a lower probability.
        area_threshold: a class above 0 is dropped if it has no more than this share of the image's pixels in classes
            above 0. With 0, no class is dropped.
    """

    owners: Tensor
    num_classes: int
    scale: float
    probability_threshold: float = 0.0
    area_threshold: float = 0.0


def decide(scores: Tensor, rule: Rule) -> Tensor:
    """From (Q, H, W) scores to (H, W) classes, on the CPU.

    1. The softmax over all queries gives probabilities. A class has the probability of its best query.
    2. The area threshold drops classes with few pixels: their probability becomes 0.
    3. Each pixel gets the class with the highest probability.
    4. The probability threshold changes pixels to class 0.

    This order is SCLIP's (clip_segmentor.py, postprocess_result).
    """
    kept: Tensor | None = None
    if rule.area_threshold:
        labels = torch.cat([band.argmax(dim=0) for band in _probabilities(scores, rule)])
        areas = torch.bincount(labels.flatten(), minlength=rule.num_classes)
        areas[0] = 0
        kept = areas > rule.area_threshold * areas.sum()
        kept[0] = True
    bands = []
    for probabilities in _probabilities(scores, rule):
        if kept is not None:
            probabilities = probabilities * kept[:, None, None]
        best, labels = probabilities.max(dim=0)
        bands.append(torch.where(best < rule.probability_threshold, 0, labels))
    return torch.cat(bands).cpu()


def _probabilities(scores: Tensor, rule: Rule) -> Iterator[Tensor]:
    """(C, some rows, W) probabilities of the classes, from the top of the image to the bottom."""
    rows = max(1, BAND // (scores.shape[0] * scores.shape[2]))
    owners = rule.owners.to(scores.device)
    alone = owners.tolist() == list(range(rule.num_classes))
    for top in range(0, scores.shape[1], rows):
        band = scores[:, top : top + rows]
        probabilities = (band * rule.scale).softmax(dim=0)
        if alone:
            yield probabilities
            continue
        of_classes = torch.zeros(rule.num_classes, *band.shape[1:], device=band.device)
        index = owners[:, None, None].expand_as(probabilities)
        yield of_classes.scatter_reduce_(0, index, probabilities, "amax")
