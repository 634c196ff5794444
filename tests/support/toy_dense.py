"""Toys that tell what is where: one with patch features, one with a head of its own, one with both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import PIL.Image
import torch
import torch.nn.functional as F
from torch import Tensor
from toy_adapter import DIM, ToyModel

from vlmbench.cards import ModelCard
from vlmbench.errors import ModelError, UnknownNameError
from vlmbench.models import ADAPTERS
from vlmbench.models.base import LoadOptions

PATCH = 4


@dataclass
class ToyPatches:
    """A patch is its mean colour, projected; the readout "other" turns the colours round first."""

    readouts: tuple[str, ...] = ("plain", "other")
    patch_size: int = PATCH
    weight: Tensor = field(default_factory=lambda: torch.randn(3, DIM, generator=torch.Generator().manual_seed(5)))
    calls: list[tuple[int, ...]] = field(default_factory=list)

    def normalise(self, image: PIL.Image.Image) -> Tensor:
        return torch.from_numpy(np.asarray(image.convert("RGB"), dtype=np.float32).transpose(2, 0, 1) / 255 - 0.5)

    def encode_patches(self, pixels: Tensor, readout: str) -> Tensor:
        if readout not in self.readouts:
            raise UnknownNameError(f"no readout {readout!r}")
        if pixels.shape[2] % PATCH or pixels.shape[3] % PATCH:
            raise ModelError(f"{tuple(pixels.shape)} is no multiple of {PATCH}")
        self.calls.append(tuple(pixels.shape))
        colours = F.avg_pool2d(pixels if readout == "plain" else pixels.flip(1), PATCH)
        return F.normalize(torch.einsum("nchw,cd->ndhw", colours + 0.01, self.weight), dim=1)


@dataclass
class ToyHead:
    """A pixel's score for a text is the text's length times its brightness, up or down with the text's first letter."""

    heard: list[str] = field(default_factory=list)
    flaw: str = ""

    def segment(self, images: Sequence[PIL.Image.Image], labels: Sequence[str]) -> list[Tensor]:
        self.heard = list(labels)
        found = []
        for image in images:
            grey = torch.from_numpy(np.asarray(image.convert("L"), dtype=np.float32) / 255)
            scores = torch.stack([len(text) * (grey if ord(text[0]) % 2 else 1 - grey) for text in labels])
            if self.flaw == "nan":
                scores[0, 0, 0] = float("nan")
            found.append(scores[:, 1:] if self.flaw == "shape" else scores)
        return found


def toy_model(*, patches: ToyPatches | None = None, head: ToyHead | None = None) -> ToyModel:
    """A toy with these capabilities, not loaded through a card."""
    capabilities: dict[str, object] = {}
    if patches is not None:
        capabilities["DenseEncoder"] = patches
    if head is not None:
        capabilities["Segmenter"] = head
    return ToyModel(ModelCard(name="toy", adapter="toy-dense"), "cpu", 1, "", capabilities=capabilities)


LOADED: list[ToyModel] = []


def load(card: ModelCard, options: LoadOptions) -> ToyModel:
    """``toy-dense:patches``, ``toy-dense:head`` or ``toy-dense:patches+head``."""
    asked = card.spec.split("+")
    model = toy_model(patches=ToyPatches() if "patches" in asked else None, head=ToyHead() if "head" in asked else None)
    model.card = card
    LOADED.append(model)
    return model


ADAPTERS.register("toy-dense", load)
