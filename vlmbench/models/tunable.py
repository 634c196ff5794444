"""Defines the capabilities of models whose towers give gradients. Adapters offer them; transfer methods use them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Tensor


@dataclass(frozen=True)
class TokenEmbeddings:
    """N texts as a text tower takes them, before positions are added.

    Attributes:
        ids: (N, L) int64, on the CPU; L is the longest length of a text.
        embeddings: (N, L, W), on the model's device, without a gradient.
        ends: (N,) int64, on the CPU: the position of the token whose state becomes the feature.
    """

    ids: Tensor
    embeddings: Tensor
    ends: Tensor


@runtime_checkable
class TunableTowers(Protocol):
    """The capability of models whose text tower takes embeddings in the place of tokens, and gives gradients for them.

    Transfer methods learn prompts through it. A call changes no weight, no setting and no random state. No parameter of
    the model gets a gradient.
    """

    @property
    def context_length(self) -> int:
        """The most tokens of a text."""

    @property
    def text_width(self) -> int:
        """W, the length of a token's embedding."""

    @property
    def text_layers(self) -> int:
        """How many blocks the text tower has; memory is estimated with it."""

    def token_embeddings(self, texts: Sequence[str]) -> TokenEmbeddings:
        """Look up the tokens of N texts, cut to the context length."""

    def encode_embeddings(self, embeddings: Tensor, ends: Tensor) -> Tensor:
        """Encode (N, L, W) embeddings on the model's device to (N, D), unit length, differentiable, in full precision.

        With what :meth:`token_embeddings` gives, the features are those of ``encode_text``.

        Args:
            ends: (N,) int64, below L: see :class:`TokenEmbeddings`.
        """


@dataclass(frozen=True)
class Rows:
    """Some rows of a parameter: those that one projection uses.

    Attributes:
        parameter: its name, as :meth:`TunableImageTower.parameters` gives it.
    """

    parameter: str
    start: int
    stop: int


@runtime_checkable
class TunableImageTower(Protocol):
    """The capability of models whose image tower runs with extra tokens and with other weights, and gives gradients.

    Transfer methods learn visual prompts, low-rank updates and whole towers through it. A call changes no weight, no
    setting and no random state. No parameter of the model gets a gradient.
    """

    @property
    def image_width(self) -> int:
        """W, the length of a token's state; 0 if the tower has no tokens, and takes no prompts."""

    @property
    def image_layers(self) -> int:
        """How many blocks of attention the tower has; 0 if it has none, and takes no prompts."""

    def parameters(self) -> Mapping[str, Tensor]:
        """The parameters of the image tower by name, without gradients. They must not be changed."""

    def attention(self) -> Sequence[Mapping[str, Rows]]:
        """For each block, the rows of the weights of its projections: "q", "k" and "v"."""

    def encode_pixels(
        self, pixels: Tensor, *, prompts: Sequence[Tensor] = (), weights: Mapping[str, Tensor] | None = None
    ) -> Tensor:
        """Encode (B, 3, H, W) on the model's device to (B, D), unit length, differentiable, in full precision.

        Without prompts and weights, the features are those of ``encode_image``.

        Args:
            prompts: ``prompts[i]``, (P, W) or (B, P, W), are tokens that enter before block i. They take the place of
                those that entered before; those of the last entry stay to the end. They stand after all other tokens,
                and those of block 0 pass the norm before the blocks. None of them has a position.
            weights: parameters that take the place of the model's own, by name.
        """
