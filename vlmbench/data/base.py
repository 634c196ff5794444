"""Defines samples, datasets and sources: the types that connect sources to tasks.

Every source opens an :class:`ImageDataset` (or one of its extensions for clips, masks and boxes), and every task reads
one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from vlmbench.cards import SourceSpec
from vlmbench.data.remote import Remote
from vlmbench.errors import BadSampleError, NoImagesError, PluginError
from vlmbench.storage.base import Location, Url

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Box:
    """One object of an image.

    Attributes:
        label: its class index.
        xywh: left, top, width and height in pixels, as COCO writes them.
        area: square pixels, as the data states it (in COCO, the area of the mask). It decides whether the object counts
            as small, medium or large.
        crowd: the box holds many objects of the class (COCO's ``iscrowd``). It never counts as a miss, and a detection
            in it never counts as a false positive.
        id: the object's id in the data, for reports.
    """

    label: int
    xywh: tuple[float, float, float, float]
    area: float
    crowd: bool = False
    id: int = 0


Target = int | tuple[int, ...] | tuple[str, ...] | tuple[Box, ...] | None
"""The truth of a sample, in the form that :data:`TargetKind` names."""

TargetKind = Literal["class", "classes", "captions", "annotated class", "boxes", "mask"]
"""What a task needs to know about each sample:

- ``class``: its class index;
- ``classes``: the indices of all classes in it (sorted, possibly empty);
- ``captions``: its captions (one or more, in the data's order);
- ``annotated class``: the index of a class; the dataset states whether the sample shows it (see
  :mod:`vlmbench.data.sources.rareact`);
- ``boxes``: its objects (in the data's order, possibly empty);
- ``mask``: None, because the truth is a mask file (see :class:`MaskDataset`).
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """The name and the label of one image. :meth:`ImageDataset.read` reads its bytes when they are needed.

    Attributes:
        id: stable within the dataset and readable: a relative path, a webdataset key, a row number.
        target: see :data:`Target`.
    """

    id: str
    target: Target


@dataclass(frozen=True)
class SourceInfo:
    """Where a dataset came from. The record keeps it.

    Attributes:
        kind: the source's registered name.
        location: the folder, repository or set, as the user writes it.
        revision: the commit of a hub repository; None for local files.
        split: the split that was read; None if the layout has no splits.
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
    """Class names in label order, as the data states them; None if it states no names."""
    templates: tuple[str, ...] | None
    """Prompt templates that come with the data; None if it has no templates."""

    def read(self, index: int) -> bytes:
        """The encoded image file of ``samples[index]``.

        Raises:
            BadSampleError: it cannot be read.
        """

    def state(self) -> str:
        """A cheap hash that changes when the files change: of names, sizes, times and revision, not of content.

        Empty if only the content shows a change. Then nothing is kept about the dataset from one run to the next.
        """


@runtime_checkable
class ClipDataset(ImageDataset, Protocol):
    """Labelled clips: each sample is the same number of frames of a video.

    Attributes:
        frames_per_clip: N. Each clip gives the frames at the centres of N equal segments, see :func:`segment_centres`.
            If N is 1, :meth:`ImageDataset.read` gives that frame. If N is greater, a clip has no single image, and
            ``read`` raises DataError.
    """

    frames_per_clip: int

    def read_frames(self, index: int) -> Iterator[bytes]:
        """The N frames of ``samples[index]`` in order of time, each an encoded image.

        One call goes through the clip once, for any number of frames, and keeps one frame in memory at a time.

        Raises:
            BadSampleError: one of them cannot be read.
        """


@runtime_checkable
class MaskDataset(ImageDataset, Protocol):
    """Images with a class for every pixel."""

    ignore_label: int
    """Pixels of this value in :meth:`labels` are not scored."""
    mask_values: str
    """A text that says how the files' values become labels. It is part of the run's identity, so that two different
    readings of the same files are two runs."""

    def read_mask(self, index: int) -> bytes:
        """The encoded mask file of ``samples[index]``.

        Raises:
            BadSampleError: it cannot be read.
        """

    def labels(self, data: bytes, sample_id: str) -> NDArray[np.int64]:
        """An encoded mask as (H, W) class indices, with :attr:`ignore_label` at pixels that are not scored.

        Every call repeats the remarks about the mask, so a task calls it once per sample.

        Raises:
            BadSampleError: it is not a mask of this dataset: it has colours instead of indices, or a value that is
                not a class.
        """


@runtime_checkable
class NamesMasks(Protocol):
    """Implemented by datasets whose masks are files."""

    mask_names: Sequence[str]
    """The path of each sample's mask file below the folder of masks. Predicted masks often have these names."""


def segment_centres(count: int, frames: int) -> list[int]:
    """The indices of the frames that represent a clip: floor((i + 0.5) * count / frames), i = 0 ... frames - 1.

    A single frame is the middle one, as in CLIP (Radford et al. 2021, appendix A.1). Several frames are the centres of
    equal segments. If the clip has fewer frames than are asked for, some of them are used more than once.

    Args:
        count: the number of frames in the clip.
        frames: the number of frames to choose.

    >>> segment_centres(10, 1), segment_centres(9, 1), segment_centres(10, 4)
    ([5], [4], [1, 3, 6, 8])
    """
    return [(2 * i + 1) * count // (2 * frames) for i in range(frames)]


def frames_per_sample(dataset: ImageDataset) -> int:
    """The number of images in each sample: the frames per clip, or 1 for single images."""
    return dataset.frames_per_clip if isinstance(dataset, ClipDataset) else 1


def sample_images(dataset: ImageDataset, index: int) -> Iterator[bytes]:
    """The encoded images of one sample: its image, or its clip's frames in order.

    Raises:
        BadSampleError: one of them cannot be read, or the number of frames is not ``frames_per_clip``.
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
"""The version of the rules that turn files into samples, pixels and remarks.

A fix that changes the result for an unusual file raises this number. A record made by older rules is then not reused:
the pair runs again, under the same run id. Version 2 converts pixels by :mod:`vlmbench.data.formats.pixels`.
"""
HASH_BYTES = hashlib.sha256().digest_size
"""The length of a content hash in bytes."""


def sample_digest(digests: Sequence[bytes]) -> bytes:
    """The content hash of a sample, from the SHA-256 of its images: that of the only image, or a hash over several."""
    return digests[0] if len(digests) == 1 else hashlib.sha256(b"".join(digests)).digest()


def content_sha256(dataset: ImageDataset, index: int) -> str:
    """The content hash of one sample in hex.

    For one image it is the hash of the file's bytes; for a clip of several frames, the hash over the frames' hashes;
    for an image with a mask, the hash over both files' hashes.

    Raises:
        BadSampleError: it cannot be read.
    """
    digests = [hashlib.sha256(data).digest() for data in sample_images(dataset, index)]
    if isinstance(dataset, MaskDataset):
        digests.append(hashlib.sha256(dataset.read_mask(index)).digest())
    return sample_digest(digests).hex()


def content_if_readable(dataset: ImageDataset, index: int) -> str | None:
    """The hex content hash of one sample, as :func:`content_sha256` gives it; None if it cannot be read."""
    try:
        return content_sha256(dataset, index)
    except BadSampleError:
        return None


@runtime_checkable
class MayLackImages(Protocol):
    """Implemented by datasets that can be opened without their images, from the files that list them."""

    no_images: NoImagesError | None
    """Why the images were not found; None if they were found."""


def images_absent(dataset: ImageDataset, indices: Sequence[int]) -> bool:
    """Whether no image of these samples can be read. It reads at most one image if the first one is there."""
    return not any(_has_image(dataset, index) for index in indices)


def _has_image(dataset: ImageDataset, index: int) -> bool:
    try:
        next(sample_images(dataset, index), None)
    except BadSampleError:
        return False
    return True


def id_sha256(dataset: ImageDataset, index: int) -> str:
    """What stands for the content hash of a sample whose image is absent, in hex: a hash of its id.

    For an image with a mask, it is a hash over the hashes of the id and of the mask file.

    Raises:
        BadSampleError: the mask cannot be read.
    """
    digests = [hashlib.sha256(f"sample {dataset.samples[index].id}".encode()).digest()]
    if isinstance(dataset, MaskDataset):
        digests.append(hashlib.sha256(dataset.read_mask(index)).digest())
    return sample_digest(digests).hex()


@dataclass(frozen=True)
class SourceContext:
    """What a source may use besides its own spec.

    Attributes:
        data_root: the folder in which relative paths are looked up first; None: only in the working directory. A source
            never gets a URL: :mod:`vlmbench.data.open` copies the data first, or lets the source stream it.
        offline: never ask a hub, only its cache.
        class_names: the card's class names, in label order; None if the card leaves them to the data.
        target: the kind of target that the task needs.
        own_names: the class names that the user gives, in any order; None if the user gives no names.
        objects: datasets that the caller has in memory, by the location in the card's source.
        images_optional: whether a dataset is opened without its images if only the files that list them are there
            (:class:`MayLackImages`), because the answers to it were made elsewhere.
    """

    data_root: Location | None = None
    offline: bool = False
    class_names: tuple[str, ...] | None = None
    target: TargetKind = "class"
    own_names: tuple[str, ...] | None = None
    objects: Mapping[str, ImageDataset] = field(default_factory=dict)
    images_optional: bool = False

    @property
    def classes(self) -> int | None:
        """The number of classes that the card or else the user states; None if neither states it."""
        names = self.class_names if self.class_names is not None else self.own_names
        return len(names) if names is not None else None


OpenSource = Callable[[SourceSpec, SourceContext], ImageDataset]
"""Opens a dataset. Raises MissingDataError if it is not there, DataError or LabelError if it cannot be used."""
StreamSource = Callable[[Url, SourceSpec, SourceContext], ImageDataset | None]
"""Opens a dataset at a URL; None if there is nothing. Raises the same errors, and StoreError for the storage."""


@dataclass(frozen=True)
class Source:
    """One kind of place where samples come from, with the fields and options of a card's entry that it uses.

    An entry that has a field or option which its source does not use is refused before the source is opened.

    Attributes:
        open: opens a dataset.
        options: the names of its options, or a function that gives them for one entry and may raise UsageError; None
            if they are not known, and then every option is allowed.
        folders: whether it uses ``folders``.
        other_locations: whether it uses ``other_locations``.
        split: whether it uses ``split``.
        revision: whether it uses ``revision``.
        remote: how to get data that is not on this machine; None if its data is on this machine or at a URL.
        stream: opens a dataset at a URL without a copy; None: the dataset is copied to this machine first.
        below_root: the files and folders below the data root that an entry may mean; None: its locations. If the data
            root is a URL, these are copied.
    """

    open: OpenSource
    options: Sequence[str] | Callable[[SourceSpec], Sequence[str]] | None = ()
    folders: bool = False
    other_locations: bool = False
    split: bool = False
    revision: bool = False
    remote: Remote | None = None
    stream: StreamSource | None = None
    below_root: Callable[[SourceSpec], Sequence[str]] | None = None

    def options_of(self, spec: SourceSpec) -> Sequence[str] | None:
        """The options that an entry may have; None if they are not known.

        Raises:
            UsageError: there is no such dataset.
        """
        return self.options(spec) if callable(self.options) else self.options


def as_source(entry: Source | OpenSource) -> Source:
    """A registered entry as a source. A plain function becomes a source that allows every field and option.

    Raises:
        PluginError: it is neither a source nor a function.
    """
    if isinstance(entry, Source):
        return entry
    if not callable(entry):
        raise PluginError(f"a data source is registered as {entry!r}", hint="Register a Source or a function.")
    return Source(entry, None, folders=True, other_locations=True, split=True, revision=True)


def fingerprint(pairs: Iterable[tuple[str, Target]]) -> str:
    """The SHA-256 in hex of a dataset's content: the samples' bytes and labels, without their order and names.

    The same images and labels have the same fingerprint in a folder, a webdataset and a hub repository. If one byte or
    one label changes, the fingerprint changes.

    Args:
        pairs: for each sample, its content hash from :func:`content_sha256` and its target.
    """
    digest = hashlib.sha256()
    for line in sorted(f"{content} {target!r}".encode() for content, target in pairs):  # UTF-8 sorts as its text does
        digest.update(line)
        digest.update(b"\n")
    return digest.hexdigest()
