"""Checks compressed counts before pycocotools reads them. It would read beyond its memory. :mod:`.masks` uses it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_LONGEST = 7
"""The most characters of a length in compressed counts: 35 bits, while pycocotools keeps 32."""


def totals(texts: Sequence[str]) -> NDArray[np.int64]:
    """(N,) the number of pixels that compressed counts cover.

    A length is written in five bits a character, the lowest first, with a sign. From the fourth on, it is the
    difference from the length before the last (``rleToString`` of pycocotools' maskApi.c).

    Raises:
        ValueError: a text holds another character, ends within a length, or has a negative length.
    """
    each = np.array([len(text) for text in texts], dtype=np.int64)
    written = np.frombuffer("".join(texts).encode("utf-8"), dtype=np.uint8).astype(np.int64) - 48
    if len(written) != each.sum() or (len(written) and not 0 <= written.min() <= written.max() < 64):
        raise ValueError("its counts are not compressed run lengths")
    finished = (written & 32) == 0
    if not finished[np.cumsum(each)[each > 0] - 1].all():
        raise ValueError("its counts end within a number")
    ends = np.flatnonzero(finished)
    starts = np.concatenate([[0], ends[:-1] + 1])[: len(ends)]
    place = np.arange(len(written)) - np.repeat(starts, np.diff(starts, append=len(written)))
    if place.max(initial=0) >= _LONGEST:
        raise ValueError("its counts have a number that is too large")
    if not len(ends):
        return np.zeros(len(texts), dtype=np.int64)
    values = np.add.reduceat((written & 31) << (5 * place), starts)
    values -= ((written[ends] & 16) > 0).astype(np.int64) << (5 * (place[ends] + 1))
    owner = np.repeat(np.arange(len(texts)), each)[ends]
    first = np.cumsum(np.bincount(owner, minlength=len(texts))) - np.bincount(owner, minlength=len(texts))
    first = first[owner]
    number = np.arange(len(ends)) - first
    lengths = np.where(number == 0, values, 0)
    for own in (number % 2 == 1, (number % 2 == 0) & (number > 0)):  # lengths 1, 3, 5, … add up, and so do 2, 4, 6, …
        sums = np.cumsum(np.where(own, values, 0))
        lengths += np.where(own, sums - sums[first], 0)
    if lengths.min() < 0:
        raise ValueError("its counts have a negative length")
    totals = np.zeros(len(texts), dtype=np.int64)
    np.add.at(totals, owner, lengths)
    return totals
