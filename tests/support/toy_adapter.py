"""A model small enough for tests, registered the way a third party's plugin file does it.

Both towers are seeded random projections: an image becomes its 4 x 4 colour grid, a text its letter counts. With
``options: {flaw: …}`` it misbehaves on purpose.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import PIL.Image
import torch
import torch.nn.functional as F
from torch import Tensor

from vlmbench.cards import ModelCard
from vlmbench.errors import ModelError
from vlmbench.models import ADAPTERS
from vlmbench.models.base import LoadOptions, ModelIdentity

DIM = 16
TOY_ADAPTER = Path(__file__)


@dataclass
class ToyModel:
    card: ModelCard
    device: str
    seed: int
    flaw: str
    embedding_dim: int = DIM
    logit_scale: float = 20.0
    logit_bias: float = 0.0
    capabilities: dict[str, object] = field(default_factory=dict)
    image_calls: int = 0
    text_calls: int = 0

    def __post_init__(self) -> None:
        generator = torch.Generator().manual_seed(self.seed)
        self.image_weight = torch.randn(48, DIM, generator=generator)
        self.text_weight = torch.randn(128, DIM, generator=generator)
        self.identity = ModelIdentity(
            weights_sha256=f"toy-{self.seed}",
            parameters=self.image_weight.numel() + self.text_weight.numel(),
            architecture="toy",
            preprocess="4x4 grid",
            tokenizer="letters",
            libraries={"torch": torch.__version__},
        )

    def preprocess(self, image: PIL.Image.Image) -> Tensor:
        grid = image.convert("RGB").resize((4, 4), PIL.Image.Resampling.BOX)
        return torch.from_numpy(np.asarray(grid, dtype=np.float32).transpose(2, 0, 1) / 255 - 0.5)

    def encode_image(self, pixels: Tensor) -> Tensor:
        self.image_calls += len(pixels)
        if self.flaw == "memory" and len(pixels) > 2:
            raise torch.OutOfMemoryError("not enough memory for the toy")
        if self.flaw == "crash":
            raise RuntimeError("the toy broke")
        features = F.normalize(pixels.flatten(1) @ self.image_weight, dim=-1)
        if self.flaw == "nan":
            features[0] = float("nan")
        return 3 * features if self.flaw == "length" else features

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        self.text_calls += len(texts)
        counts = torch.zeros(len(texts), 128)
        for row, text in enumerate(texts):
            for letter in text.encode():
                counts[row, letter % 128] += 1
        return F.normalize(counts @ self.text_weight, dim=-1)


def toy(flaw: str = "") -> ToyModel:
    """One toy, not loaded through a card."""
    return ToyModel(ModelCard(name="toy", adapter="toy"), "cpu", 1, flaw)


LOADED: list[ToyModel] = []


def load(card: ModelCard, options: LoadOptions) -> ToyModel:
    flaw = str(card.options.get("flaw", card.spec.partition("@")[2]))
    if flaw == "missing":
        raise ModelError("the toy has no weights", hint="Buy another toy.")
    model = ToyModel(card, options.device, seed=len(card.spec), flaw=flaw)
    LOADED.append(model)
    return model


ADAPTERS.register("toy", load)
