"""A toy tokenizer whose results are easy to check: a token is a byte of the text, and only the first ten are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from vlmbench.models.base import TokenPacks

CONTEXT_LENGTH = 10


class ToyTokens:
    """The capabilities PrefixTextEncoder, PackedTextEncoder and TokenReader around a text encoder. Zeros are padding.

    Args:
        encode: N texts to (N, D), unit length. It reads the first ten bytes of a text only.

    Attributes:
        counted: the texts whose tokens were counted so far.
    """

    context_length = CONTEXT_LENGTH

    def __init__(self, encode: Callable[[Sequence[str]], torch.Tensor]) -> None:
        self.encode = encode
        self.counted: list[str] = []

    def tokenize(self, texts: Sequence[str]) -> torch.Tensor:
        """N texts to (N, 10) int64: each byte plus one."""
        rows = [[letter + 1 for letter in text.encode()[:CONTEXT_LENGTH]] for text in texts]
        padded = [row + [0] * (CONTEXT_LENGTH - len(row)) for row in rows]
        return torch.tensor(padded, dtype=torch.int64).reshape(len(texts), CONTEXT_LENGTH)

    def token_counts(self, texts: Sequence[str]) -> list[int]:
        """The number of bytes of each text."""
        self.counted += texts
        return [len(text.encode()) for text in texts]

    def lengths(self, tokens: torch.Tensor) -> torch.Tensor:
        """(N, L) to (N,): the number of tokens before the padding. An empty text counts as one token."""
        return (tokens > 0).sum(dim=1).clamp(min=1)

    def encode_tokens(self, tokens: torch.Tensor) -> torch.Tensor:
        """(N, l) tokens to (N, D)."""
        return self.encode([_text(row) for row in tokens.tolist()])

    def encode_packs(self, packs: TokenPacks) -> torch.Tensor:
        """Packs of M prompts to (M, D)."""
        found = []
        for row, place in zip(*(part.tolist() for part in torch.nonzero(packs.ended, as_tuple=True)), strict=True):
            seen = packs.sees[row, packs.ends[row, place]]
            found.append(_text(packs.tokens[row][seen].tolist()))
        return self.encode(found)


def _text(tokens: Sequence[int]) -> str:
    """The text of some tokens. If the cut split a character, its bytes become escapes, so no byte is lost."""
    return bytes(token - 1 for token in tokens if token).decode(errors="surrogateescape")
