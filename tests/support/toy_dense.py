"""Toys with patch features, with a head of their own, or with both, as an adapter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import PIL.Image
from torch import Tensor
from toy_adapter import FlawedToy, toy

from vlmbench.cards import ModelCard
from vlmbench.models import ADAPTERS
from vlmbench.models.base import LoadOptions
from vlmbench.testing.toy_parts import ToyPatches, ToySegmenter


@dataclass
class FlawedHead(ToySegmenter):
    """A head with a flaw: NaN scores, or a row too few."""

    flaw: str = ""

    def segment(self, images: Sequence[PIL.Image.Image], labels: Sequence[str]) -> list[Tensor]:
        found = super().segment(images, labels)
        for scores in found:
            if self.flaw == "nan":
                scores[0, 0, 0] = float("nan")
        return [scores[:, 1:] for scores in found] if self.flaw == "shape" else found


def toy_model(*, patches: ToyPatches | None = None, head: ToySegmenter | None = None) -> FlawedToy:
    """A toy with these capabilities, not loaded through a card."""
    model = toy()
    model.card = ModelCard(name="toy", adapter="toy-dense")
    offered = {"DenseEncoder": patches, "Segmenter": head}
    model.capabilities = {name: part for name, part in offered.items() if part is not None}
    return model


LOADED: list[FlawedToy] = []


def load(card: ModelCard, options: LoadOptions) -> FlawedToy:
    """``toy-dense:patches``, ``toy-dense:head`` or ``toy-dense:patches+head``."""
    asked = card.spec.split("+")
    head = ToySegmenter() if "head" in asked else None
    model = toy_model(patches=ToyPatches() if "patches" in asked else None, head=head)
    model.card = card
    LOADED.append(model)
    return model


ADAPTERS.register("toy-dense", load)
