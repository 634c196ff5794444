"""From images to a batch on the model's device, in buffers that are kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from vlmbench.models.base import BytePixels, VisionLanguageModel, capability


@dataclass(frozen=True)
class PixelPath:
    """How an image becomes what the encoder takes, in two parts.

    Attributes:
        prepare: an image in any mode to (3, H, W); called in the worker threads.
        finish: a batch of these, (B, 3, H, W) on the device, to float32.
    """

    prepare: Callable[[PIL.Image.Image], Tensor]
    finish: Callable[[Tensor], Tensor]


def pixel_path(model: VisionLanguageModel) -> PixelPath:
    """Bytes up to the device where the model's transform allows it and the bits are the same; else its transform."""
    offered = capability(model, BytePixels)
    if offered is None or not _same_bits(offered, model.device):
        return PixelPath(model.preprocess, _as_it_is)
    to_bytes, from_bytes = offered.to_bytes, offered.from_bytes
    if torch.device(model.device).type == "cpu":
        # Nothing has to travel, and the workers are as fast at it as the encoder's threads.
        return PixelPath(lambda image: from_bytes(to_bytes(image)[None])[0], _as_it_is)
    return PixelPath(to_bytes, from_bytes)


def _as_it_is(pixels: Tensor) -> Tensor:
    return pixels


def _same_bits(offered: BytePixels, device: str) -> bool:
    """Whether the device computes what the CPU does. A byte's value depends on nothing but it and its channel, so all
    256 in each channel are all there is."""
    if torch.device(device).type == "cpu":
        return True
    every = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).repeat(1, 3, 1, 1)
    return torch.equal(offered.from_bytes(every.to(device)).cpu(), offered.from_bytes(every))


class Staging(Protocol):
    """Where batches are put together."""

    def send(self, rows: Sequence[Tensor]) -> Tensor:
        """B tensors of one shape and type on the CPU to one (B, …) on the device, good until as many more were sent as
        there are buffers."""


def staging(device: str, buffers: int) -> Staging:
    """Staging for a torch device.

    Args:
        device: where batches go.
        buffers: how many batches can be there at once, those whose features are still to be fetched included.
    """
    return PinnedStaging(device, buffers) if torch.device(device).type == "cuda" else HostStaging(device, buffers)


class HostStaging:
    """Buffers in the CPU's memory; where that is the device too, the batch is the buffer."""

    def __init__(self, device: str, buffers: int) -> None:
        self._device = device
        self._buffers = _Ring(buffers, pinned=False)

    def send(self, rows: Sequence[Tensor]) -> Tensor:
        """See :class:`Staging`."""
        return self._buffers.filled(self._buffers.turn(), rows).to(self._device)


class PinnedStaging:
    """Pinned buffers and a stream for copies alone: a batch travels while the device works on the one before.

    A buffer is filled again only when its last copy is done.
    """

    def __init__(self, device: str, buffers: int) -> None:
        self._device = torch.device(device)
        self._buffers = _Ring(buffers, pinned=True)
        self._stream = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]  # torch has no types for it
        self._sent: list[torch.cuda.Event | None] = [None] * buffers

    def send(self, rows: Sequence[Tensor]) -> Tensor:
        """See :class:`Staging`."""
        turn = self._buffers.turn()
        if (sent := self._sent[turn]) is not None:
            sent.synchronize()
        host = self._buffers.filled(turn, rows)
        encoder = torch.cuda.current_stream(self._device)
        with torch.cuda.stream(self._stream):
            batch = host.to(self._device, non_blocking=True)
            self._sent[turn] = self._stream.record_event()
        encoder.wait_stream(self._stream)
        batch.record_stream(encoder)  # its memory was taken on the other stream: not to be given away before
        return batch


def bring_back(features: Tensor) -> Callable[[], Tensor]:
    """Start a tensor's way to the CPU, and return what waits for it.

    On CUDA the copy is queued now, behind the work that makes the features and before whatever is queued next: waiting
    for it does not wait for that.
    """
    if not features.is_cuda:
        return features.cpu
    host = torch.empty(features.shape, dtype=features.dtype, pin_memory=True)
    host.copy_(features, non_blocking=True)
    arrived = torch.cuda.current_stream(features.device).record_event()

    def wait() -> Tensor:
        arrived.synchronize()
        return host

    return wait


class _Ring:
    """Buffers by turns, each as large as the largest batch it held."""

    def __init__(self, buffers: int, *, pinned: bool) -> None:
        self._held: list[Tensor | None] = [None] * buffers
        self._next = 0
        self._pinned = pinned

    def turn(self) -> int:
        turn, self._next = self._next, (self._next + 1) % len(self._held)
        return turn

    def filled(self, turn: int, rows: Sequence[Tensor]) -> Tensor:
        first, held = rows[0], self._held[turn]
        if held is None or len(held) < len(rows) or held.shape[1:] != first.shape or held.dtype != first.dtype:
            held = torch.empty((len(rows), *first.shape), dtype=first.dtype, pin_memory=self._pinned)
            self._held[turn] = held
        batch = held[: len(rows)]
        for place, row in zip(batch.numpy(), rows, strict=True):
            # NumPy copies on this thread. torch would wait for its team, whose cores the workers are using.
            np.copyto(place, row.numpy())
        return batch
