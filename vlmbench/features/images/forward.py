"""Runs the image tower's forward pass. The image stream uses it.

A batch is queued before the features of the previous batch are fetched, so an accelerator never waits for the host.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from vlmbench.errors import ModelError
from vlmbench.features.batches import checked, encode_halving
from vlmbench.features.images.batch import ImageTally
from vlmbench.features.images.to_device import PixelStaging, bring_back, pixel_path
from vlmbench.features.precision import Precision, forward_pass
from vlmbench.models.base import Pixels, VisionLanguageModel

T = TypeVar("T")
S = TypeVar("S")


def batches_in_flight(device: torch.device) -> int:
    """The number of batches that are queued beyond the one being fetched.

    It is 1 on CUDA. It is 0 on the CPU, which computes at once, and on other devices, where fetching waits for all
    queued work.
    """
    return 1 if device.type == "cuda" else 0


@dataclass(frozen=True)
class Queued:
    """A batch that is being encoded.

    Attributes:
        features: waits for the features and returns them, (B, D) on the CPU.
        names: the name of the sample in each row.
    """

    features: Callable[[], Tensor]
    names: list[str]


class ImageEncoder:
    """One model's image tower.

    Args:
        precision: see :func:`~vlmbench.features.precision.forward_pass`.
        tally: gets the time spent here.
        in_flight: the number of batches that are queued beyond the one being fetched; None: as
            :func:`batches_in_flight` gives it.

    Attributes:
        dim: the length of its features.
        path: how an image becomes the encoder's input.
    """

    def __init__(
        self, model: VisionLanguageModel, precision: Precision, tally: ImageTally, in_flight: int | None = None
    ) -> None:
        self._model = model
        self.dim = model.embedding_dim
        self.path = pixel_path(model)
        self._precision: Precision = precision
        self._tally = tally
        self._device = torch.device(model.device)
        self.in_flight = batches_in_flight(self._device) if in_flight is None else in_flight
        self._staging = PixelStaging(self._device, self.in_flight + 1)

    def queue(self, images: Sequence[Pixels], names: list[str]) -> Queued:
        """Start to encode a batch of images that ``path.prepare`` made. :meth:`fetch` waits for the features.

        A batch that does not fit into memory is encoded in halves.

        Raises:
            ModelError: the images have different shapes, or even one image does not fit into memory.
        """
        shapes = {_shape(image): name for image, name in zip(images, names, strict=True)}
        if len(shapes) > 1:
            seen = ", ".join(f"{shape} for {name!r}" for shape, name in shapes.items())
            raise ModelError(f"the model's transform returned different shapes: {seen}")
        with self._tally.forward(), forward_pass(self._device, self._precision):
            features = bring_back(encode_halving(self._encode, images).detach())
        return Queued(features, names)

    def fetch(self, queued: Queued) -> Tensor:
        """Wait for a batch's features, check them, and return them: (B, D) float32 on the CPU.

        Raises:
            ModelError, NonFiniteFeaturesError: see :func:`~vlmbench.features.batches.checked`.
        """
        renormalise = self._precision != "fp32"
        with self._tally.forward():
            return checked(queued.features(), queued.names, self.dim, renormalise=renormalise)

    def _encode(self, images: Sequence[Pixels]) -> Tensor:
        return self._model.encode_image(self.path.finish(self._staging.send(images)))


def _shape(image: Pixels) -> Hashable:
    if isinstance(image, Mapping):
        return tuple((name, tuple(tensor.shape)) for name, tensor in sorted(image.items()))
    return tuple(image.shape)


def overlapped(
    items: Iterable[T], start: Callable[[T], S], finish: Callable[[T, S], Tensor], in_flight: int
) -> Iterator[tuple[T, Tensor]]:
    """Yield each item with its result, in order. ``in_flight`` later items are started before an item is finished."""
    started: deque[tuple[T, S]] = deque()
    for item in items:
        started.append((item, start(item)))
        if len(started) > in_flight:
            first, underway = started.popleft()
            yield first, finish(first, underway)
    while started:
        first, underway = started.popleft()
        yield first, finish(first, underway)
