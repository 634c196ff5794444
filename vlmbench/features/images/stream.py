"""Images to features: bytes read, hashed, decoded and preprocessed in worker threads; batches encoded as they fill.

At any time only a few batches are in memory.
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
"""Batches read ahead of the encoder."""


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

    A clip of several frames is encoded frame by frame, in full batches, each frame cached by its own content; its
    feature is their mean, see :func:`~vlmbench.features.images.clips.average_clips`. One bad frame makes its clip bad.

    Args:
        settings: how; of clips, its batch size counts frames, and it is halved for a batch that does not fit.
        space: the model's feature cache; None: everything is encoded.
        progress: told of every image done, good or bad.
        in_flight: batches queued on the device beyond the one whose features are fetched; by default as
            :func:`~vlmbench.features.images.forward.batches_in_flight` has it. Changes no number.

    Raises:
        BadSampleError: a sample cannot be decoded, and they are not to be left out.
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
    """Every image of the chosen samples; those of one sample follow each other."""
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
    with closing(samples):  # its threads end with us, not when the collector finds them
        good = _without_bad(samples, frames, skip_bad=settings.skip_bad, progress=progress, tally=tally)
        for batch, features in overlapped(_batches(good, batch_size), start, finish, encoder.in_flight):
            yield ImageBatch([r.index for r in batch], features, [r.content.hex() for r in batch])
            progress.advance(len(batch))


def _without_bad(
    samples: Iterator[list[Ready] | Bad], frames: int, *, skip_bad: bool, progress: Progress, tally: ImageTally
) -> Iterator[Ready]:
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
