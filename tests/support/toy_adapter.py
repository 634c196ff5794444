"""The toy of vlmbench.testing as an adapter: it is registered as a third party's plugin file registers one.

With ``options: {flaw: …}``, or ``toy:NAME@FLAW``, it misbehaves on purpose.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from vlmbench.cards import ModelCard
from vlmbench.errors import ModelError
from vlmbench.models import ADAPTERS
from vlmbench.models.base import LoadOptions
from vlmbench.testing.toy_models import ToyModel

TOY_ADAPTER = Path(__file__)


@dataclass
class FlawedToy(ToyModel):
    """A toy whose image encoder has a flaw; "" is none."""

    flaw: str = ""

    def encode_image(self, pixels: Tensor) -> Tensor:
        features = super().encode_image(pixels)
        if self.flaw == "memory" and len(pixels) > 2:
            raise torch.OutOfMemoryError("not enough memory for the toy")
        if self.flaw == "crash":
            raise RuntimeError("the toy broke")
        if self.flaw == "nan":
            features[0] = float("nan")
        return 3 * features if self.flaw == "length" else features


def toy(flaw: str = "") -> FlawedToy:
    """One toy, not loaded through a card."""
    return FlawedToy(ModelCard(name="toy", adapter="toy"), seed=1, flaw=flaw)


LOADED: list[FlawedToy] = []


def load(card: ModelCard, options: LoadOptions) -> FlawedToy:
    flaw = str(card.options.get("flaw", card.spec.partition("@")[2]))
    if flaw == "missing":
        raise ModelError("the toy has no weights", hint="Buy another toy.")
    model = FlawedToy(card, torch.device(options.device), seed=len(card.spec), flaw=flaw)
    LOADED.append(model)
    return model


ADAPTERS.register("toy", load)
