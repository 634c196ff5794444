"""Defines the capabilities of models whose towers give gradients. Adapters offer them; transfer methods use them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, runtime_checkable

from torch import Tensor

Projection: TypeAlias = Literal["q", "k", "v"]
"""One of the three projections of an attention: to queries, keys or values."""
Update: TypeAlias = Callable[[int, Projection, Tensor], Tensor]
"""Computes what is added to the result of a projection: the block, from 0; the projection; and its input, (…, W), to
(…, W). A tower asks for the queries of its last block at the tokens alone whose states become features."""


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

    def encode_embeddings(
        self,
        embeddings: Tensor,
        ends: Tensor,
        *,
        deep: Sequence[Tensor] = (),
        update: Update | None = None,
    ) -> Tensor:
        """Encode (N, L, W) embeddings on the model's device to (N, D), unit length, differentiable, in full precision.

        With what :meth:`token_embeddings` gives, the features are those of ``encode_text``.

        Args:
            ends: (N,) int64, below L: see :class:`TokenEmbeddings`.
            deep: ``deep[i]``, (M, W) or (N, M, W), takes the place of the states of tokens 1 to M before block i + 1.
            update: changes the projections of the attention, as low-rank updates do.

        Raises:
            ModelError: there are more entries in ``deep`` than blocks after the first.
        """


@runtime_checkable
class TunableImageTower(Protocol):
    """The capability of models whose image tower runs with other weights and extra tokens, and gives gradients.

    Transfer methods learn visual prompts, low-rank updates and whole towers through it. A call changes no weight, no
    setting and no random state. No parameter of the model gets a gradient.
    """

    @property
    def image_width(self) -> int:
        """W, the length of a token's state; 0 if the tower has no tokens, and takes no prompts."""

    @property
    def image_layers(self) -> int:
        """How many blocks of attention the tower has; 0 if it takes neither prompts nor updates."""

    def parameters(self) -> Mapping[str, Tensor]:
        """The parameters of the image tower by name, without gradients. They must not be changed."""

    def encode_pixels(
        self,
        pixels: Tensor,
        *,
        prompts: Sequence[Tensor] = (),
        weights: Mapping[str, Tensor] | None = None,
        update: Update | None = None,
    ) -> Tensor:
        """Encode (B, 3, H, W) on the model's device to (B, D), unit length, differentiable, in full precision.

        Without further arguments, the features are those of ``encode_image``.

        Args:
            prompts: ``prompts[i]``, (P, W) or (B, P, W), are tokens that enter before block i. They take the place of
                those that entered before; those of the last entry stay to the end. They stand after all other tokens,
                and those of block 0 pass the norm before the blocks. None of them has a position.
            weights: parameters that take the place of the tower's own, by name.
            update: changes the projections of the attention, as low-rank updates do.

        Raises:
            ModelError: there are more prompts than blocks, the tower takes no prompts or updates, or a weight has no
                place.
        """
