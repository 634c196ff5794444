"""Finds the best pairs of a box and a label over all chunks of labels. The detectors of this folder use it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Pairs:
    """The N best pairs of each of B images, best first.

    Attributes:
        scores: (B, N).
        boxes: (B, N, 4).
        labels: (B, N) int64.
    """

    scores: Tensor
    boxes: Tensor
    labels: Tensor


def best_pairs(scores: Tensor, boxes: Tensor, first: int, count: int) -> Pairs:
    """Find the best pairs of one chunk. If there are fewer than ``count``, all are returned.

    Args:
        scores: (B, Q, c), of each box and label.
        boxes: (B, Q, 4).
        first: the number of the chunk's first label.
    """
    best, order = scores.flatten(1).topk(min(count, scores[0].numel()), dim=1)
    chosen = (order // scores.shape[2])[..., None].expand(-1, -1, 4)
    return Pairs(best, boxes.gather(1, chosen), order % scores.shape[2] + first)


def merged(some: Pairs | None, more: Pairs, count: int) -> Pairs:
    """Keep the best ``count`` pairs of two chunks. Each image has its own."""
    if some is None:
        return more
    scores = torch.cat([some.scores, more.scores], dim=1)
    best, order = scores.topk(min(count, scores.shape[1]), dim=1)
    boxes = torch.cat([some.boxes, more.boxes], dim=1).gather(1, order[..., None].expand(-1, -1, 4))
    return Pairs(best, boxes, torch.cat([some.labels, more.labels], dim=1).gather(1, order))
