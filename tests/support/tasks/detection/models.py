"""Toys for detection: one that reads colours patch by patch, and one that finds boxes by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import PIL.Image
import torch
from torch import Tensor
from toy_adapter import FlawedToy

from vlmbench.cards import ModelCard
from vlmbench.models import ADAPTERS
from vlmbench.models.base import Detections, LoadOptions
from vlmbench.testing.toy_colours import COLOURS as KNOWN
from vlmbench.testing.toy_colours import ColourModel
from vlmbench.testing.toy_parts import ToyDetector

COLOURS = {name: KNOWN[name] for name in ("red", "green", "blue")}


@dataclass
class Colourist(ColourModel):
    """A dual encoder of colours that counts its images; with the flaw "dense" it has patch features too."""

    heads: bool = False
    flaw: str = ""
    image_calls: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.capabilities = {"DenseEncoder": self} if self.flaw == "dense" else {}

    def encode_image(self, pixels: Tensor) -> Tensor:
        self.image_calls += len(pixels)
        return super().encode_image(pixels)


@dataclass
class Finder(FlawedToy):
    """A detector that finds one box of each text in every image, in the corner, the first text surest."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.capabilities = {"Detector": self}

    def detect(self, images: Sequence[PIL.Image.Image], labels: Sequence[str]) -> list[Detections]:
        found = ToyDetector().detect(images, labels)
        if self.flaw == "nan":
            found[0].scores[0] = float("nan")
        return found


class Lone:
    """A detector and no more: it brings neither images nor texts into any space."""

    def __init__(self, card: ModelCard, device: str) -> None:
        detector = Finder(card, torch.device(device), seed=1)
        self.card, self.identity, self.device = card, detector.identity, torch.device(device)
        self.capabilities = detector.capabilities


def colourist(flaw: str = "") -> Colourist:
    return Colourist(ModelCard(name="colourist", adapter="colourist"), flaw=flaw)


def finder(flaw: str = "") -> Finder:
    return Finder(ModelCard(name="finder", adapter="finder"), seed=1, flaw=flaw)


def load_colourist(card: ModelCard, options: LoadOptions) -> Colourist:
    return Colourist(card, torch.device(options.device), flaw=card.spec)


def load_finder(card: ModelCard, options: LoadOptions) -> Finder:
    return Finder(card, torch.device(options.device), seed=1, flaw=card.spec)


ADAPTERS.register("colourist", load_colourist)
ADAPTERS.register("finder", load_finder)
ADAPTERS.register("lone", lambda card, options: Lone(card, options.device))
