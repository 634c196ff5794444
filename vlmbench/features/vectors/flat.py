"""Shows the vectors of an image or a text as one long row, so that the streams and the cache carry them as features.

The engine uses it. A row is the K vectors of an image, or the L of a text, one after the other, divided by the square
root of their number: so it has unit length, as the streams require.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import PIL.Image
import torch.nn.functional as F
from torch import Tensor

from vlmbench.errors import ModelError
from vlmbench.models.base import Model, Pixels
from vlmbench.models.multi_vector import MultiVectorEncoder

_CARRIED = ("BytePixels", "TokenReader")
"""Capabilities of the model that a row's encoder has, too. The others give single vectors."""
_FURTHEST = 0.05
"""How far a vector's length may be from 1. Rounding to 16 bits stays far below this."""


class FlatVectors:
    """One encoder of a multi-vector model, as a ``VisionLanguageModel`` whose features are long rows.

    Args:
        encodes: the encoder. The other one must not be called.
    """

    def __init__(self, model: Model, encoder: MultiVectorEncoder, encodes: Literal["image", "text"]) -> None:
        self.card, self.identity, self.device = model.card, model.identity, model.device
        self.capabilities: Mapping[str, object] = {
            name: offered for name, offered in model.capabilities.items() if name in _CARRIED
        }
        self._encoder = encoder
        self._shape = (encoder.image_vectors if encodes == "image" else encoder.text_vectors, encoder.embedding_dim)
        self.embedding_dim = self._shape[0] * self._shape[1]
        self.logit_scale, self.logit_bias = encoder.logit_scale, 0.0

    def preprocess(self, image: PIL.Image.Image) -> Pixels:
        return self._encoder.preprocess(image)

    def encode_image(self, pixels: Any) -> Tensor:
        return self._row(self._encoder.encode_image_vectors(pixels))

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        return self._row(self._encoder.encode_text_vectors(texts))

    def _row(self, vectors: Tensor) -> Tensor:
        """(N, K, D) to (N, K * D). The device is not waited for; :func:`separate` checks each vector's length."""
        if not isinstance(vectors, Tensor) or vectors.ndim != 3 or tuple(vectors.shape[1:]) != self._shape:
            found = tuple(vectors.shape) if isinstance(vectors, Tensor) else f"a {type(vectors).__name__}"
            raise ModelError(f"the encoder returned {found}, not vectors of shape {('N', *self._shape)}")
        vectors = vectors.float()
        present = vectors.ne(0).any(dim=2).sum(dim=1).clamp(min=1)
        return vectors.flatten(1) / present.sqrt()[:, None]


def separate(rows: Tensor, vectors: int, names: Sequence[str]) -> Tensor:
    """Turn N rows back into vectors: (N, K * D) to (N, K, D), each of unit length, or zeros for padding.

    Args:
        vectors: K.
        names: what each row encodes, for the message.

    Raises:
        ModelError: a vector is far from unit length.
    """
    apart = rows.reshape(len(rows), vectors, rows.shape[1] // vectors)
    lengths = apart.norm(dim=2)
    present = lengths != 0
    lengths = lengths * present.sum(dim=1, keepdim=True).sqrt()
    wrong = (present & ((lengths - 1).abs() > _FURTHEST)).any(dim=1)
    if bool(wrong.any()):
        first = int(wrong.nonzero()[0, 0])
        raise ModelError(
            f"the encoder returned vectors of length {float(lengths[first][present[first]].min()):.3g} to "
            f"{float(lengths[first].max()):.3g} for {names[first]!r}, not 1",
            hint="An adapter must L2-normalise each vector. A vector of zeros is padding.",
        )
    return F.normalize(apart, dim=2)


def padding_of(vectors: Tensor) -> Tensor | None:
    """(N, K) bool, which of (N, K, D) vectors are padding; None if no vector is."""
    padding = ~vectors.ne(0).any(dim=2)
    return padding if bool(padding.any()) else None


def root_mean_square(vectors: Tensor) -> Tensor:
    """(N, 1, 1) the root mean square of the lengths of N items' vectors, (N, K, D)."""
    squares: Tensor = vectors.square().sum(dim=(1, 2), keepdim=True)
    return (squares / vectors.shape[1]).sqrt()
