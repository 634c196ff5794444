"""Toys for detection: one that reads colours patch by patch, and one that finds boxes by itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import PIL.Image
import torch
import torch.nn.functional as F
from torch import Tensor
from toy_adapter import ToyModel

from vlmbench.cards import ModelCard
from vlmbench.models import ADAPTERS
from vlmbench.models.base import Detections, LoadOptions

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


class Colourist(ToyModel):
    """An image's feature is its mean colour, a text's the colour that it names: it knows red, green and blue."""

    readouts = ("plain", "other")
    patch_size = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        self.embedding_dim = 4
        self.capabilities = {"DenseEncoder": self} if self.flaw == "dense" else {}

    def preprocess(self, image: PIL.Image.Image) -> Tensor:
        return self.normalise(image.resize((4, 4), PIL.Image.Resampling.BOX))

    def normalise(self, image: PIL.Image.Image) -> Tensor:
        return torch.from_numpy(np.asarray(image.convert("RGB"), dtype=np.float32).transpose(2, 0, 1) / 255)

    def encode_image(self, pixels: Tensor) -> Tensor:
        self.image_calls += len(pixels)
        return self._with_a_constant(pixels.mean(dim=(2, 3)))

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        named = [[float(colour in text) for colour in COLOURS] for text in texts]
        return self._with_a_constant(torch.tensor(named))

    def encode_patches(self, pixels: Tensor, readout: str) -> Tensor:
        assert readout in self.readouts
        cells = F.avg_pool2d(pixels, self.patch_size)
        return self._with_a_constant(cells.movedim(1, -1)).movedim(-1, 1)

    @staticmethod
    def _with_a_constant(colours: Tensor) -> Tensor:
        return F.normalize(torch.cat([colours, torch.full_like(colours[..., :1], 0.1)], dim=-1), dim=-1)


class Finder(ToyModel):
    """A detector that finds one box of each text in every image, in the corner, the first text surest."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.capabilities = {"Detector": self}

    def detect(self, images: Sequence[PIL.Image.Image], labels: Sequence[str]) -> list[Detections]:
        scores = 1 / torch.arange(1, len(labels) + 1)
        if self.flaw == "nan":
            scores[0] = float("nan")
        boxes = torch.tensor([[0.0, 0.0, 8.0, 8.0]]).repeat(len(labels), 1)
        return [Detections(boxes, scores, torch.arange(len(labels)))] * len(images)


class Lone:
    """A detector and no more: it brings neither images nor texts into any space."""

    def __init__(self, card: ModelCard, device: str) -> None:
        detector = Finder(card, device, 1, "")
        self.card, self.identity, self.device = card, detector.identity, torch.device(device)
        self.capabilities = detector.capabilities


def _load(kind: type[ToyModel]):  # type: ignore[no-untyped-def]
    def load(card: ModelCard, options: LoadOptions) -> ToyModel:
        return kind(card, options.device, seed=1, flaw=card.spec)

    return load


def colourist(flaw: str = "") -> Colourist:
    return Colourist(ModelCard(name="colourist", adapter="colourist"), "cpu", 1, flaw)


def finder(flaw: str = "") -> Finder:
    return Finder(ModelCard(name="finder", adapter="finder"), "cpu", 1, flaw)


ADAPTERS.register("colourist", _load(Colourist))
ADAPTERS.register("finder", _load(Finder))
ADAPTERS.register("lone", lambda card, options: Lone(card, options.device))
