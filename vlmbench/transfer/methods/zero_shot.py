"""The method ``zero-shot``: the prompts of each class are its classifier, and nothing is learnt.

The classification task uses it unless the user names another method. The other tasks with classes always use it.

Source: CLIP's prompt ensemble (Radford et al. 2021, section 3.1.4).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from vlmbench.features.engine import FeatureEngine
from vlmbench.prompts import PromptSet
from vlmbench.transfer.base import FewShot, LinearClassifier, Reads


def ensemble(features: Tensor, num_classes: int) -> Tensor:
    """CLIP's prompt ensemble: unit features, their mean over templates, unit length again.

    Args:
        features: (C * T, D), unit length, the templates of the first class first.

    Returns:
        (C, D), unit length. Source: openai/CLIP notebooks/Prompt_Engineering_for_ImageNet.ipynb.
    """
    return F.normalize(features.reshape(num_classes, -1, features.shape[-1]).mean(dim=1), dim=-1)


class ZeroShot:
    """See :class:`~vlmbench.transfer.base.TransferMethod`."""

    name = "zero-shot"
    version = 1
    needs: frozenset[type] = frozenset()
    reads: Reads = "features"
    scores_new_classes = True

    def fit(
        self, engine: FeatureEngine, support: FewShot, prompts: PromptSet, options: Mapping[str, Any]
    ) -> LinearClassifier:
        """Encode the prompts; the support set is not used."""
        head = ensemble(engine.texts(prompts.prompts, called="prompt"), len(prompts.class_names))
        engine.tell_of_same_classes(head, prompts.class_names)
        return LinearClassifier(head, engine.encoders.logit_scale)


METHOD = ZeroShot()
