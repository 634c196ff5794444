"""Counts tokens, for tokenizers that never make more tokens than a text has bytes. Adapters offer it to the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class TextTokens:
    """A :class:`~vlmbench.models.base.TokenReader` that tokenises only texts that may be too long.

    Attributes:
        context_length: the number of tokens that the model reads, including those around a text.
        tokenize: maps N strings to (N, L) ids, cut and padded.
        uncut: maps N strings to their numbers of tokens before the cut, including those around each text.
    """

    context_length: int
    tokenize: Callable[[Sequence[str]], Tensor]
    uncut: Callable[[Sequence[str]], Iterable[int]]

    def token_counts(self, texts: Sequence[str]) -> list[int]:
        """See :class:`~vlmbench.models.base.TokenReader`."""
        counts = [self._most(text) for text in texts]
        unsure = [place for place, most in enumerate(counts) if most > self.context_length]
        for place, count in zip(unsure, self.uncut([texts[place] for place in unsure]), strict=True):
            counts[place] = count
        return counts

    def _most(self, text: str) -> int:
        """An upper bound: a token covers at least one byte, and sentencepiece adds a blank before a text.

        Normalisation can lengthen characters outside ASCII, and an HTML entity, which begins with ``&``. The bound of
        such texts is above the context length, so that they are tokenised.
        """
        return len(text) + self._around if text.isascii() and "&" not in text else self.context_length + 1

    @cached_property
    def _around(self) -> int:
        (empty,) = self.uncut([""])
        return empty + 1


def library_counts(tokenizer: Any, texts: Sequence[str], **options: Any) -> list[int]:
    """Count the tokens of texts before the cut, with a tokenizer of the transformers library.

    Args:
        options: further arguments of the tokenizer's call.
    """
    if not texts:
        return []
    ids = tokenizer(list(texts), truncation=False, padding=False, verbose=False, **options)["input_ids"]
    return [len(row) for row in ids]
