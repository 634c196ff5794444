"""Computes and keeps the text features of labels, in chunks and in full precision.

The detectors and segmenters of the transformers adapter use it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

import torch
from torch import Tensor

from vlmbench.models.transformers.model import TransformersModel

TEXTS_AT_ONCE = 256


def chunks(count: int, at_once: int) -> list[slice]:
    """Cut ``count`` items into chunks of at most ``at_once``, so that memory does not grow with their number."""
    return [slice(start, min(start + at_once, count)) for start in range(0, count, at_once)]


def full_precision(device: torch.device) -> AbstractContextManager[object]:
    """Switch autocast off.

    In half precision a coordinate in a large image is wrong by pixels, and heads take little time.
    """
    return torch.autocast(device.type, enabled=False)


class LabelFeatures:
    """Projected features of a list of labels, not normalised.

    A task uses the same labels for all its images, so the features of the last list are kept. They are computed in full
    precision, whatever the precision of the images.
    """

    def __init__(self, model: TransformersModel) -> None:
        self._model = model
        self._labels: tuple[str, ...] = ()
        self._features: Tensor | None = None

    def __call__(self, labels: Sequence[str]) -> Tensor:
        """Encode C labels to (C, D) on the model's device. C is at least 1."""
        if self._features is None or self._labels != tuple(labels):
            with full_precision(self._model.device):
                parts = [self._model.project_text(labels[part]) for part in chunks(len(labels), TEXTS_AT_ONCE)]
            self._labels, self._features = tuple(labels), torch.cat(parts)
        return self._features
