"""Puts batches of images on the model's device, through buffers that are used again. The image stream uses it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from vlmbench.models.base import BytePixels, Pixels, VisionLanguageModel, capability


@dataclass(frozen=True)
class PixelPath:
    """How an image becomes the encoder's input, in two steps.

    Attributes:
        prepare: maps an image in any mode to (3, H, W), or to several named tensors. The worker threads call it.
        finish: maps a batch of these, (B, 3, H, W) on the device, to float32.
    """

    prepare: Callable[[PIL.Image.Image], Pixels]
    finish: Callable[[Pixels], Pixels]


def pixel_path(model: VisionLanguageModel) -> PixelPath:
    """Choose how images travel: as bytes if the model's transform allows it and every bit stays equal, else as floats.

    Bytes are a quarter of the size, and the transform's last steps then run on the device.
    """
    offered, device = capability(model, BytePixels), torch.device(model.device)
    if offered is None or not _same_bits(offered, device):
        return PixelPath(model.preprocess, _as_it_is)
    to_bytes, from_bytes = offered.to_bytes, offered.from_bytes
    if device.type == "cpu":
        # Nothing is copied to another device, and the worker threads are as fast here as the encoder's threads.
        return PixelPath(lambda image: each(_first, from_bytes(each(_alone, to_bytes(image)))), _as_it_is)
    return PixelPath(to_bytes, from_bytes)


def each(change: Callable[[Tensor], Tensor], pixels: Pixels) -> Pixels:
    """Change a tensor, or every tensor of a mapping."""
    if isinstance(pixels, Mapping):
        return {name: change(tensor) for name, tensor in pixels.items()}
    return change(pixels)


def _as_it_is(pixels: Pixels) -> Pixels:
    return pixels


def _alone(tensor: Tensor) -> Tensor:
    return tensor[None]


def _first(tensor: Tensor) -> Tensor:
    return tensor[0]


def _same_bits(offered: BytePixels, device: torch.device) -> bool:
    """Whether the device and the CPU compute equal bits.

    A result depends only on the byte and its channel, so the test of all 256 bytes in each channel is complete.
    """
    if device.type == "cpu":
        return True
    example = offered.to_bytes(PIL.Image.new("RGB", (16, 16)))
    tensors = list(example.values()) if isinstance(example, Mapping) else [example]
    count = max(-(-256 // tensor[0].numel()) for tensor in tensors if _is_bytes(tensor))
    every = each(lambda tensor: _every_byte(tensor, count), example)
    there = offered.from_bytes(each(lambda tensor: tensor.to(device), every))
    return _equal(each(Tensor.cpu, there), offered.from_bytes(every))


def _is_bytes(tensor: Tensor) -> bool:
    return tensor.dtype == torch.uint8 and tensor.ndim == 3


def _every_byte(example: Tensor, count: int) -> Tensor:
    """``count`` rows of an example's shape. Byte pixels get all 256 values a channel; others are repeated."""
    if not _is_bytes(example):
        return example.expand(count, *example.shape)
    values = torch.arange(count * example[0].numel()).remainder(256).to(torch.uint8)
    return values.view(count, 1, *example.shape[1:]).repeat(1, example.shape[0], 1, 1)


def _equal(one: Pixels, other: Pixels) -> bool:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
    return isinstance(one, Tensor) and isinstance(other, Tensor) and torch.equal(one, other)


class Staging:
    """Buffers in which batches are assembled, used in turn. Each is as large as the largest batch it held.

    For CUDA they are pinned, and copies have their own stream: a batch is copied while the device works on the previous
    one. A buffer is filled again only after its last copy has ended. If the device is the CPU, the buffer itself is the
    batch.

    Args:
        device: the device to which batches go.
        buffers: the largest number of batches at once, including those whose features are not fetched yet.
    """

    def __init__(self, device: torch.device, buffers: int) -> None:
        self._device = device
        self._held: list[Tensor | None] = [None] * buffers
        self._turn = -1
        self._pinned = device.type == "cuda"
        if self._pinned:
            self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # torch has no types for it
            self._sent: list[torch.cuda.Event | None] = [None] * buffers

    def send(self, rows: Sequence[Tensor]) -> Tensor:
        """Send B tensors of one shape and type to the device as one tensor (B, …).

        It is valid until as many further batches are sent as there are buffers.
        """
        self._turn = (self._turn + 1) % len(self._held)
        if not self._pinned:
            return self._filled(rows).to(self._device)
        if (sent := self._sent[self._turn]) is not None:
            sent.synchronize()
        host = self._filled(rows)
        encoder = torch.cuda.current_stream(self._device)
        with torch.cuda.stream(self._stream):
            batch = host.to(self._device, non_blocking=True)
            self._sent[self._turn] = self._stream.record_event()
        encoder.wait_stream(self._stream)
        batch.record_stream(encoder)  # allocated on the other stream, so its memory must stay until this stream is done
        return batch

    def _filled(self, rows: Sequence[Tensor]) -> Tensor:
        first, held = rows[0], self._held[self._turn]
        if held is None or len(held) < len(rows) or held.shape[1:] != first.shape or held.dtype != first.dtype:
            held = torch.empty((len(rows), *first.shape), dtype=first.dtype, pin_memory=self._pinned)
            self._held[self._turn] = held
        batch = held[: len(rows)]
        for place, row in zip(batch.numpy(), rows, strict=True):
            # NumPy copies on this thread. torch would wait for its own threads, whose cores the workers are using.
            np.copyto(place, row.numpy())
        return batch


class PixelStaging:
    """A :class:`Staging` for each of an image's tensors, since a model may take several named ones."""

    def __init__(self, device: torch.device, buffers: int) -> None:
        self._device, self._buffers = device, buffers
        self._staging: dict[str, Staging] = {}

    def send(self, images: Sequence[Pixels]) -> Pixels:
        """Send B images with equal shapes and names to the device as one batch; see :meth:`Staging.send`."""
        first = images[0]
        if isinstance(first, Mapping):
            named = cast(Sequence[Mapping[str, Tensor]], images)
            return {name: self._buffers_of(name).send([image[name] for image in named]) for name in first}
        return self._buffers_of("").send(cast(Sequence[Tensor], images))

    def _buffers_of(self, name: str) -> Staging:
        if name not in self._staging:
            self._staging[name] = Staging(self._device, self._buffers)
        return self._staging[name]


def bring_back(features: Tensor) -> Callable[[], Tensor]:
    """Start the copy of a tensor to the CPU, and return a function that waits for it and returns it.

    On CUDA the copy is queued now, after the work that computes the features and before any later work. So waiting for
    the copy does not wait for later work.
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
