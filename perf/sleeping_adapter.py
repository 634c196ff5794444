"""An adapter whose models sleep instead of computing: ``sleeping:NAME@SECONDS`` sleeps for each batch of images.

``pool.py`` gives it to workers as a plugin file.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from torch import Tensor

from vlmbench.cards import ModelCard
from vlmbench.models import ADAPTERS
from vlmbench.models.base import LoadOptions
from vlmbench.testing.toy_models import ToyModel


@dataclass
class Sleeper(ToyModel):
    """A toy that sleeps before it answers.

    Attributes:
        seconds: for each batch of images.
    """

    seconds: float = 0.0

    def encode_image(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) to (B, D), after the sleep."""
        time.sleep(self.seconds)
        return super().encode_image(pixels)


def load(card: ModelCard, options: LoadOptions) -> Sleeper:
    """The model of a card."""
    name, _, seconds = card.spec.partition("@")
    return Sleeper(card, torch.device(options.device), seed=len(name), seconds=float(seconds))


ADAPTERS.register("sleeping", load)
