"""Images with boxes: what a source knows beyond each image's objects, as far as it says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from vlmbench.data.base import ImageDataset


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
    """

    image_ids: tuple[int, ...]
    category_ids: tuple[int, ...]
    frequencies: tuple[str, ...] | None = None
    absent: tuple[tuple[int, ...], ...] | None = None
    partial: tuple[tuple[int, ...], ...] | None = None
    sizes: tuple[tuple[int, int] | None, ...] | None = None


@runtime_checkable
class BoxDataset(ImageDataset, Protocol):
    """A dataset of boxes that knows more than its boxes."""

    facts: BoxFacts


def facts_of(dataset: ImageDataset, classes: int) -> BoxFacts:
    """The dataset's facts; where it has none, samples and classes are numbered from 1."""
    if isinstance(dataset, BoxDataset):
        return dataset.facts
    return BoxFacts(tuple(range(1, len(dataset.samples) + 1)), tuple(range(1, classes + 1)))
