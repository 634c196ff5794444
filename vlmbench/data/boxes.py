"""Images with boxes: what a source knows beyond each image's objects, and the files themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from vlmbench.data.base import Box, ImageDataset, Sample, SourceInfo
from vlmbench.data.image_files import read_file, readable
from vlmbench.data.location import files_state


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


class BoxFiles:
    """Image files below one folder with their boxes. Holds names and boxes only; files are opened when they are read.

    Args:
        entries: (POSIX path relative to the folder, boxes) of every sample; the path is its id.
    """

    templates: tuple[str, ...] | None = None

    def __init__(
        self,
        folder: Path,
        info: SourceInfo,
        entries: Sequence[tuple[str, tuple[Box, ...]]],
        classes: tuple[str, ...],
        facts: BoxFacts,
        said_by: Sequence[Path],
    ) -> None:
        self._folder = folder
        self._paths = [path for path, _ in entries]
        self._said_by = said_by
        self.info = info
        self.classes: tuple[str, ...] | None = classes
        self.facts = facts
        self.samples: Sequence[Sample] = [Sample(readable(path), boxes) for path, boxes in entries]

    def read(self, index: int) -> bytes:
        return read_file(self._folder / self._paths[index], self.samples[index].id)

    def state(self) -> str:
        images = ((path, self._folder / path) for path in self._paths)
        return files_state((*((path.name, path) for path in self._said_by), *images), salt=repr(self.facts))
