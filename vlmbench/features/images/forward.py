"""The image tower, fed so that an accelerator never waits for the host: a batch is queued before the features of the
one before it are fetched."""

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
    """How many batches are queued beyond the one being fetched: one on CUDA; none on the CPU, which computes when it is
    asked, and elsewhere, where fetching waits for all that is queued."""
    return 1 if device.type == "cuda" else 0


@dataclass(frozen=True)
class Queued:
    """A batch on its way.

    Attributes:
        features: waits for them: (B, D) on the CPU.
        names: what each row encodes.
    """

    features: Callable[[], Tensor]
    names: list[str]


class ImageEncoder:
    """One model's image tower.

    Args:
        precision: see :func:`~vlmbench.features.precision.forward_pass`.
        tally: told of the time spent here.
        in_flight: how many batches are queued and not fetched when the next is queued; None: as the device needs.

    Attributes:
        dim: length of its features.
        path: how its images travel.
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
        """Start on a batch: B images of one shape as ``path.prepare`` gave them.

        Raises:
            ModelError: images of different shapes, or one alone does not fit into memory.
        """
        shapes = {_shape(image): name for image, name in zip(images, names, strict=True)}
        if len(shapes) > 1:
            seen = ", ".join(f"{shape} of {name!r}" for shape, name in shapes.items())
            raise ModelError(f"the model's transform gave images of different shapes: {seen}")
        with self._tally.forward(), forward_pass(self._device, self._precision):
            features = bring_back(encode_halving(self._encode, images).detach())
        return Queued(features, names)

    def fetch(self, queued: Queued) -> Tensor:
        """A batch's features, (B, D) float32 on the CPU, checked; waits until they are there.

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
    """Each item with what was finished of it, in order; ``in_flight`` later ones are started before it is finished."""
    started: deque[tuple[T, S]] = deque()
    for item in items:
        started.append((item, start(item)))
        if len(started) > in_flight:
            first, underway = started.popleft()
            yield first, finish(first, underway)
    while started:
        first, underway = started.popleft()
        yield first, finish(first, underway)
