"""A dual encoder that is small enough for tests: seeded random projections of colours and letters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

import numpy as np
import PIL.Image
import torch
import torch.nn.functional as F
from torch import Tensor

from vlmbench.cards import ModelCard
from vlmbench.models.base import ModelIdentity
from vlmbench.rgb import as_rgb
from vlmbench.testing.toy_tokens import CONTEXT_LENGTH, ToyTokens

DIM = 16
"""The length of a toy model's features."""
_CPU = torch.device("cpu")


@dataclass
class ToyModel:
    """A :class:`~vlmbench.models.base.VisionLanguageModel`. Its numbers mean nothing, but they are always the same.

    An image becomes a grid of 4 x 4 colours, and a text becomes counts of letters. Two seeded random matrices project
    them.

    Attributes:
        seed: the seed of the two matrices. Models with different seeds have different features and identities.
        context_length: the number of bytes of a text that are read; None: all.
        image_calls: the number of images encoded so far.
        text_calls: the number of texts encoded so far.
    """

    card: ModelCard
    device: torch.device = _CPU
    seed: int = 0
    embedding_dim: int = DIM
    logit_scale: float = 20.0
    logit_bias: float = 0.0
    capabilities: Mapping[str, object] = field(default_factory=dict)
    context_length: int | None = None
    image_calls: int = 0
    text_calls: int = 0

    def __post_init__(self) -> None:
        generator = torch.Generator().manual_seed(self.seed)
        self.image_weight = torch.randn(48, DIM, generator=generator)
        self.text_weight = torch.randn(128, DIM, generator=generator)
        self.identity = self._identity()
        self.image_weight, self.text_weight = self.image_weight.to(self.device), self.text_weight.to(self.device)

    def preprocess(self, image: PIL.Image.Image) -> Tensor:
        """An image of any mode and size to (3, 4, 4), from -0.5 to 0.5."""
        grid = as_rgb(image).resize((4, 4), PIL.Image.Resampling.BOX)
        return torch.from_numpy(np.asarray(grid, dtype=np.float32).transpose(2, 0, 1) / 255 - 0.5)

    def encode_image(self, pixels: Tensor) -> Tensor:
        """(B, 3, 4, 4) to (B, 16), unit length."""
        self.image_calls += len(pixels)
        return F.normalize(pixels.flatten(1) @ self.image_weight, dim=-1)

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """N texts to (N, 16), unit length."""
        self.text_calls += len(texts)
        counts = torch.zeros(len(texts), 128)
        for row, text in enumerate(texts):
            letters = text.encode(errors="surrogateescape")[: self.context_length] or b"\0"
            counts[row] = torch.bincount(torch.tensor(list(letters)) % 128, minlength=128)
        return F.normalize(counts.to(self.device) @ self.text_weight, dim=-1)

    def _identity(self) -> ModelIdentity:
        weights = b"".join(weight.numpy().tobytes() for weight in (self.image_weight, self.text_weight))
        return ModelIdentity(
            weights_sha256=sha256(weights).hexdigest(),
            parameters=self.image_weight.numel() + self.text_weight.numel(),
            architecture=type(self).__name__,
            preprocess="4x4 grid",
            tokenizer=f"letters, the first {self.context_length}" if self.context_length else "letters",
            libraries={"torch": torch.__version__},
        )


def toy_model(*, seed: int = 0, tokens: bool = False, **capabilities: object) -> ToyModel:
    """Make a toy dual encoder. It needs no card of its own.

    Args:
        tokens: give it :class:`~vlmbench.testing.toy_tokens.ToyTokens`, so that its texts can be cut and packed.
        capabilities: other capabilities by the names of their protocols, such as ``DenseEncoder=ToyPatches()``.
    """
    card, length = ModelCard(name="toy", adapter="toy"), CONTEXT_LENGTH if tokens else None
    model = ToyModel(card, seed=seed, capabilities=dict(capabilities), context_length=length)
    if tokens:
        reader = ToyTokens(model.encode_text)
        offered = dict.fromkeys(("PrefixTextEncoder", "PackedTextEncoder", "TokenReader"), reader)
        model.capabilities = {**capabilities, **offered}
    return model
