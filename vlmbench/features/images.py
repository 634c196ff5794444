"""Images to features: bytes read, hashed, decoded and preprocessed in worker threads; batches encoded as they fill.

Pillow and torch release the interpreter lock while they decode and resize, so threads keep the cores busy without the
start-up, copying and clean-up that worker processes cost. At any time only a few batches are in memory.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from time import perf_counter
from typing import TypeVar

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from vlmbench.data.base import ImageDataset, frames_per_sample, sample_digest, sample_images
from vlmbench.data.decode import decode_image
from vlmbench.errors import BadSampleError, ModelError
from vlmbench.features.batches import checked, encode_halving
from vlmbench.features.cache import FeatureSpace
from vlmbench.features.clips import average_clips
from vlmbench.features.image_batch import ImageBatch, ImageTally
from vlmbench.features.precision import Precision, inference
from vlmbench.features.progress import Progress
from vlmbench.models.base import VisionLanguageModel
from vlmbench.records import BadSample

T = TypeVar("T")
AHEAD = 2
"""Batches read ahead of the encoder."""


@dataclass(frozen=True)
class _Ready:
    """One image out of a worker: either its cached features or its pixels."""

    index: int
    content: bytes
    cached: Tensor | None
    pixels: Tensor | None


@dataclass(frozen=True)
class _Bad:
    """One sample that cannot be read or decoded; its content hash where it could be read."""

    error: BadSampleError
    content: str | None


def encode_images(
    model: VisionLanguageModel,
    dataset: ImageDataset,
    indices: Sequence[int],
    *,
    batch_size: int,
    precision: Precision,
    space: FeatureSpace | None,
    progress: Progress,
    tally: ImageTally,
    skip_bad: bool = False,
    workers: int | None = None,
) -> Generator[ImageBatch, None, None]:
    """Encode the chosen samples of a dataset, batch by batch.

    A clip of several frames is encoded frame by frame, in full batches, each frame cached by its own content; its
    feature is their mean, see :func:`~vlmbench.features.clips.average_clips`. One bad frame makes its clip bad.

    Args:
        model: the encoder.
        dataset: where bytes are read from.
        indices: which samples.
        batch_size: images (of clips: frames) a forward pass; halved for a batch that does not fit.
        precision: see :func:`~vlmbench.features.precision.inference`.
        space: the model's feature cache; None: everything is encoded.
        progress: told of every image done, good or bad.
        tally: filled on the way.
        skip_bad: leave out samples that cannot be decoded and note them, instead of failing.
        workers: decoding threads; by default one a core, at most 16.

    Raises:
        BadSampleError: a sample cannot be decoded, and ``skip_bad`` is off.
        ModelError, NonFiniteFeaturesError: see :func:`~vlmbench.features.batches.checked`.
    """

    frames = frames_per_sample(dataset)
    images = _encode_each(
        model,
        dataset,
        indices,
        frames=frames,
        batch_size=batch_size,
        precision=precision,
        space=space,
        progress=progress,
        tally=tally,
        skip_bad=skip_bad,
        workers=workers,
    )
    yield from images if frames == 1 else average_clips(images, dataset, frames)


def _encode_each(
    model: VisionLanguageModel,
    dataset: ImageDataset,
    indices: Sequence[int],
    *,
    frames: int,
    batch_size: int,
    precision: Precision,
    space: FeatureSpace | None,
    progress: Progress,
    tally: ImageTally,
    skip_bad: bool,
    workers: int | None,
) -> Generator[ImageBatch, None, None]:
    """Every image of the chosen samples; those of one sample follow each other."""

    def prepare_image(index: int, data: bytes, content: bytes) -> _Ready:
        known = space.get(content) if space else None
        if known is not None:
            return _Ready(index, content, torch.from_numpy(known.copy()), None)
        image = decode_image(data, dataset.samples[index].id)
        return _Ready(index, content, None, _preprocess(model, image, dataset.samples[index].id))

    def prepare(index: int) -> list[_Ready] | _Bad:
        ready: list[_Ready] = []
        digests: list[bytes] = []
        problem: BadSampleError | None = None
        try:
            for data in sample_images(dataset, index):
                digests.append(sha256(data).digest())
                try:
                    if problem is None:
                        ready.append(prepare_image(index, data, digests[-1]))
                except BadSampleError as error:
                    problem = error  # the sample is bad as a whole, but its content hash needs the images that follow
        except BadSampleError as error:
            return _Bad(problem or error, None)
        return _Bad(problem, sample_digest(digests).hex()) if problem else ready

    progress.start("images", len(indices) * frames)
    waiting: list[_Ready] = []
    for prepared in in_threads(prepare, indices, workers or default_workers(), AHEAD * batch_size // frames):
        if isinstance(prepared, _Bad):
            if not skip_bad:
                raise prepared.error
            bad = BadSample(id=prepared.error.sample_id, reason=prepared.error.reason, content=prepared.content)
            tally.bad.append(bad)
            progress.advance(frames)
            continue
        waiting.extend(prepared)
        while len(waiting) >= batch_size:
            batch, waiting = waiting[:batch_size], waiting[batch_size:]
            yield _encode(model, dataset, batch, precision, space, tally)
            progress.advance(len(batch))
    if waiting:
        yield _encode(model, dataset, waiting, precision, space, tally)
        progress.advance(len(waiting))


def default_workers() -> int:
    """Decoding threads when nobody says how many: one a core that this process may use, at most 16."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(16, cores)


