"""Samples and datasets: what every source hands to the tasks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from vlmbench.cards import SourceSpec
from vlmbench.data.remote import Remote
from vlmbench.errors import BadSampleError, PluginError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Box:
    """One object of an image.

    Attributes:
        label: its class index.
        xywh: left, top, width and height in pixels, as COCO writes them.
        area: in square pixels as the data states it (of the mask, in COCO), which decides small, medium or large.
        crowd: the box holds many objects of the class (COCO's ``iscrowd``): never a miss, and no false positive in it.
        id: the data's own, for reports.
    """

    label: int
    xywh: tuple[float, float, float, float]
    area: float
    crowd: bool = False
    id: int = 0


Target = int | tuple[int, ...] | tuple[str, ...] | tuple[Box, ...] | None
"""What is true of a sample; which of them, says its :data:`TargetKind`."""

TargetKind = Literal["class", "classes", "captions", "annotated class", "boxes", "mask"]
"""What a task needs to know of each sample: its class index; the indices of every class present (sorted, possibly
none); its captions (one or more, in the data's order); the index of a class that it may or may not show, the data
saying which (see :mod:`vlmbench.data.sources.rareact`); its objects (in the data's order, possibly none); or None, the
truth being a mask beside the image (:class:`MaskDataset`)."""


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
        """A cheap hash that changes when the files do (names, sizes, times, revision): no content is read.

        Empty if nothing but the content tells: then nothing is remembered of it from one run to the next.
        """


@runtime_checkable
class ClipDataset(ImageDataset, Protocol):
    """Labelled clips: each sample is the same number of frames of a video.

    Attributes:
        frames_per_clip: N. Of a clip's n frames those at the centres of N equal segments are used, see
            :func:`segment_centres`. Where N is 1, :meth:`ImageDataset.read` gives that frame; where it is more, no
            single image stands for a clip, and ``read`` raises DataError.
    """

    frames_per_clip: int

    def read_frames(self, index: int) -> Iterator[bytes]:
        """The N frames of ``samples[index]`` in order of time, each an encoded image.

        One call goes through the clip once, however many frames it gives, and holds one of them at a time.

        Raises:
            BadSampleError: one of them cannot be read.
        """


@runtime_checkable
class MaskDataset(ImageDataset, Protocol):
    """Images with a class for every pixel."""

    ignore_label: int
    """Pixels of this value in :meth:`labels` are not scored."""
    mask_values: str
    """How the files' values become labels, in words: two readings of the same files that differ have different words,
    and so different runs."""

    def read_mask(self, index: int) -> bytes:
        """The encoded mask file of ``samples[index]``.

        Raises:
            BadSampleError: it cannot be read.
        """

    def labels(self, data: bytes, sample_id: str) -> NDArray[np.int64]:
        """An encoded mask as (H, W) class indices, :attr:`ignore_label` where nothing is to be scored.

        What is odd about it is remarked each time, so that whoever asks for an answer asks once.

        Raises:
            BadSampleError: it is no mask of this dataset: colours instead of indices, a value that is no class.
        """


def segment_centres(count: int, frames: int) -> list[int]:
    """Which of ``count`` frames stand for a clip: floor((i + 0.5) * count / frames), i = 0 ... frames - 1.

    One frame is the middle one, as CLIP takes it (Radford et al. 2021, appendix A.1); several are the centres of
    equal segments. A clip with fewer frames than asked for gives some of them more than once.

    >>> segment_centres(10, 1), segment_centres(9, 1), segment_centres(10, 4)
    ([5], [4], [1, 3, 6, 8])
    """
    return [(2 * i + 1) * count // (2 * frames) for i in range(frames)]


def frames_per_sample(dataset: ImageDataset) -> int:
    """How many images a sample is: a clip's frames, else one."""
    return dataset.frames_per_clip if isinstance(dataset, ClipDataset) else 1


def sample_images(dataset: ImageDataset, index: int) -> Iterator[bytes]:
    """The encoded images of one sample: the one, or a clip's frames in order.

    Raises:
        BadSampleError: one of them cannot be read, or the source gave another number of frames than it said.
    """
    if not isinstance(dataset, ClipDataset) or dataset.frames_per_clip == 1:
        yield dataset.read(index)
        return
    given = 0
    for data in dataset.read_frames(index):
        given += 1
        yield data
    if given != dataset.frames_per_clip:
        raise BadSampleError(dataset.samples[index].id, f"{given} frames were read, not {dataset.frames_per_clip}")


@dataclass(frozen=True)
class Chosen:
    """Some samples of a dataset, by their indices."""

    dataset: ImageDataset
    indices: Sequence[int]


READING_RULES = 2
"""The version of the rules by which files become samples and pixels, and of what is remarked of them.

A fix that changes what an odd file gives raises it: a record of other rules is never found as an answer, so that the
pair is asked again, under the id it had. Version 2 converts pixels by :mod:`vlmbench.data.formats.pixels`.
"""
HASH_BYTES = hashlib.sha256().digest_size
"""Of a content hash."""


def sample_digest(digests: Sequence[bytes]) -> bytes:
    """The content hash of a sample from its images' SHA-256: one image's is its own, several are hashed together."""
    return digests[0] if len(digests) == 1 else hashlib.sha256(b"".join(digests)).digest()


def content_sha256(dataset: ImageDataset, index: int) -> str:
    """The hex content hash of one sample: of its file's bytes; of a clip of several frames, over its frames' hashes;
    of an image with a mask, over both files' hashes.

    Raises:
        BadSampleError: it cannot be read.
    """
    digests = [hashlib.sha256(data).digest() for data in sample_images(dataset, index)]
    if isinstance(dataset, MaskDataset):
        digests.append(hashlib.sha256(dataset.read_mask(index)).digest())
    return sample_digest(digests).hex()


def content_if_readable(dataset: ImageDataset, index: int) -> str | None:
    """The hex content hash of one sample, as :func:`content_sha256` gives it; None where it cannot be read."""
    try:
        return content_sha256(dataset, index)
    except BadSampleError:
        return None


@dataclass(frozen=True)
class SourceContext:
    """What a source may use besides its own spec.

    Attributes:
        data_root: the folder under which relative paths are looked up; None: only the working directory.
        offline: never ask a hub; only its cache.
        class_names: the card's class names, in label order; None where the card leaves them to the data.
        own_names: the user's, in any order; None where the user gives none.
        target: what each sample's target is to be.
        objects: datasets that the caller holds in memory, by the location in the card's source.
    """

    data_root: Path | None = None
    offline: bool = False
    class_names: tuple[str, ...] | None = None
    target: TargetKind = "class"
    own_names: tuple[str, ...] | None = None
    objects: Mapping[str, ImageDataset] = field(default_factory=dict)

    @property
    def classes(self) -> int | None:
        """How many classes there are to be, by the card or else the user; None where both leave it to the data."""
        names = self.class_names if self.class_names is not None else self.own_names
        return len(names) if names is not None else None


OpenSource = Callable[[SourceSpec, SourceContext], ImageDataset]
"""Opens a dataset. Raises MissingDataError if it is not there, DataError or LabelError if it cannot be used."""


@dataclass(frozen=True)
class Source:
    """One kind of place where samples come from, and what of a card's ``sources`` entry means something to it.

    An entry with a field or option that means nothing to its source is refused before the source is opened.

    Attributes:
        open: opens a dataset.
        options: the names of its options, or a function that gives them for one entry and may raise UsageError; None
            if they are not known, so that none is refused.
        folders: whether it reads ``folders``.
        other_locations: whether it reads ``other_locations``.
        split: whether it reads ``split``.
        revision: whether it reads ``revision``.
        remote: where its data comes from if that is not on this machine; None if it always is.
    """

    open: OpenSource
    options: Sequence[str] | Callable[[SourceSpec], Sequence[str]] | None = ()
    folders: bool = False
    other_locations: bool = False
    split: bool = False
    revision: bool = False
    remote: Remote | None = None

    def options_of(self, spec: SourceSpec) -> Sequence[str] | None:
        """The options that an entry may have; None if they are not known.

        Raises:
            UsageError: there is no such dataset.
        """
        return self.options(spec) if callable(self.options) else self.options


def as_source(entry: Source | OpenSource) -> Source:
    """A registered entry as a source. A bare function becomes one of which nothing is known, so nothing is refused.

    Raises:
        PluginError: it is neither.
    """
    if isinstance(entry, Source):
        return entry
    if not callable(entry):
        raise PluginError(f"a data source is registered as {entry!r}", hint="Register a Source or a function.")
    return Source(entry, None, folders=True, other_locations=True, split=True, revision=True)


def fingerprint(pairs: Iterable[tuple[str, Target]]) -> str:
    """The hex SHA-256 of a dataset's content: which bytes carry which label, in any order, under any name.

    The same images through a folder, a webdataset or a hub repository have the same fingerprint; one byte or
    one label changed gives another.

    Args:
        pairs: (content hash as :func:`content_sha256` gives it, target) of every sample.
    """
    digest = hashlib.sha256()
    for line in sorted(f"{content} {target!r}".encode() for content, target in pairs):  # UTF-8 sorts as its text does
        digest.update(line)
        digest.update(b"\n")
    return digest.hexdigest()
