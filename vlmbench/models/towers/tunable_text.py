"""Runs a causal text tower on embeddings in the place of tokens, with gradients.

Adapters offer it as ``TunableTowers``. The tower's own weights get no gradients and do not change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vlmbench.models.towers.causal_blocks import CausalBlock, Map
from vlmbench.models.tunable import TokenEmbeddings


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
        held: the module whose parameters get no gradients.
    """

    tokenize: Callable[[Sequence[str]], Tensor]
    lengths: Map
    tokens: nn.Embedding
    positions: Callable[[], Tensor]
    blocks: Sequence[CausalBlock]
    project: Map
    held: nn.Module

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

    def encode_embeddings(self, embeddings: Tensor, ends: Tensor) -> Tensor:
        places = ends.to(embeddings.device).unsqueeze(1)
        count, length = embeddings.shape[:2]
        sees = torch.ones(length, length, dtype=torch.bool, device=embeddings.device).tril().expand(count, -1, -1)
        with without_gradients(self.held):
            x = embeddings + self.positions()[:length]
            for block in self.blocks[:-1]:
                x = block(x, sees)
            return self.project(self.blocks[-1](x, sees, places)[:, 0])


def tunable_text(
    tokenize: Callable[[Sequence[str]], Tensor],
    lengths: Map,
    tokens: nn.Embedding,
    positions: Callable[[], Tensor],
    blocks: Sequence[CausalBlock],
    project: Map,
    held: nn.Module,
) -> TunableText | None:
    """A :class:`TunableText`; None if the tower has no blocks that are known, or weights of less than 32 bits."""
    whole = all(parameter.dtype in (torch.float32, torch.float64) for parameter in held.parameters())
    return TunableText(tokenize, lengths, tokens, positions, blocks, project, held) if blocks and whole else None


@contextmanager
def without_gradients(module: nn.Module) -> Iterator[None]:
    """In the block, what is computed with the module's parameters keeps no gradients for them."""
    own = [parameter for parameter in module.parameters() if parameter.requires_grad]
    for parameter in own:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in own:
            parameter.requires_grad_(True)
