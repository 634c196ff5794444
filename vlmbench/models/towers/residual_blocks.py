"""Runs a transformer block by block, with any mask and any positions. Packed texts and towers with gradients use it.

The last block computes only the states that are read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from vlmbench.models.base import TokenPacks
from vlmbench.models.tunable import Projection

Map = Callable[[Tensor], Tensor]
Added = Callable[[Projection, Tensor], Tensor]
"""See :data:`~vlmbench.models.tunable.Update`; of one block."""


@dataclass(frozen=True)
class ResidualBlock:
    """One residual block: attention and then a perceptron, each after its own normalisation.

    Attributes:
        heads: the number of attention heads.
        attention_norm, mlp_norm: the normalisations.
        queries: maps (…, W) normalised states to queries, which attention scales.
        keys_values: maps (…, W) normalised states to keys and values.
        out: maps the joined heads to the values that are added to the states.
        mlp: the perceptron; its result is added to the states.
    """

    heads: int
    attention_norm: Map
    mlp_norm: Map
    queries: Map
    keys_values: Callable[[Tensor], tuple[Tensor, Tensor]]
    out: Map
    mlp: Map

    def __call__(
        self, x: Tensor, sees: Tensor | None, places: Tensor | None = None, added: Added | None = None
    ) -> Tensor:
        """Compute the states after the block.

        Args:
            x: (B, L, W) states before the block.
            sees: (B, L, L) bool, whether the token of the row may attend to the token of the column; None: to all.
            places: (B, E) the positions of the tokens whose states are computed; None: all tokens.
            added: what is added to queries, keys and values, from the normalised states; None: nothing.

        Returns:
            (B, L, W) the states of all tokens, or (B, E, W) those at the places.
        """
        normed = self.attention_norm(x)
        keys, values = self.keys_values(normed)
        if added is not None:
            keys, values = keys + added("k", normed), values + added("v", normed)
        if places is not None:
            x, normed = _rows(x, places), _rows(normed, places)
            sees = None if sees is None else _rows(sees, places)
        queries = self.queries(normed)
        if added is not None:
            queries = queries + added("q", normed)
        queries, keys, values = self._split(queries), self._split(keys), self._split(values)
        mask = None if sees is None else sees.unsqueeze(1)
        mixed = F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)
        x = x + self.out(mixed.transpose(1, 2).flatten(2))
        return x + self.mlp(self.mlp_norm(x))

    def _split(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)


@dataclass(frozen=True)
class PackedText:
    """The :class:`~vlmbench.models.base.PackedTextEncoder` of a tower that pools a text at its last token."""

    tokenize: Callable[[Sequence[str]], Tensor]
    lengths: Map
    encode_packs: Callable[[TokenPacks], Tensor]


def walk(blocks: Sequence[ResidualBlock], x: Tensor, packs: TokenPacks) -> Tensor:
    """Run all blocks: (B, L, W) embeddings to (M, W), the states of the prompts' last tokens.

    The last block computes only these states.
    """
    for block in blocks[:-1]:
        x = block(x, packs.sees)
    return blocks[-1](x, packs.sees, packs.ends)[packs.ended]


def _rows(x: Tensor, places: Tensor) -> Tensor:
    """Select the rows (B, E) of (B, L, W): (B, E, W)."""
    return x.gather(1, places.unsqueeze(-1).expand(-1, -1, x.shape[-1]))
