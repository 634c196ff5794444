"""Images with boxes: what a source knows beyond each image's objects, as far as it says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from vlmbench.data.base import Box, ImageDataset


@dataclass(frozen=True)
class BoxFacts:
    """What the data says of its images and classes, beyond the boxes.

    Attributes:
        image_ids: the data's own id of each sample, which results files name.
        category_ids: the data's own id of each class, in label order.
        frequencies: LVIS' group of each class ("r", "c" or "f"); None where the data has none.
        absent: LVIS' ``neg_category_ids``: for each sample, the classes known not to be there; None where every class
            is annotated in every image.
        partial: LVIS' ``not_exhaustive_category_ids``: for each sample, the classes of which not every object is
            annotated; None likewise.
        sizes: the width and height of each sample as the data states them; None where it does not.
        size_of: the same of a sample, found when it is asked, where the data's sizes may be wrong: what turns pictures
            goes by them, and no picture of another size is refused.
    """

    image_ids: tuple[int, ...]
    category_ids: tuple[int, ...]
    frequencies: tuple[str, ...] | None = None
    absent: tuple[tuple[int, ...], ...] | None = None
    partial: tuple[tuple[int, ...], ...] | None = None
    sizes: tuple[tuple[int, int] | None, ...] | None = None
    size_of: Callable[[int], tuple[int, int] | None] | None = None


@runtime_checkable
class BoxDataset(ImageDataset, Protocol):
    """A dataset of boxes that knows more than its boxes."""

    facts: BoxFacts


def facts_of(dataset: ImageDataset, classes: int) -> BoxFacts:
    """The dataset's facts; where it has none, samples and classes are numbered from 1."""
    if isinstance(dataset, BoxDataset):
        return dataset.facts
    return BoxFacts(tuple(range(1, len(dataset.samples) + 1)), tuple(range(1, classes + 1)))


class AnnotatedSizes:
    """The size of the picture that each sample's boxes are of.

    That is the size that the data states. Some tools, such as Label Studio's COCO export, state the size of the stored
    file beside boxes of the picture as it is shown, turned by a quarter. A box outside the stated size and inside its
    sides exchanged gives them away; then the stated sizes tell nothing, and boxes are taken to be of what is shown.
    """

    def __init__(self, dataset: ImageDataset, facts: BoxFacts) -> None:
        self._facts = facts
        sizes = facts.sizes or ()
        self.of_stored_files = any(
            size is not None and isinstance(sample.target, tuple) and _exchanged(size, sample.target)
            for size, sample in zip(sizes, dataset.samples, strict=False)
        )

    @property
    def told(self) -> bool:
        """Whether the data states any."""
        return not self.of_stored_files and (self._facts.sizes is not None or self._facts.size_of is not None)

    def __call__(self, index: int) -> tuple[int, int] | None:
        if self._facts.sizes is not None:
            return self._facts.sizes[index]
        return self._facts.size_of(index) if self._facts.size_of is not None else None

    def fits(self, index: int, size: tuple[int, int]) -> bool:
        """Whether a sample's boxes may be of a picture of this size."""
        stated = self._facts.sizes[index] if self._facts.sizes is not None else None
        return stated in (None, size) or (self.of_stored_files and stated == size[::-1])


_CLEARLY_OUTSIDE = 0.05
"""Share of a side by which a box leaves its picture for another reason than careless drawing."""


def _exchanged(size: tuple[int, int], boxes: Sequence[object]) -> bool:
    """Whether boxes do not fit a picture of this size, and fit one with its sides exchanged."""
    if size[0] == size[1]:
        return False
    corners = [(x + width, y + height) for x, y, width, height in (box.xywh for box in boxes if isinstance(box, Box))]
    if not corners:
        return False
    right, bottom = (max(values) for values in zip(*corners, strict=True))
    outside = bool(right > size[0] * (1 + _CLEARLY_OUTSIDE) or bottom > size[1] * (1 + _CLEARLY_OUTSIDE))
    return outside and bool(right <= size[1] + 1 and bottom <= size[0] + 1)
