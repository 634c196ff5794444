"""What the heads of transformers models share: labels in chunks, their features, kept, and full precision."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

import torch
from torch import Tensor

from vlmbench.models.transformers.model import TransformersModel

TEXTS_AT_ONCE = 256


def chunks(count: int, at_once: int) -> list[slice]:
    """Where to cut ``count`` things so that memory stays flat as they grow."""
    return [slice(start, min(start + at_once, count)) for start in range(0, count, at_once)]


def full_precision(device: torch.device) -> AbstractContextManager[object]:
    """No autocast: a half-precision coordinate is pixels off in a large image, and heads cost little."""
    return torch.autocast(device.type, enabled=False)


class LabelFeatures:
    """Projected features of a list of labels, of the length that the tower gave them.

    A task asks about each of its images with the same labels, so the last list's features are kept. They are made in
    full precision, whichever the images are encoded in.
    """

    def __init__(self, model: TransformersModel) -> None:
        self._model = model
        self._labels: tuple[str, ...] = ()
        self._features: Tensor | None = None

    def __call__(self, labels: Sequence[str]) -> Tensor:
        """C labels to (C, D), on the model's device. C is at least 1."""
        if self._features is None or self._labels != tuple(labels):
            with full_precision(self._model.device):
                parts = [self._model.project_text(labels[part]) for part in chunks(len(labels), TEXTS_AT_ONCE)]
            self._labels, self._features = tuple(labels), torch.cat(parts)
        return self._features
