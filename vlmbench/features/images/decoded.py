"""Whole pictures, for tasks that ask where things are: read, hashed and decoded in worker threads, one by one in order.

Unlike the images of :mod:`vlmbench.features.images.stream` they are not brought to the model's input size, and nothing
of them is cached: what a task makes of a picture depends on the task.
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
"""Pictures decoded ahead of the model."""

T = TypeVar("T")


@dataclass(frozen=True)
class Picture(Generic[T]):
    """One sample, decoded.

    Attributes:
        index: which sample.
        image: RGB, at its own size.
        content: the hex content hash, as :func:`~vlmbench.data.base.content_sha256` gives it.
        truth: what the task loads beside the image.
    """

    index: int
    image: PIL.Image.Image
    content: str
    truth: T


@dataclass(frozen=True)
class Truth(Generic[T]):
    """What is loaded beside an image.

    Attributes:
        value: what the task wants of it.
        files: the content of each file it was made of, which the sample's content hash covers.
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
    """The chosen samples of a dataset, in order.

    Args:
        load: a sample's index and image to its truth; called in the worker threads.
        annotated: the size of the picture that a sample's annotations are of: it tells whether an orientation tag is
            applied, see :mod:`vlmbench.data.shown`.
        settings: how many threads, and whether samples that cannot be used are left out.
        progress: told of every picture done, good or bad, when the next is asked for.

    Raises:
        BadSampleError: a sample cannot be read or decoded, or has no usable truth, and they are not to be left out.
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
