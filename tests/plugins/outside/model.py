"""A model that sees how bright an image is, and reads the words "dark" and "bright"."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from vlmbench.cards import ModelCard
from vlmbench.models.base import LoadOptions, ModelIdentity


@dataclass
class GreyModel:
    """Brightness as an angle from 0 (black) to 90 degrees (white); with ``gain`` other than 1 it is misjudged."""

    card: ModelCard
    device: torch.device
    gain: float
    embedding_dim: int = 2
    logit_scale: float = 10.0
    logit_bias: float = 0.0
    capabilities: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.identity = ModelIdentity(
            weights_sha256=f"grey-{self.gain}",
            parameters=1,
            architecture="grey",
            preprocess="mean of 4 x 4 cells",
            tokenizer="two words",
            libraries={"torch": torch.__version__},
        )

    def preprocess(self, image: PIL.Image.Image) -> Tensor:
        cells = image.convert("RGB").resize((4, 4), PIL.Image.Resampling.BOX)
        return torch.from_numpy(np.asarray(cells, dtype=np.float32).transpose(2, 0, 1) / 255)

    def encode_image(self, pixels: Tensor) -> Tensor:
        return _at(self.gain * pixels.mean(dim=(1, 2, 3)))

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        return _at(torch.tensor([float("bright" in text) for text in texts]))


def _at(brightness: Tensor) -> Tensor:
    angles = brightness.clamp(0, 1) * math.pi / 2
    return torch.stack([angles.cos(), angles.sin()], dim=1)


def load(card: ModelCard, options: LoadOptions) -> GreyModel:
    """``grey:GAIN``."""
    return GreyModel(card, torch.device(options.device), float(card.spec or 1))
