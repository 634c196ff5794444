"""Holds true and predicted boxes as flat arrays over all images, and checks them when they are made.

The detection task makes them from answers. All metrics of this folder take them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class BoxTruth:
    """The G objects of I images.

    Attributes:
        images: I.
        classes: C.
        image: (G,) each object's image, in [0, I). Predictions with equal scores are ranked in the order of their
            images; pycocotools sorts images by id.
        label: (G,) each object's class, in [0, C).
        xywh: (G, 4) left, top, width, height.
        area: (G,) the area that the data states. It decides whether an object is small, medium or large.
        crowd: (G,) whether the box covers many objects. It is never a miss, and a prediction inside it is not a false
            positive.

    Raises:
        ValueError: lengths differ, an index is out of range, or a number is not finite.
    """

    images: int
    classes: int
    image: Ints
    label: Ints
    xywh: Floats
    area: Floats
    crowd: NDArray[np.bool_]

    def __post_init__(self) -> None:
        _check(self.image, self.label, self.xywh, area=self.area, crowd=self.crowd)
        _check_range(self.image, self.images, "image")
        _check_range(self.label, self.classes, "label")


@dataclass(frozen=True)
class BoxPredictions:
    """D predictions. Predictions with equal scores in one image are ranked in the order of the rows.

    Attributes:
        image: (D,) as in :class:`BoxTruth`.
        label: (D,) as in :class:`BoxTruth`.
        xywh: (D, 4) left, top, width, height.
        score: (D,) higher is more certain.

    Raises:
        ValueError: lengths differ, or a score or coordinate is not finite.
    """

    image: Ints
    label: Ints
    xywh: Floats
    score: Floats

    def __post_init__(self) -> None:
        _check(self.image, self.label, self.xywh, score=self.score)


@dataclass(frozen=True)
class Federation:
    """What LVIS states about classes that are not annotated in every image (Gupta et al. 2019, section 2).

    Attributes:
        absent: (image, class) pairs; the class is known to be absent from the image.
        partial: (image, class) pairs; not every object of the class is annotated in the image, so unmatched predictions
            are ignored.
    """

    absent: frozenset[tuple[int, int]] = field(default_factory=frozenset)
    partial: frozenset[tuple[int, int]] = field(default_factory=frozenset)


def _check(image: Ints, label: Ints, xywh: Floats, **others: NDArray[np.generic]) -> None:
    rows = len(image)
    if xywh.shape != (rows, 4):
        raise ValueError(f"{rows} boxes need xywh of shape ({rows}, 4), not {xywh.shape}")
    for name, values in (("label", label), *others.items()):
        if values.shape != (rows,):
            raise ValueError(f"{rows} boxes need as many of {name}, not shape {values.shape}")
    for name, values in (("xywh", xywh), *others.items()):
        finite = np.isfinite(values.astype(np.float64))
        if not finite.all():
            row = int(np.argwhere(~finite)[0][0])
            raise ValueError(f"{name}[{row}] is {values[row]}: boxes and scores must be finite")


def _check_range(values: Ints, count: int, name: str) -> None:
    if len(values) and (values.min() < 0 or values.max() >= count):
        raise ValueError(f"{name} must lie in [0, {count}), not between {values.min()} and {values.max()}")


def places_in_runs(begins: Ints, count: int) -> Ints:
    """The place of each of ``count`` rows in its run, from 0. Runs begin at the rows ``begins``, the first at row 0."""
    return np.arange(count) - np.repeat(begins, np.diff(np.append(begins, count)))
