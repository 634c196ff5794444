"""Encodes a dataset's images. The engine uses it.

Worker threads read, hash, decode and preprocess the images, and each full batch is encoded. Only a few batches are in
memory at any time.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from vlmbench.data.base import ImageDataset, frames_per_sample
from vlmbench.features.cache.space import FeatureSpace
from vlmbench.features.images.batch import ImageBatch, ImageTally
from vlmbench.features.images.clips import average_clips
from vlmbench.features.images.forward import ImageEncoder, Queued, overlapped
from vlmbench.features.images.read import Bad, ImageReader, Ready
from vlmbench.features.progress import Progress
from vlmbench.features.settings import EngineSettings
from vlmbench.features.workers import in_threads
from vlmbench.models.base import VisionLanguageModel

AHEAD = 2
"""The number of batches that are read before the encoder needs them."""


def encode_images(
    model: VisionLanguageModel,
    dataset: ImageDataset,
    indices: Sequence[int],
    settings: EngineSettings,
    *,
    space: FeatureSpace | None,
    progress: Progress,
    tally: ImageTally,
    in_flight: int | None = None,
) -> Generator[ImageBatch, None, None]:
    """Encode the chosen samples of a dataset, batch by batch.

    The frames of a clip are encoded one by one in full batches, and each frame is cached by its own content. The
    clip's feature is their mean, see :func:`~vlmbench.features.images.clips.average_clips`. One bad frame makes its
    clip bad.

    Args:
        settings: the batch size counts frames if samples are clips. A batch that does not fit into memory is halved.
        space: the model's feature cache; None: everything is encoded.
        progress: counts every image, good or bad.
        in_flight: the number of batches that are queued on the device beyond the one being fetched; by default as
            :func:`~vlmbench.features.images.forward.batches_in_flight` gives it. It changes no number.

    Raises:
        BadSampleError: a sample cannot be decoded, and ``settings.skip_bad`` is off.
        ModelError, NonFiniteFeaturesError: see :func:`~vlmbench.features.batches.checked`.
    """
    frames = frames_per_sample(dataset)
    encoder = ImageEncoder(model, settings.precision, tally, in_flight)
    reader = ImageReader(dataset, encoder.path.prepare, space, tally.clock)
    images = _encode_each(reader, encoder, indices, settings, frames, progress, tally)
    yield from images if frames == 1 else average_clips(images, dataset, frames)


def _encode_each(
    reader: ImageReader,
    encoder: ImageEncoder,
    indices: Sequence[int],
    settings: EngineSettings,
    frames: int,
    progress: Progress,
    tally: ImageTally,
) -> Generator[ImageBatch, None, None]:
    """Encode every image of the chosen samples. The images of one sample are consecutive."""
    dataset, space, batch_size = reader.dataset, reader.space, settings.batch_size

    def start(batch: list[Ready]) -> Queued | None:
        fresh = [ready for ready in batch if ready.pixels is not None]
        images = [ready.pixels for ready in fresh if ready.pixels is not None]
        return encoder.queue(images, [dataset.samples[ready.index].id for ready in fresh]) if fresh else None

    def finish(batch: list[Ready], started: Queued | None) -> Tensor:
        features = torch.empty(len(batch), encoder.dim)
        for row, ready in enumerate(batch):
            if ready.cached is not None:
                features[row] = ready.cached
        if started is not None:
            fresh = [row for row, ready in enumerate(batch) if ready.cached is None]
            features[fresh] = encoder.fetch(started)
            if space:
                contents = [batch[row].content for row in fresh]
                notes = {batch[row].content: batch[row].note for row in fresh}
                with tally.clock.timed("cache_write"):
                    space.put(contents, np.asarray(features[fresh]), notes)
                tally.kept.update(contents)
            tally.encoded += len(fresh)
        for ready in batch:
            if ready.cached is not None:
                tally.served(ready.content)
        return features

    progress.start("images", len(indices) * frames)
    samples = in_threads(reader.read, indices, settings.decoding_threads, AHEAD * batch_size // frames, tally.clock)
    with closing(samples):  # so that its threads end here, and not at garbage collection
        good = without_bad(samples, frames, skip_bad=settings.skip_bad, progress=progress, tally=tally)
        for batch, features in overlapped(_batches(good, batch_size), start, finish, encoder.in_flight):
            yield ImageBatch([r.index for r in batch], features, [r.content.hex() for r in batch])
            progress.advance(len(batch))


def without_bad(
    samples: Iterator[list[Ready] | Bad], frames: int, *, skip_bad: bool, progress: Progress, tally: ImageTally
) -> Iterator[Ready]:
    """The images of the good samples. The bad ones are counted.

    Raises:
        BadSampleError: a sample is bad, and ``skip_bad`` is off.
    """
    for sample in samples:
        if not isinstance(sample, Bad):
            yield from sample
            continue
        if not skip_bad:
            raise sample.error
        tally.bad.append(sample.sample())
        progress.advance(frames)


def _batches(images: Iterator[Ready], batch_size: int) -> Iterator[list[Ready]]:
    while batch := list(islice(images, batch_size)):
        yield batch
