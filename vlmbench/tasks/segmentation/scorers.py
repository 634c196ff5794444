"""Scores every query at every pixel, with the model's own head or with a readout of its patches.

A query is one word of a class. The segmentation plugin uses the scorers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from vlmbench.errors import ModelError, NonFiniteFeaturesError
from vlmbench.features.engine import FeatureEngine
from vlmbench.features.patches import patch_features
from vlmbench.tasks.segmentation.class_words import Vocabulary
from vlmbench.tasks.segmentation.protocol import SegmentationProtocol
from vlmbench.tasks.segmentation.readout import Native, Patches
from vlmbench.tasks.segmentation.resize import rescale, rescaled_size
from vlmbench.tasks.segmentation.windows import Tiling, pixel_scores
from vlmbench.transfer.methods.zero_shot import ensemble


class Scorer(Protocol):
    """Scores the Q queries of a vocabulary at each pixel of an image."""

    scale: float
    """The factor of the scores before a softmax."""

    def prepare(self, image: PIL.Image.Image) -> Tensor:
        """The image in the form that :meth:`score` needs, (3, h, w) float32. Several threads call it at once."""

    def score(self, image: PIL.Image.Image, prepared: Tensor) -> Tensor:
        """The (Q, H, W) scores, at the image's own size."""


class PatchScorer:
    """Scores are the cosines between patch features and the prompt ensemble of each query."""

    def __init__(
        self, engine: FeatureEngine, readout: Patches, words: Vocabulary, settings: SegmentationProtocol
    ) -> None:
        self.scale = patch_scale(engine.encoders.logit_scale, settings)
        self._engine, self._readout, self._settings = engine, readout, settings
        self._tiling = Tiling(settings.window, settings.stride, readout.encoder.patch_size, settings.remainder)
        head = ensemble(engine.texts(words.prompts, called="prompt"), len(words.queries))
        engine.tell_of_same_classes(head, words.queries, words.owners)
        self._head = head.to(engine.device)

    def prepare(self, image: PIL.Image.Image) -> Tensor:
        """The rescaled image, with the model's normalisation of colours."""
        size = rescaled_size(image.size, self._settings.short_side, self._settings.long_side_limit)
        return self._readout.encoder.normalise(rescale(image, size))

    def score(self, image: PIL.Image.Image, prepared: Tensor) -> Tensor:
        return pixel_scores(
            prepared,
            self._head,
            self._encode,
            self._tiling,
            size=(image.height, image.width),
            batch_size=self._engine.settings.batch_size,
        )

    def _encode(self, crops: Sequence[Tensor]) -> Tensor:
        return patch_features(self._engine, self._readout.encoder, crops, self._readout.name)


class NativeScorer:
    """Scores are those that the model's own head returns, unchanged."""

    scale = 1.0

    def __init__(self, engine: FeatureEngine, readout: Native, words: Vocabulary) -> None:
        self._engine, self._readout = engine, readout
        self._labels = words.labels
        engine.tell_of_labels(words.labels, words.queries, words.owners)

    def prepare(self, image: PIL.Image.Image) -> Tensor:
        """The unchanged pixels. Only the refinement (PAMR) uses them, because the head has its own transform."""
        return torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1).float()

    def score(self, image: PIL.Image.Image, prepared: Tensor) -> Tensor:
        """See :class:`Scorer`.

        Raises:
            ModelError: the head returned another shape.
            NonFiniteFeaturesError: a score is NaN or infinite.
        """
        (scores,) = self._engine.ask(lambda images: self._readout.segmenter.segment(images, self._labels), [image])
        expected = (len(self._labels), image.height, image.width)
        if [tuple(each.shape) for each in scores] != [expected]:
            shapes = [tuple(each.shape) for each in scores]
            raise ModelError(f"the segmentation head returned shapes {shapes} for one image, not {expected}")
        if not bool(torch.isfinite(scores[0]).all()):
            raise NonFiniteFeaturesError("the segmentation head returned scores that are NaN or infinite")
        return scores[0].float()


def patch_scale(own: float, settings: SegmentationProtocol) -> float:
    """The factor of cosines that the protocol sets; if it sets none, the model's own."""
    return own if settings.logit_scale is None else settings.logit_scale
