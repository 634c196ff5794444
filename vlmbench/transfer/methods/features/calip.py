"""CALIP: patches look at the texts, and texts at the patches, by attention without weights; nothing is trained.

Source: Guo et al. 2022 (arXiv 2209.14169), ZiyuGuo99/CALIP, run_imagenet.py. The code has no fixed beta2 and beta3: it
chooses both on the labels of the test images. Departures: here the defaults are the middles of its ranges; the leaky
track chooses as the code does, on 21 x 21 values where it has 200 x 200. The code's image tower gives every place of a
ResNet's attention pool; the readout "plain" is the same for each tower.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from vlmbench.features.engine import FeatureEngine
from vlmbench.models.base import DenseEncoder
from vlmbench.prompts import PromptSet
from vlmbench.transfer.base import Classifier, FewShot, Fitted, LearnsFrom, MethodOptions, Reads
from vlmbench.transfer.encoded import labels_of
from vlmbench.transfer.features import check_finite, text_features
from vlmbench.transfer.options import settle_options
from vlmbench.transfer.patch_inputs import AUTO, patch_batches, settled_readout

_AT_ONCE = 2**24
"""Weights of attention, images x patches x classes, that are in memory at once."""
GRID = {
    "beta2": tuple(round(2.0 * step / 20, 4) for step in range(21)),
    "beta3": tuple(round(0.1 * step / 20, 4) for step in range(21)),
}
"""What the leaky track chooses among. Source of the ranges: configs/imagenet.yaml."""


class CalipOptions(MethodOptions):
    """The settings of CALIP. Defaults: methods.csv, row "CALIP"; of beta2 and beta3, see the module."""

    beta2: float = Field(1.0, ge=0, le=1000, description="weight of the texts that have seen the patches")
    beta3: float = Field(0.05, ge=0, le=1000, description="weight of the patches that have seen the texts")
    attention: float = Field(2.0, gt=0, le=1000, description="factor of the cosines in the attention")
    scale: float = Field(100.0, gt=0, le=1000, description="factor of the cosines in the logits")
    readout: str = Field(AUTO, description="which features of patches; auto: plain, or the model's first without it")


@dataclass(frozen=True)
class AttentionClassifier:
    """``scale (f·t + beta2 f·t_a + beta3 f_a·t)``; with both betas at 0 it is zero-shot.

    Attributes:
        texts: (C, D).
    """

    texts: Tensor
    beta2: float
    beta3: float
    attention: float
    text_scale: float
    scale: float = 1.0

    def logits(self, inputs: Tensor) -> Tensor:
        """(B, 1 + P, D) to (B, C)."""
        own, seen, looked = self.parts(inputs)
        return own + self.beta2 * seen + self.beta3 * looked

    def parts(self, inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The three terms without their betas, each (B, C)."""
        size = max(1, _AT_ONCE // (inputs.shape[1] * len(self.texts)))
        parts = [self._parts(part) for part in torch.split(inputs, size)]
        own, seen, looked = (torch.cat(each) for each in zip(*parts, strict=True))
        return own, seen, looked

    def _parts(self, inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        whole, patches = inputs[:, 0], inputs[:, 1:]
        weights = self.attention * patches @ self.texts.T
        # f·t_a is the mean of f·patch, weighted as the class looks at the patches.
        seen = torch.einsum("bpc,bp->bc", weights.softmax(dim=1), (patches @ whole[..., None])[..., 0])
        looked = weights.softmax(dim=2) @ self.texts
        pooled = looked.mean(dim=1) + looked.amax(dim=1)
        own = whole @ self.texts.T
        return self.text_scale * own, self.text_scale * seen, self.text_scale * pooled @ self.texts.T


class Calip:
    """See :class:`~vlmbench.transfer.base.TransferMethod`."""

    name = "calip"
    version = 1
    needs: frozenset[type] = frozenset({DenseEncoder})
    reads: Reads = "patches"
    scores_new_classes = True
    learns_from: LearnsFrom = "nothing"
    chooses_settings = True
    at_once = False
    options: type[MethodOptions] = CalipOptions

    def fit(
        self, engine: FeatureEngine, support: FewShot, prompts: PromptSet, options: Mapping[str, Any]
    ) -> Classifier:
        """Encode the prompts. If there are validation images, both betas are chosen on them."""
        return self.fit_draws(engine, [support], prompts, options)[0].classifier

    def fit_draws(
        self, engine: FeatureEngine, supports: Sequence[FewShot], prompts: PromptSet, options: Mapping[str, Any]
    ) -> list[Fitted]:
        """See :class:`~vlmbench.transfer.base.FitsDraws`.

        Raises:
            UsageError: an unknown option, a value out of its range, or a readout that the model does not have.
            TransferError: a feature is NaN or infinite.
        """
        asked = settle_options(self.name, CalipOptions, options)
        readout = settled_readout(engine, asked.readout)
        return [self._fit(engine, support, prompts, asked, readout) for support in supports]

    def _fit(
        self, engine: FeatureEngine, support: FewShot, prompts: PromptSet, asked: CalipOptions, readout: str
    ) -> Fitted:
        texts, _ = text_features(engine, prompts)
        check_finite(texts, "the features of the prompts")
        first = AttentionClassifier(texts, asked.beta2, asked.beta3, asked.attention, asked.scale)
        grid = {name: values for name, values in GRID.items() if name not in asked.model_fields_set}
        chosen: dict[str, float] = {}
        if support.val is not None and grid:
            chosen = _chosen(engine, support, first, grid, readout)
        betas = {"beta2": asked.beta2, "beta3": asked.beta3, **chosen}
        classifier = replace(first, beta2=betas["beta2"], beta3=betas["beta3"])
        return Fitted(
            classifier,
            for_classes=lambda engine, prompts: replace(classifier, texts=text_features(engine, prompts)[0]),
            chosen=chosen,
            tried=len(list(product(*grid.values()))) if chosen else 1,
            settled={"readout": readout},
        )


def _chosen(
    engine: FeatureEngine,
    support: FewShot,
    classifier: AttentionClassifier,
    grid: Mapping[str, Sequence[float]],
    readout: str,
) -> dict[str, float]:
    """The first of the settings with the most right answers to the validation images."""
    assert support.val is not None
    labels = dict(zip(support.val.indices, labels_of(support.val).tolist(), strict=True))
    parts, truth = [], list[int]()
    for batch in patch_batches(engine, support.val, {"readout": readout}):
        parts.append(classifier.parts(batch.features))
        truth += [labels[index] for index in batch.indices]
    own, seen, looked = (torch.cat(each) for each in zip(*parts, strict=True))
    check_finite(own + seen + looked, "the logits of validation images")
    best, most, wanted = dict[str, float](), -1, torch.tensor(truth)
    for values in product(*grid.values()):
        settings = dict(zip(grid, values, strict=True))
        both = {"beta2": classifier.beta2, "beta3": classifier.beta3, **settings}
        logits = own + both["beta2"] * seen + both["beta3"] * looked
        right = int((logits.argmax(1) == wanted).sum())
        if right > most:
            best, most = settings, right
    return best


METHOD = Calip()
