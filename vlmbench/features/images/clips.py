"""Computes features of clips: the mean of the frames' unit features, scaled back to unit length.

The image stream uses it.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing

import torch

from vlmbench.data.base import ImageDataset, sample_digest
from vlmbench.features.batches import checked
from vlmbench.features.images.batch import ImageBatch


def average_clips(
    frames: Generator[ImageBatch, None, None], dataset: ImageDataset, frames_per_clip: int
) -> Generator[ImageBatch, None, None]:
    """Average the frames of each clip. At most a batch of frames and one unfinished clip are in memory.

    Args:
        frames: batches of frames. ``indices`` names the clip of each frame. The frames of a clip are consecutive, and
            may continue in the next batch.
        dataset: gives the clips' names for messages.
        frames_per_clip: N.

    Yields:
        Batches of clips. Features are (B, D): the mean over N unit features, scaled to unit length. ``contents`` is as
        :func:`~vlmbench.data.base.content_sha256` gives it.

    Raises:
        NonFiniteFeaturesError: a clip's frames cancel each other out exactly.
    """
    with closing(frames):  # so that its threads end here
        rest: ImageBatch | None = None
        for batch in frames:
            held = batch if rest is None else _joined(rest, batch)
            whole = len(held.indices) // frames_per_clip * frames_per_clip
            if whole:
                yield _averaged(_rows(held, 0, whole), dataset, frames_per_clip)
            rest = _rows(held, whole, len(held.indices))


def _averaged(frames: ImageBatch, dataset: ImageDataset, frames_per_clip: int) -> ImageBatch:
    starts = range(0, len(frames.indices), frames_per_clip)
    indices = [frames.indices[start] for start in starts]
    mean = frames.features.reshape(len(indices), frames_per_clip, -1).mean(dim=1)
    features = checked(
        mean / mean.norm(dim=1, keepdim=True),
        [dataset.samples[index].id for index in indices],
        mean.shape[1],
        renormalise=False,
    )
    digests = [bytes.fromhex(content) for content in frames.contents]
    contents = [sample_digest(digests[start : start + frames_per_clip]).hex() for start in starts]
    return ImageBatch(indices, features, contents)


def _joined(first: ImageBatch, second: ImageBatch) -> ImageBatch:
    return ImageBatch(
        first.indices + second.indices,
        torch.cat([first.features, second.features]),
        first.contents + second.contents,
    )


def _rows(batch: ImageBatch, start: int, stop: int) -> ImageBatch:
    return ImageBatch(batch.indices[start:stop], batch.features[start:stop], batch.contents[start:stop])
