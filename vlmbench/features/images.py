"""Images to features: bytes read, hashed, decoded and preprocessed in worker threads; batches encoded as they fill.

Pillow and torch release the interpreter lock while they decode and resize, so threads keep the cores busy without the
start-up, copying and clean-up that worker processes cost. At any time only a few batches are in memory.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from time import perf_counter

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from vlmbench.data.base import ImageDataset
from vlmbench.data.decode import decode_image
from vlmbench.errors import BadSampleError, ModelError
from vlmbench.features.batches import checked, encode_halving
from vlmbench.features.cache import FeatureSpace
from vlmbench.features.precision import Precision, inference
from vlmbench.features.progress import Progress
from vlmbench.models.base import VisionLanguageModel
from vlmbench.records import BadSample

AHEAD = 2
"""Batches read ahead of the encoder."""


@dataclass(frozen=True)
class ImageBatch:
    """Some of a dataset's images, encoded; batches come in no particular order.

    Attributes:
        indices: which samples, B of them.
        features: (B, D) float32, unit length, on the CPU.
        contents: the hex SHA-256 of each file's bytes.
    """

    indices: list[int]
    features: Tensor
    contents: list[str]


@dataclass
class ImageTally:
    """What went by, filled while batches are drawn.

    Attributes:
        hits: images whose features came from the cache.
        encoded: images that went through the encoder.
        forward_seconds: time in the encoder.
        bad: samples left out.
    """

    hits: int = 0
    encoded: int = 0
    forward_seconds: float = 0.0
    bad: list[BadSample] = field(default_factory=list)


@dataclass(frozen=True)
class _Ready:
    """One sample out of a worker: either its cached features or its pixels."""

    index: int
    content: bytes
    cached: Tensor | None
    pixels: Tensor | None


@dataclass(frozen=True)
class _Bad:
    """One sample that cannot be read or decoded; its file's hash where it could be read."""

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
) -> Iterator[ImageBatch]:
    """Encode the chosen samples of a dataset, batch by batch.

    Args:
        model: the encoder.
        dataset: where bytes are read from.
        indices: which samples.
        batch_size: images a forward pass; halved for a batch that does not fit.
        precision: see :func:`~vlmbench.features.precision.inference`.
        space: the model's feature cache; None: everything is encoded.
        progress: told of every sample done, good or bad.
        tally: filled on the way.
        skip_bad: leave out samples that cannot be decoded and note them, instead of failing.
        workers: decoding threads; by default one a core, at most 16.

    Raises:
        BadSampleError: a sample cannot be decoded, and ``skip_bad`` is off.
        ModelError, NonFiniteFeaturesError: see :func:`~vlmbench.features.batches.checked`.
    """

    def prepare(index: int) -> _Ready | _Bad:
        content = None
        try:
            data = dataset.read(index)
            content = sha256(data).digest()
            known = space.get(content) if space else None
            if known is not None:
                return _Ready(index, content, torch.from_numpy(known.copy()), None)
            image = decode_image(data, dataset.samples[index].id)
            return _Ready(index, content, None, _preprocess(model, image, dataset.samples[index].id))
        except BadSampleError as error:
            return _Bad(error, content.hex() if content else None)

    progress.start("images", len(indices))
    waiting: list[_Ready] = []
    for ready in _in_threads(prepare, indices, workers or default_workers(), AHEAD * batch_size):
        if isinstance(ready, _Bad):
            if not skip_bad:
                raise ready.error
            bad = BadSample(id=ready.error.sample_id, reason=ready.error.reason, content=ready.content)
            tally.bad.append(bad)
            progress.advance(1)
            continue
        waiting.append(ready)
        if len(waiting) == batch_size:
            yield _encode(model, dataset, waiting, precision, space, tally)
            progress.advance(len(waiting))
            waiting = []
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


def _in_threads(
    prepare: Callable[[int], _Ready | _Bad], indices: Sequence[int], workers: int, ahead: int
) -> Iterator[_Ready | _Bad]:
    """Results in order, at most ``ahead`` of them waiting."""
    todo = iter(indices)
    pool = ThreadPoolExecutor(workers, thread_name_prefix="vlmbench-decode")
    queue: deque[Future[_Ready | _Bad]] = deque(
        pool.submit(prepare, index) for index in islice(todo, max(ahead, workers))
    )
    try:
        while queue:
            yield queue.popleft().result()
            queue.extend(pool.submit(prepare, index) for index in islice(todo, 1))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
