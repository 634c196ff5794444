"""Runs a causal text tower on embeddings in the place of tokens, with gradients.

Adapters offer it as ``TunableTowers``. The tower's own weights get no gradients and do not change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from vlmbench.errors import ModelError
from vlmbench.models.towers.overlay import Overlay
from vlmbench.models.towers.residual_blocks import Map, ResidualBlock
from vlmbench.models.tunable import TokenEmbeddings, Update
from vlmbench.wording import counted


@dataclass(frozen=True)
class TunableText:
    """See :class:`~vlmbench.models.tunable.TunableTowers`.

    Attributes:
        tokenize: N strings to (N, L) ids on the CPU.
        lengths: (N, L) ids to the number of leading tokens that each text needs; the last of them is pooled.
        tokens: the table of the tokens' embeddings.
        positions: gives the (P, W) embeddings of the P positions.
        blocks: the transformer.
        project: (N, W) states after the last block to (N, D), unit length.
        held: the tower's parameters.
    """

    tokenize: Callable[[Sequence[str]], Tensor]
    lengths: Map
    tokens: nn.Embedding
    positions: Callable[[], Tensor]
    blocks: Sequence[ResidualBlock]
    project: Map
    held: Overlay

    @property
    def context_length(self) -> int:
        return len(self.positions())

    @property
    def text_width(self) -> int:
        return self.tokens.embedding_dim

    @property
    def text_layers(self) -> int:
        return len(self.blocks)

    def token_embeddings(self, texts: Sequence[str]) -> TokenEmbeddings:
        ids = self.tokenize(texts)
        ends = self.lengths(ids) - 1
        ids = ids[:, : int(ends.max()) + 1] if len(ids) else ids[:, :0]
        with torch.inference_mode(False), torch.no_grad():
            found = self.tokens(ids.to(self.tokens.weight.device))
        return TokenEmbeddings(ids, found, ends)

    def encode_embeddings(
        self,
        embeddings: Tensor,
        ends: Tensor,
        *,
        deep: Sequence[Tensor] = (),
        update: Update | None = None,
    ) -> Tensor:
        if len(deep) >= len(self.blocks):
            after = counted(len(self.blocks) - 1, "block")
            raise ModelError(f"the text tower has {after} after the first, and got states for {len(deep)}")
        places = ends.to(embeddings.device).unsqueeze(1)
        count, length = embeddings.shape[:2]
        sees = torch.ones(length, length, dtype=torch.bool, device=embeddings.device).tril().expand(count, -1, -1)

        def forward() -> Tensor:
            x = embeddings + self.positions()[:length]
            for number, block in enumerate(self.blocks):
                if 0 < number <= len(deep):
                    states = deep[number - 1]
                    x = torch.cat([x[:, :1], states.expand(count, -1, -1), x[:, 1 + states.shape[-2] :]], dim=1)
                added = None if update is None else partial(update, number)
                x = block(x, sees, places if number + 1 == len(self.blocks) else None, added)
            return self.project(x[:, 0])

        return self.held.compute(None, forward)


def tunable_text(
    tokenize: Callable[[Sequence[str]], Tensor],
    lengths: Map,
    tokens: nn.Embedding,
    positions: Callable[[], Tensor],
    blocks: Sequence[ResidualBlock],
    project: Map,
    held: Overlay,
) -> TunableText | None:
    """A :class:`TunableText`; None if the tower has no blocks that are known, or weights of less than 32 bits."""
    known = blocks and held.in_full_precision
    return TunableText(tokenize, lengths, tokens, positions, blocks, project, held) if known else None
