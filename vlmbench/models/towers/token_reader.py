"""How many tokens a text has, of tokenizers that never make more tokens than a text has bytes."""

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
        context_length: tokens that the model reads, those around a text included.
        tokenize: N strings to (N, L) ids, cut and padded.
        uncut: N strings to the number of tokens that each has without being cut, those around it included.
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
        """A bound: a token stands for at least one byte, and sentencepiece puts a blank before a text.

        Normalising makes some other signs longer, and so does ``&`` where it begins the name of a sign, as in HTML.
        """
        return len(text) + self._around if text.isascii() and "&" not in text else self.context_length + 1

    @cached_property
    def _around(self) -> int:
        (empty,) = self.uncut([""])
        return empty + 1


def library_counts(tokenizer: Any, texts: Sequence[str], **options: Any) -> list[int]:
    """What a tokenizer of the transformers library makes of texts without cutting them, in tokens.

    Args:
        options: of its call.
    """
    if not texts:
        return []
    ids = tokenizer(list(texts), truncation=False, padding=False, verbose=False, **options)["input_ids"]
    return [len(row) for row in ids]