def _preprocess(model: VisionLanguageModel, image: PIL.Image.Image, sample_id: str) -> Tensor:
    try:
        return model.preprocess(image)
    except (
        OSError,
        ValueError,
    ) as error:  # Pillow's own complaints about an image it opened but cannot convert
        raise BadSampleError(sample_id, f"the model's transform refuses it: {error}") from error


def _encode(
    model: VisionLanguageModel,
    dataset: ImageDataset,
    batch: list[_Ready],
    precision: Precision,
    space: FeatureSpace | None,
    tally: ImageTally,
) -> ImageBatch:
    features = torch.empty(len(batch), model.embedding_dim)
    fresh = [row for row, ready in enumerate(batch) if ready.cached is None]
    for row, ready in enumerate(batch):
        if ready.cached is not None:
            features[row] = ready.cached
    if fresh:
        features[fresh] = _forward(model, dataset, [batch[row] for row in fresh], precision, tally)
        if space:
            space.put([batch[row].content for row in fresh], np.asarray(features[fresh]))
    tally.hits += len(batch) - len(fresh)
    tally.encoded += len(fresh)
    return ImageBatch([r.index for r in batch], features, [r.content.hex() for r in batch])


def _forward(
    model: VisionLanguageModel,
    dataset: ImageDataset,
    batch: list[_Ready],
    precision: Precision,
    tally: ImageTally,
) -> Tensor:
    started = perf_counter()
    names = [dataset.samples[ready.index].id for ready in batch]
    images = [ready.pixels for ready in batch if ready.pixels is not None]
    if len({tuple(image.shape) for image in images}) > 1:
        raise ModelError(f"the model's transform gave images of different shapes, among them {names[0]!r}")

    def encode(chosen: Sequence[Tensor]) -> Tensor:
        return model.encode_image(torch.stack(list(chosen)).to(model.device, non_blocking=True))

    with inference(model.device, precision):
        encoded = encode_halving(encode, images)
    features = checked(encoded, names, model.embedding_dim, renormalise=precision != "fp32")
    tally.forward_seconds += perf_counter() - started
    return features


def in_threads(prepare: Callable[[int], T], indices: Sequence[int], workers: int, ahead: int) -> Iterator[T]:
    """Results in order, at most ``ahead`` of them waiting."""
    todo = iter(indices)
    pool = ThreadPoolExecutor(workers, thread_name_prefix="vlmbench-decode")
    queue: deque[Future[T]] = deque(pool.submit(prepare, index) for index in islice(todo, max(ahead, workers)))
    try:
        while queue:
            yield queue.popleft().result()
            queue.extend(pool.submit(prepare, index) for index in islice(todo, 1))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
