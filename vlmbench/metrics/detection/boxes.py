"""Holds true and predicted boxes as flat arrays over all images, and checks them when they are made.

The detection task makes them from answers. All metrics of this folder take them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vlmbench.run_lengths import RunLengths, areas

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Masks = NDArray[np.object_]
"""(N,) masks of single objects: :class:`~vlmbench.run_lengths.RunLengths`."""


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
        masks: (G,) each object's mask. Overlaps are then those of masks; None: those of boxes.

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
    masks: Masks | None = None

    def __post_init__(self) -> None:
        _check(self.image, self.label, self.xywh, area=self.area, crowd=self.crowd)
        _check_masks(self.masks, len(self.image))
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
        masks: (D,) as in :class:`BoxTruth`.

    Raises:
        ValueError: lengths differ, or a score or coordinate is not finite.
    """

    image: Ints
    label: Ints
    xywh: Floats
    score: Floats
    masks: Masks | None = None

    def __post_init__(self) -> None:
        _check(self.image, self.label, self.xywh, score=self.score)
        _check_masks(self.masks, len(self.image))

    @property
    def area(self) -> Floats:
        """(D,) square pixels of each mask, or of each box if there are no masks."""
        return self.xywh[:, 2] * self.xywh[:, 3] if self.masks is None else areas(self.masks.tolist())

    def rows(self, rows: Ints) -> BoxPredictions:
        """These predictions only, in this order."""
        masks = None if self.masks is None else self.masks[rows]
        return BoxPredictions(self.image[rows], self.label[rows], self.xywh[rows], self.score[rows], masks)


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


def _check_masks(masks: Masks | None, rows: int) -> None:
    if masks is not None and masks.shape != (rows,):
        raise ValueError(f"{rows} boxes need as many masks, not shape {masks.shape}")


def _check_range(values: Ints, count: int, name: str) -> None:
    if len(values) and (values.min() < 0 or values.max() >= count):
        raise ValueError(f"{name} must lie in [0, {count}), not between {values.min()} and {values.max()}")


def mask_array(masks: Sequence[RunLengths]) -> Masks:
    """Masks as an array."""
    result = np.empty(len(masks), dtype=object)
    result[:] = masks
    return result


def places_in_runs(begins: Ints, count: int) -> Ints:
    """The place of each of ``count`` rows in its run, from 0. Runs begin at the rows ``begins``, the first at row 0."""
    return np.arange(count) - np.repeat(begins, np.diff(np.append(begins, count)))
