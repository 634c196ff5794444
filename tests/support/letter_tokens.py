"""A tokenizer that a reader can check by eye: a token is a byte, and ten are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from vlmbench.models.base import TokenPacks

LENGTH = 10


class Letters:
    """A text tower behind a tokenizer of bytes: the first ten are read. Zeros follow the text."""

    context_length = LENGTH

    def __init__(self, encode: Callable[[Sequence[str]], torch.Tensor]) -> None:
        self.encode, self.counted = encode, list[str]()

    def tokenize(self, texts: Sequence[str]) -> torch.Tensor:
        rows = [[letter + 1 for letter in text.encode()[:LENGTH]] for text in texts]
        return torch.tensor([row + [0] * (LENGTH - len(row)) for row in rows]).reshape(len(texts), LENGTH)

    def token_counts(self, texts: Sequence[str]) -> list[int]:
        self.counted += texts
        return [len(text.encode()) for text in texts]

    def lengths(self, tokens: torch.Tensor) -> torch.Tensor:
        return (tokens > 0).sum(dim=1)

    def encode_tokens(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.encode([bytes(token - 1 for token in row if token).decode() for row in tokens.tolist()])

    def encode_packs(self, packs: TokenPacks) -> torch.Tensor:
        found = []
        for row, place in zip(*(part.tolist() for part in torch.nonzero(packs.ended, as_tuple=True)), strict=True):
            seen = packs.sees[row, packs.ends[row, place]]
            found.append(bytes(token - 1 for token in packs.tokens[row][seen].tolist()).decode())
        return self.encode(found)
