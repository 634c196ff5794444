"""A transfer method that learns nothing: zero-shot with the mean of the classes taken out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch.nn.functional as F

from vlmbench.features.engine import FeatureEngine
from vlmbench.prompts import PromptSet
from vlmbench.transfer.base import FewShot, LinearClassifier, Reads
from vlmbench.transfer.methods.zero_shot import METHOD as ZERO_SHOT


class Centred:
    """See :class:`~vlmbench.transfer.base.TransferMethod`."""

    name = "centred"
    version = 1
    needs: frozenset[type] = frozenset()
    reads: Reads = "features"
    scores_new_classes = True

    def fit(
        self, engine: FeatureEngine, support: FewShot, prompts: PromptSet, options: Mapping[str, Any]
    ) -> LinearClassifier:
        plain = ZERO_SHOT.fit(engine, support, prompts, options)
        return LinearClassifier(F.normalize(plain.weights - plain.weights.mean(dim=0), dim=1), plain.scale)


METHOD = Centred()
