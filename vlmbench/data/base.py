"""Samples and datasets: what every source hands to the tasks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from vlmbench.cards import SourceSpec

Target = int | tuple[int, ...] | tuple[str, ...]
"""What is true of a sample; which of the three, says its :data:`TargetKind`."""

TargetKind = Literal["class", "classes", "captions"]
"""What a task needs to know of each sample: its class index; the indices of every class present (sorted, possibly
none); or its captions (one or more, in the data's order)."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One image's place and label. Its bytes are read by :meth:`ImageDataset.read` when they are needed.

    Attributes:
        id: stable within the dataset and readable: a relative path, a webdataset key, a row number.
        target: see :data:`Target`.
    """

    id: str
    target: Target


@dataclass(frozen=True)
class SourceInfo:
    """Where a dataset came from, for the record.

    Attributes:
        kind: the source's registered name.
        location: the folder, repository or set, as the user would recognise it.
        revision: the commit of a hub repository; None for local files.
        split: the split read, None where the layout has none.
    """

    kind: str
    location: str
    revision: str | None = None
    split: str | None = None


class ImageDataset(Protocol):
    """Labelled images, read by index from several threads at once."""

    info: SourceInfo
    samples: Sequence[Sample]
    classes: tuple[str, ...] | None
    """Class names in label order as the data states them; None where it states none."""
    templates: tuple[str, ...] | None
    """Prompt templates that come with the data; None where none do."""

    def read(self, index: int) -> bytes:
        """The encoded image file of ``samples[index]``.

        Raises:
            BadSampleError: it cannot be read.
        """

    def state(self) -> str:
        """A cheap hash that changes when the files do (names, sizes, times, revision): no content is read."""


@dataclass(frozen=True)
class SourceContext:
    """What a source may use besides its own spec.

    Attributes:
        data_root: the folder under which relative paths are looked up; None: only the working directory.
        offline: never ask a hub; only its cache.
        class_names: the card's class names, in label order; None where the card leaves them to the data.
        target: what each sample's target is to be.
    """

    data_root: Path | None = None
    offline: bool = False
    class_names: tuple[str, ...] | None = None
    target: TargetKind = "class"


Source = Callable[[SourceSpec, SourceContext], ImageDataset]


def fingerprint(pairs: Iterable[tuple[str, Target]]) -> str:
    """The hex SHA-256 of a dataset's content: which bytes carry which label, in any order, under any name.

    The same images through a folder, a webdataset or a hub repository have the same fingerprint; one byte or
    one label changed gives another.

    Args:
        pairs: (hex SHA-256 of the image file, target) of every sample.
    """
    digest = hashlib.sha256()
    for line in sorted(f"{content} {target!r}" for content, target in pairs):
        digest.update(line.encode())
        digest.update(b"\n")
    return digest.hexdigest()
