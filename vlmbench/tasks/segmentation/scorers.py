"""The two ways to a score for every query at every pixel: a model's own head, and a readout of its patches."""

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
    """Scores the queries of a vocabulary."""

    scale: float
    """What scores are multiplied with before a softmax."""

    def prepare(self, image: PIL.Image.Image) -> Tensor:
        """What of an image is needed, (3, h, w) float32. Called from several threads at once."""

    def score(self, image: PIL.Image.Image, prepared: Tensor) -> Tensor:
        """(Q, H, W) at the image's own size."""


class PatchScorer:
    """Cosines of patch features with the prompt ensemble of each query."""

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
        """The rescaled image in the model's colours."""
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
    """What the model's own head says, as it says it."""

    scale = 1.0

    def __init__(self, engine: FeatureEngine, readout: Native, words: Vocabulary) -> None:
        self._engine, self._readout = engine, readout
        self._labels = words.labels
        engine.tell_of_labels(words.labels, words.queries, words.owners)

    def prepare(self, image: PIL.Image.Image) -> Tensor:
        """The image as it is: the head has its own transform, and only a refinement needs pixels."""
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
    """The protocol's scale of cosines, else the model's own."""
    return own if settings.logit_scale is None else settings.logit_scale
