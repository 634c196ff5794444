"""A causal text transformer walked by hand: any mask, any positions, and no work that nobody reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from vlmbench.models.base import TokenPacks

Map = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class CausalBlock:
    """One residual block: attention, then a perceptron, each behind its own normalisation.

    Attributes:
        heads: of attention.
        attention_norm, mlp_norm: the normalisations.
        queries: (…, W) normalised states to queries, scaled by attention itself.
        keys_values: (…, W) to keys and values.
        out: heads put together, to what is added.
        mlp: the perceptron, to what is added.
    """

    heads: int
    attention_norm: Map
    mlp_norm: Map
    queries: Map
    keys_values: Callable[[Tensor], tuple[Tensor, Tensor]]
    out: Map
    mlp: Map

    def __call__(self, x: Tensor, sees: Tensor, places: Tensor | None = None) -> Tensor:
        """States after the block.

        Args:
            x: (B, L, W) states before it.
            sees: (B, L, L) bool.
            places: (B, E) which states are asked for; None: all of them.

        Returns:
            (B, L, W), or (B, E, W).
        """
        normed = self.attention_norm(x)
        keys, values = self.keys_values(normed)
        if places is not None:
            x, normed = _rows(x, places), _rows(normed, places)
            sees = _rows(sees, places)
        queries, keys, values = (self._split(part) for part in (self.queries(normed), keys, values))
        mixed = F.scaled_dot_product_attention(queries, keys, values, attn_mask=sees.unsqueeze(1))
        x = x + self.out(mixed.transpose(1, 2).flatten(2))
        return x + self.mlp(self.mlp_norm(x))

    def _split(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)


@dataclass(frozen=True)
class PackedText:
    """A :class:`~vlmbench.models.base.PackedTextEncoder` of a tower that reads a text at its last token."""

    tokenize: Callable[[Sequence[str]], Tensor]
    lengths: Map
    encode_packs: Callable[[TokenPacks], Tensor]


def walk(blocks: Sequence[CausalBlock], x: Tensor, packs: TokenPacks) -> Tensor:
    """The states of the prompts' last tokens after all blocks: (B, L, W) embeddings to (M, W).

    Of the last block only these are computed.
    """
    for block in blocks[:-1]:
        x = block(x, packs.sees)
    return blocks[-1](x, packs.sees, packs.ends)[packs.ended]


def _rows(x: Tensor, places: Tensor) -> Tensor:
    """(B, L, W) and (B, E) to (B, E, W)."""
    return x.gather(1, places.unsqueeze(-1).expand(-1, -1, x.shape[-1]))
