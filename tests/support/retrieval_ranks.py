"""Ranks of true candidates, from a literal sort."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def literal_ranks(scores: np.ndarray, true: Sequence[Sequence[int]]) -> list[int]:
    """Sort each row, false before true among equals, and look where the first true one is."""
    found = []
    for row, own in zip(scores, true, strict=True):
        order = sorted(range(len(row)), key=lambda candidate: (-row[candidate], candidate in own))
        found.append(1 + min(order.index(candidate) for candidate in own))
    return found
