"""Defines what datasets with boxes state besides the boxes: ids, sizes and LVIS' facts. Detection tasks use it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from vlmbench.data.base import Box, ImageDataset


@dataclass(frozen=True)
class BoxFacts:
    """What the data states about its images and classes, besides the boxes.

    Attributes:
        image_ids: the id of each sample in the data, which results files name.
        category_ids: the id of each class in the data, in label order.
        frequencies: LVIS' frequency group of each class ("r", "c" or "f"); None if the data has no groups.
        absent: LVIS' ``neg_category_ids``: for each sample, the classes that are known not to be in it; None if every
            class is annotated in every image.
        partial: LVIS' ``not_exhaustive_category_ids``: for each sample, the classes that have objects without a box;
            None if every class is annotated in every image.
        sizes: the width and height of each sample, as the data states them; None if it does not state them.
        size_of: a function that looks up the stated size of one sample, for data whose sizes may be wrong. These sizes
            decide whether a picture is turned, but a picture of another size is not refused.
        image_ids_stated: whether the data states the ids of its images. If not, they are only places, and a results
            file must name the images.
        category_ids_stated: whether the data states the ids of its classes. If not, they are only places.
        outlines: a function that gives the outline of each box of a sample, in the order of its boxes and in the form
            of COCO's ``segmentation``; an outline is None if the data lacks it. The function itself is None if no box
            has an outline.
    """

    image_ids: tuple[int, ...]
    category_ids: tuple[int, ...]
    frequencies: tuple[str, ...] | None = None
    absent: tuple[tuple[int, ...], ...] | None = None
    partial: tuple[tuple[int, ...], ...] | None = None
    sizes: tuple[tuple[int, int] | None, ...] | None = None
    size_of: Callable[[int], tuple[int, int] | None] | None = None
    image_ids_stated: bool = field(default=True, repr=False)
    category_ids_stated: bool = field(default=True, repr=False)
    outlines: Callable[[int], tuple[object, ...]] | None = field(default=None, repr=False, compare=False)


@runtime_checkable
class BoxDataset(ImageDataset, Protocol):
    """A dataset that states facts besides its boxes."""

    facts: BoxFacts


def facts_of(dataset: ImageDataset, classes: int) -> BoxFacts:
    """The dataset's facts. If it states none, samples and classes get the ids 1, 2, 3, …"""
    if isinstance(dataset, BoxDataset):
        return dataset.facts
    return BoxFacts(
        tuple(range(1, len(dataset.samples) + 1)),
        tuple(range(1, classes + 1)),
        image_ids_stated=False,
        category_ids_stated=False,
    )


class AnnotatedSizes:
    """The size of the picture to which each sample's boxes belong.

    Usually it is the size that the data states. Some tools, such as Label Studio's COCO export, draw boxes on the
    picture turned by a quarter, as its orientation tag asks, but state the size of the stored file. Such data is
    recognised by a box that lies outside the stated size and fits if width and height are exchanged. Then the stated
    sizes decide nothing, and the boxes are taken to belong to the turned pictures.
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
        """Whether the data states sizes that can be trusted."""
        return not self.of_stored_files and (self._facts.sizes is not None or self._facts.size_of is not None)

    def __call__(self, index: int) -> tuple[int, int] | None:
        if self._facts.sizes is not None:
            return self._facts.sizes[index]
        return self._facts.size_of(index) if self._facts.size_of is not None else None

    def fits(self, index: int, size: tuple[int, int]) -> bool:
        """Whether a picture of this size agrees with the size that the data states for a sample.

        Every size agrees if ``BoxFacts.sizes`` has none. If the stated sizes are those of the stored files, the size
        with width and height exchanged agrees, too.
        """
        stated = self._facts.sizes[index] if self._facts.sizes is not None else None
        return stated in (None, size) or (self.of_stored_files and stated == size[::-1])


_CLEARLY_OUTSIDE = 0.05
"""A box that leaves its picture by more than this share of a side is not just drawn carelessly."""


def _exchanged(size: tuple[int, int], boxes: Sequence[object]) -> bool:
    """Whether boxes do not fit into a picture of this size, but fit if width and height are exchanged."""
    if size[0] == size[1]:
        return False
    corners = [(x + width, y + height) for x, y, width, height in (box.xywh for box in boxes if isinstance(box, Box))]
    if not corners:
        return False
    right, bottom = (max(values) for values in zip(*corners, strict=True))
    outside = bool(right > size[0] * (1 + _CLEARLY_OUTSIDE) or bottom > size[1] * (1 + _CLEARLY_OUTSIDE))
    return outside and bool(right <= size[1] + 1 and bottom <= size[0] + 1)
