"""Makes a zero-shot classifier of a model that gives images and texts several vectors. :mod:`.zero_shot` uses it.

:mod:`vlmbench.models.multi_vector` says how the prompts of a class become one score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vlmbench.features.engine import FeatureEngine
from vlmbench.features.texts.same import TOLERANCES, groups_of_equals, tell_of_indistinct
from vlmbench.features.vectors.flat import root_mean_square
from vlmbench.features.vectors.similarity import pieces, similarities_to
from vlmbench.features.vectors.store import Floats, kept_array
from vlmbench.features.vectors.texts import TextVectors
from vlmbench.models.multi_vector import Similarity
from vlmbench.prompts import PromptSet

MOST_SCORES = 2**22
"""The number of similarities of images to prompts in memory at once: 16 MiB."""
_PART = 64
"""The number of classes that are compared at once."""
_SIGNATURE = 64
"""The number of random projections in which classes are compared. They keep distances up to a factor of about 1.5."""


@dataclass(frozen=True)
class MultiVectorClassifier:
    """A :class:`~vlmbench.transfer.base.Classifier` whose inputs are (B, K, D).

    Attributes:
        texts: (R, L, D) the vectors of the different prompts, or of the classes.
        prompts: (C, T) int64, which of the R each class uses. Its similarities to them are averaged.
        similarity: how the vectors are compared: the image to the texts.
        scale: the factor of the similarities before a softmax.
    """

    texts: Floats
    prompts: Tensor
    similarity: Similarity
    scale: float
    device: torch.device

    def logits(self, inputs: Tensor) -> Tensor:
        """(B, K, D) to (B, C), the mean similarity to each class's prompts."""
        found = torch.empty(len(inputs), len(self.prompts))
        for some in pieces(len(inputs), max(1, MOST_SCORES // self.prompts.numel())):
            scores = similarities_to(inputs[some], self.texts, self.similarity, self.device)
            found[some] = scores[:, self.prompts].mean(dim=2)
        return found


def multi_vector_classifier(engine: FeatureEngine, prompts: PromptSet) -> MultiVectorClassifier:
    """Encode the prompts, and remark on classes that are equal for the model."""
    encoder, classes = engine.multi_vector, len(prompts.class_names)
    encoded = engine.text_vectors(prompts.prompts, called="prompt")
    rows = encoded.rows.reshape(classes, -1)
    texts = encoded.vectors
    if encoder.ensemble == "mean of vectors":
        texts, rows = averaged(encoded, rows), torch.arange(classes)[:, None]
    _tell_of_same(engine, texts, rows[:, 0], prompts.class_names)
    return MultiVectorClassifier(texts, rows, encoder.similarity, encoder.logit_scale, engine.device)


def averaged(encoded: TextVectors, rows: Tensor) -> Floats:
    """The mean of each class's prompts, place by place, divided by the root mean square of its vectors' lengths.

    Args:
        rows: (C, T) int64, which of the R texts each class uses.

    Returns:
        (C, L, D).
    """
    kept = kept_array((len(rows), *encoded.vectors.shape[1:]))
    for row, used in enumerate(rows.numpy()):
        mean = torch.from_numpy(np.array(encoded.vectors[used])).mean(dim=0, keepdim=True)
        kept[row] = (mean / root_mean_square(mean))[0].numpy()
    return kept


def _tell_of_same(engine: FeatureEngine, texts: Floats, first: Tensor, names: Sequence[str]) -> None:
    """Remark on classes whose texts, or first prompts, differ only by rounding."""
    width = texts.shape[1] * texts.shape[2]
    generator = torch.Generator().manual_seed(0)
    projection = torch.randn(width, min(width, _SIGNATURE), generator=generator) / min(width, _SIGNATURE) ** 0.5
    signatures = torch.empty(len(first), projection.shape[1])
    for some in pieces(len(first), _PART):
        rows = torch.from_numpy(np.array(texts[first[some].numpy()])).flatten(1)
        signatures[some] = rows @ projection
    tolerance = 1.5 * texts.shape[1] ** 0.5 * TOLERANCES[engine.settings.precision]
    tell_of_indistinct(groups_of_equals(signatures, tolerance), names)
