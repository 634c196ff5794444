"""A model of several vectors that is small enough for tests: seeded random projections of colours and words."""

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
from vlmbench.models.multi_vector import Ensemble, Similarity
from vlmbench.rgb import as_rgb

_SIDE = 2
_LETTERS = 128


@dataclass
class ToyVectors:
    """A model with the capability :class:`~vlmbench.models.multi_vector.MultiVectorEncoder`, and no other.

    An image becomes 2 x 2 mean colours, and each a vector. A text becomes its first words, and each a vector of its
    letters and its place; the rest is padding. If the similarity takes one vector of a text, it is that of all letters.

    Attributes:
        seed: the seed of the two matrices. Models with different seeds have different features and identities.
        words: the number of words that are read.
        image_calls: the number of images encoded so far.
        text_calls: the number of texts encoded so far.
    """

    similarity: Similarity = "token-wise"
    ensemble: Ensemble = "mean of similarities"
    seed: int = 0
    words: int = 5
    embedding_dim: int = 8
    logit_scale: float = 20.0
    image_vectors: int = _SIDE * _SIDE
    card: ModelCard = field(default_factory=lambda: ModelCard(name="toy-vectors", adapter="toy"))
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    image_calls: int = 0
    text_calls: int = 0

    def __post_init__(self) -> None:
        generator = torch.Generator().manual_seed(self.seed)
        self.image_weight = torch.randn(3, self.embedding_dim, generator=generator)
        self.text_weight = torch.randn(_LETTERS, self.embedding_dim, generator=generator)
        self.text_vectors = 1 if self.similarity == "max over image vectors" else self.words
        weights = b"".join(weight.numpy().tobytes() for weight in (self.image_weight, self.text_weight))
        self.identity = ModelIdentity(
            weights_sha256=sha256(weights).hexdigest(),
            parameters=self.image_weight.numel() + self.text_weight.numel(),
            architecture=f"ToyVectors {self.similarity}",
            preprocess=f"{_SIDE}x{_SIDE} grid",
            tokenizer=f"words, the first {self.words}",
            libraries={"torch": torch.__version__},
        )
        self.capabilities: Mapping[str, object] = {"MultiVectorEncoder": self}

    def preprocess(self, image: PIL.Image.Image) -> Tensor:
        """An image of any mode and size to (3, 2, 2), from -0.4 to 0.6."""
        grid = as_rgb(image).resize((_SIDE, _SIDE), PIL.Image.Resampling.BOX)
        return torch.from_numpy(np.asarray(grid, dtype=np.float32).transpose(2, 0, 1) / 255 - 0.4)

    def encode_image_vectors(self, pixels: Tensor) -> Tensor:
        """(B, 3, 2, 2) to (B, 4, D), unit length."""
        self.image_calls += len(pixels)
        return F.normalize(pixels.flatten(2).transpose(1, 2) @ self.image_weight.to(pixels.device), dim=-1)

    def encode_text_vectors(self, texts: Sequence[str]) -> Tensor:
        """N texts to (N, L, D), unit length; vectors of zeros are padding."""
        self.text_calls += len(texts)
        counts = torch.zeros(len(texts), self.text_vectors, _LETTERS)
        for row, text in enumerate(texts):
            words = text.split()[: self.words] or ["\0"]
            for place, word in enumerate(words if self.text_vectors > 1 else [" ".join(words)]):
                letters = torch.tensor(list(word.encode(errors="surrogateescape"))) % _LETTERS
                counts[row, place] = torch.bincount(letters, minlength=_LETTERS)
                counts[row, place, place] += 1  # so that texts of the same words in another order differ
        return F.normalize(counts.to(self.device) @ self.text_weight.to(self.device), dim=-1)
