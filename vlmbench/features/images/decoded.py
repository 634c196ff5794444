"""Streams whole pictures for the tasks of detection and segmentation, which ask where things are.

Worker threads read, hash and decode them; they come one by one, in order. Unlike the images of
:mod:`vlmbench.features.images.stream` they keep their size and are not cached, because each task processes a picture in
its own way.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from typing import Generic, TypeVar

import PIL.Image

from vlmbench.data.base import ImageDataset, content_if_readable, sample_digest, sample_images
from vlmbench.data.formats.pixels import say_facts
from vlmbench.data.shown import AnnotatedSize, ShownPictures
from vlmbench.errors import BadSampleError
from vlmbench.features.images.batch import ImageTally
from vlmbench.features.images.read import Bad
from vlmbench.features.progress import Progress
from vlmbench.features.settings import EngineSettings
from vlmbench.features.workers import in_threads

AHEAD = 4
"""The number of pictures that are decoded before the model needs them."""

T = TypeVar("T")


@dataclass(frozen=True)
class Picture(Generic[T]):
    """One decoded sample.

    Attributes:
        index: the sample.
        image: RGB, at its original size.
        content: the hex content hash, as :func:`~vlmbench.data.base.content_sha256` gives it.
        truth: what the task loads for the image.
    """

    index: int
    image: PIL.Image.Image
    content: str
    truth: T


@dataclass(frozen=True)
class Truth(Generic[T]):
    """The truth that a task loads for an image.

    Attributes:
        value: the truth in the task's own form.
        files: the content of each file from which it was made. The sample's content hash covers them.
    """

    value: T
    files: tuple[bytes, ...] = ()


def stream_pictures(
    dataset: ImageDataset,
    indices: Sequence[int],
    load: Callable[[int, PIL.Image.Image], Truth[T]],
    settings: EngineSettings,
    *,
    annotated: AnnotatedSize | None = None,
    progress: Progress,
    tally: ImageTally,
) -> Generator[Picture[T], None, None]:
    """Decode the chosen samples of a dataset, in order.

    Args:
        load: maps a sample's index and image to its truth. The worker threads call it.
        annotated: the size of the picture to which a sample's annotations belong. It decides whether an orientation
            tag is applied, see :mod:`vlmbench.data.shown`.
        settings: the number of threads, and whether unusable samples are left out.
        progress: counts every picture, good or bad, when the next one is asked for.

    Raises:
        BadSampleError: a sample cannot be read or decoded or has no usable truth, and ``settings.skip_bad`` is off.
    """

    clock, shown = tally.clock, ShownPictures(dataset, annotated)

    def prepare(index: int) -> Picture[T] | Bad:
        try:
            with clock.timed("read"):
                (data,) = sample_images(dataset, index)
            with clock.timed("decode"):
                decoded = shown.decode(index, data)
            with clock.timed("truth"):
                truth = load(index, decoded.image)
        except BadSampleError as error:
            return Bad(error, content_if_readable(dataset, index))
        with clock.timed("hash"):
            digests = [sha256(content).digest() for content in (data, *truth.files)]
        say_facts(decoded.facts, dataset.samples[index].id)
        return Picture(index, decoded.image, sample_digest(digests).hex(), truth.value)

    progress.start("images", len(indices))
    with closing(in_threads(prepare, indices, settings.decoding_threads, AHEAD, clock)) as prepared:
        for each in prepared:
            if isinstance(each, Picture):
                tally.pictures += 1
                yield each
            elif not settings.skip_bad:
                raise each.error
            else:
                tally.bad.append(each.sample())
            progress.advance(1)
