"""Makes, reads, measures and compares masks of single objects. The arithmetic is that of pycocotools.

All rooms that know masks of objects use it, through :mod:`vlmbench.run_lengths`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco

from vlmbench.run_lengths.counts import totals

_FEWEST = 6
"""The fewest numbers of a polygon: three corners."""
_FARTHEST = 10
"""A corner of a polygon may be this many times the picture's longer side away."""

_CHECKED_AT_ONCE = 512
_AT_ONCE = 255
"""pycocotools 2.0.11 counts the masks of one call of ``area`` in eight bits, and NumPy 2 refuses more."""


@dataclass(frozen=True, slots=True)
class RunLengths:
    """The mask of one object.

    Attributes:
        height: of the picture, in pixels.
        width: of the picture, in pixels.
        counts: the lengths of the runs of pixels outside and inside the mask, column by column, as COCO compresses
            them into ASCII text.
    """

    height: int
    width: int
    counts: str

    @property
    def form(self) -> dict[str, Any]:
        """The mask as COCO's files write it."""
        return {"size": [self.height, self.width], "counts": self.counts}

    def pixels(self) -> NDArray[np.bool_]:
        """(H, W) whether each pixel is inside."""
        return np.asarray(coco.decode(self.form), dtype=bool)

    def box(self) -> tuple[float, float, float, float]:
        """Left, top, width and height of the smallest box around the mask. All are 0 for an empty mask."""
        left, top, width, height = coco.toBbox(self.form).tolist()
        return left, top, width, height


def compressed(masks: NDArray[np.bool_]) -> list[RunLengths]:
    """Compress (N, H, W) masks.

    >>> compressed(np.array([[[False, True], [False, True]]]))
    [RunLengths(height=2, width=2, counts='22')]
    """
    if not len(masks):
        return []
    stacked = np.asfortranarray(masks.transpose(1, 2, 0).astype(np.uint8))
    return [_of_form(form) for form in coco.encode(stacked)]


def outlined(outline: Any, height: int, width: int) -> RunLengths:
    """Read the mask of an object from a COCO file: polygons, run lengths, or compressed run lengths.

    Args:
        outline: the value of ``segmentation``: a list of polygons (x, y, x, y, …), or ``{"size", "counts"}``.
        height: of the picture.
        width: of the picture.

    Raises:
        ValueError: the value has another form, or belongs to a picture of another size.
    """
    if isinstance(outline, dict):
        return _of_counts(outline, height, width)
    if not isinstance(outline, list) or not outline:
        raise ValueError(f"it is {_short(outline)}, which is neither a list of polygons nor run lengths")
    parts = [_polygon(part, _FARTHEST * max(height, width)) for part in outline]
    return _of_form(coco.merge(coco.frPyObjects(parts, height, width)))


def check(masks: Sequence[RunLengths]) -> None:
    """Refuse masks whose counts do not fit their size. pycocotools would read beyond its memory.

    Raises:
        ValueError: a mask has such counts.
    """
    for start in range(0, len(masks), _CHECKED_AT_ONCE):
        some = masks[start : start + _CHECKED_AT_ONCE]
        for mask, total in zip(some, totals([mask.counts for mask in some]).tolist(), strict=True):
            if total != mask.height * mask.width:
                raise ValueError(_other_size(total, mask.height, mask.width))


def areas(masks: Sequence[RunLengths]) -> NDArray[np.float64]:
    """(N,) the number of pixels inside each mask."""
    result = np.empty(len(masks))
    for start in range(0, len(masks), _AT_ONCE):
        some = [mask.form for mask in masks[start : start + _AT_ONCE]]
        result[start : start + len(some)] = coco.area(some)
    return result


def overlaps(
    found: Sequence[RunLengths], objects: Sequence[RunLengths], crowd: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """(N, M) intersection over union of N masks and M objects of one picture. For a crowd, the union is the mask."""
    if not len(found) or not len(objects):
        return np.zeros((len(found), len(objects)))
    forms = [mask.form for mask in found], [mask.form for mask in objects]
    return np.asarray(coco.iou(*forms, crowd.astype(np.uint8).tolist()), dtype=np.float64)


def _of_form(form: dict[str, Any]) -> RunLengths:
    height, width = form["size"]
    return RunLengths(int(height), int(width), form["counts"].decode("ascii"))


def _polygon(part: Any, farthest: int) -> list[float]:
    """The corners of one polygon, if there are at least three.

    A list of four numbers is refused, because pycocotools would take it for a box; corners far from the picture are
    refused, because it would write a number for each pixel on the way to them.
    """
    try:
        numbers = [float(number) for number in part]
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"a polygon is {_short(part)}, which is not a list of numbers") from None
    if len(numbers) < _FEWEST or len(numbers) % 2 or not all(map(math.isfinite, numbers)):
        raise ValueError(f"a polygon is {_short(numbers)}, but it needs an x and a y for each of three or more corners")
    if max(map(abs, numbers)) > farthest:
        raise ValueError(f"a polygon is {_short(numbers)}, which lies far outside the picture")
    return numbers


def _of_counts(outline: dict[str, Any], height: int, width: int) -> RunLengths:
    size, counts = outline.get("size"), outline.get("counts")
    if not isinstance(size, list | tuple) or list(size) != [height, width]:
        raise ValueError(f"its size is {_short(size)}, but the picture has [{height}, {width}] (height, width)")
    if isinstance(counts, list):
        if not all(isinstance(count, int) and count >= 0 for count in counts):
            raise ValueError(f"its counts are {_short(counts)}, which are not whole numbers from 0")
        total = sum(counts)
        if total == height * width:
            return _of_form(coco.frPyObjects({"size": [height, width], "counts": counts}, height, width))
    else:
        text = counts.decode("latin-1") if isinstance(counts, bytes) else counts
        if not isinstance(text, str):
            raise ValueError(f"its counts are {_short(counts)}, which are not compressed run lengths")
        total = int(totals([text])[0])
        if total == height * width:
            return RunLengths(height, width, text)
    raise ValueError(_other_size(total, height, width))


def _other_size(total: int, height: int, width: int) -> str:
    return f"its counts cover {total:,} pixels, but {width} x {height} pixels are {height * width:,}"


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:60]}…"
