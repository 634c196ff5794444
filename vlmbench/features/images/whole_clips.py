"""Encodes clips as a whole, for models that take several frames at once. The engine uses it."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from itertools import islice
from typing import cast

import torch
from torch import Tensor

from vlmbench.data.base import ImageDataset, sample_digest
from vlmbench.errors import ModelError, NonFiniteFeaturesError
from vlmbench.features.batches import encode_halving
from vlmbench.features.images.batch import ImageBatch, ImageTally
from vlmbench.features.images.read import ImageReader, Ready
from vlmbench.features.images.stream import AHEAD, without_bad
from vlmbench.features.precision import forward_pass
from vlmbench.features.progress import Progress
from vlmbench.features.settings import EngineSettings
from vlmbench.features.workers import in_threads
from vlmbench.models.clip_encoder import ClipEncoder


def encode_clips(
    encoder: ClipEncoder,
    device: torch.device,
    dataset: ImageDataset,
    indices: Sequence[int],
    settings: EngineSettings,
    *,
    progress: Progress,
    tally: ImageTally,
) -> Generator[ImageBatch, None, None]:
    """Encode the chosen clips. Nothing is cached, because a clip's row may be large.

    Args:
        dataset: its clips have as many frames as the encoder takes.
        settings: the batch size counts frames. A batch that does not fit into memory is halved.

    Yields:
        Batches of clips, whose ``features`` are the encoder's rows, (B, K) float32 on the CPU.

    Raises:
        BadSampleError: a clip cannot be decoded, and ``settings.skip_bad`` is off.
        ModelError, NonFiniteFeaturesError: the rows have another shape, or one is NaN or infinite.
    """
    frames = encoder.frames_per_clip
    at_once = max(1, settings.batch_size // frames)
    reader = ImageReader(dataset, encoder.preprocess_frame, None, tally.clock)

    def encode(clips: Sequence[Tensor]) -> Tensor:
        return encoder.encode_clips(torch.stack(list(clips)).to(device))

    progress.start("images", len(indices) * frames)
    samples = in_threads(reader.read, indices, settings.decoding_threads, AHEAD * at_once, tally.clock)
    with closing(samples):  # so that its threads end here
        good = without_bad(samples, frames, skip_bad=settings.skip_bad, progress=progress, tally=tally)
        for batch in _batches(_clips(good, frames), at_once):
            clips = [torch.stack([cast(Tensor, frame.pixels) for frame in clip]) for clip in batch]
            with tally.forward(), forward_pass(device, settings.precision):
                rows = encode_halving(encode, clips).detach().float().cpu()
            first = [clip[0].index for clip in batch]
            _check(rows, [dataset.samples[index].id for index in first])
            contents = [sample_digest([frame.content for frame in clip]).hex() for clip in batch]
            tally.pictures += len(batch) * frames
            yield ImageBatch(first, rows, contents)
            progress.advance(len(batch) * frames)


def _clips(images: Iterator[Ready], frames: int) -> Iterator[list[Ready]]:
    while clip := list(islice(images, frames)):
        yield clip


def _batches(clips: Iterator[list[Ready]], size: int) -> Iterator[list[list[Ready]]]:
    while batch := list(islice(clips, size)):
        yield batch


def _check(rows: Tensor, names: Sequence[str]) -> None:
    if rows.ndim != 2 or len(rows) != len(names):
        raise ModelError(f"the encoder returned shape {tuple(rows.shape)} for {len(names)} clips, not one row for each")
    finite = torch.isfinite(rows).all(dim=1)
    if not finite.all():
        first = names[int((~finite).nonzero()[0, 0])]
        raise NonFiniteFeaturesError(
            f"what the encoder returned for the clip {first!r} is NaN or infinite",
            hint="The weights may be corrupt; with fp16, try --precision bf16 or fp32.",
        )
