"""From every query's score at every pixel to one class a pixel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

BAND = 2**24
"""Scores turned into probabilities at a time: whole rows, so that no second copy of all scores is needed."""


@dataclass(frozen=True)
class Rule:
    """How scores decide.

    Attributes:
        owners: (Q,) the class of each query.
        scale: what scores are multiplied with before the softmax over queries.
        probability_threshold: a pixel whose best class has less is class 0.
        area_threshold: a class above 0 with no more than this share of all such classes' pixels is dropped.
    """

    owners: Tensor
    num_classes: int
    scale: float
    probability_threshold: float = 0.0
    area_threshold: float = 0.0


def decide(scores: Tensor, rule: Rule) -> Tensor:
    """(Q, H, W) scores to (H, W) classes on the CPU.

    Softmax over all queries, then of each class the best of its queries, then the best class; then the area rule, whose
    dropped classes have a probability of 0, and the threshold. This order is SCLIP's (clip_segmentor.py,
    postprocess_result).
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
    """(C, some rows, W), from the top down."""
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
