"""Computes text features with a sentence encoder: the mean over all tokens except the padding. ConSE uses it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from vlmbench.models.towers.padding import unpadded_lengths
from vlmbench.models.towers.token_reader import library_counts


class MaskedTextEncoder:
    """A sentence encoder as a ``PrefixTextEncoder``. It masks padding everywhere, so cutting it off is exact.

    Args:
        network: a transformers encoder that returns ``last_hidden_state``.
        tokenizer: its tokenizer, which must pad on the right.
        max_length: the number of tokens after which texts are cut off.
    """

    def __init__(self, network: Any, tokenizer: Any, max_length: int) -> None:
        self._network = network
        self._tokenizer = tokenizer
        self._max_length = max_length
        self._pad_id = int(tokenizer.pad_token_id)

    def tokenize(self, texts: Sequence[str]) -> Tensor:
        if not texts:
            return torch.zeros(0, 1, dtype=torch.long)
        batch = self._tokenizer(
            list(texts), padding="longest", truncation=True, max_length=self._max_length, return_tensors="pt"
        )
        return cast(Tensor, batch["input_ids"])

    def token_counts(self, texts: Sequence[str]) -> list[int]:
        """Count the tokens of each text before the cut, including its start and its end."""
        return library_counts(self._tokenizer, texts)

    def lengths(self, tokens: Tensor) -> Tensor:
        return unpadded_lengths(tokens, self._pad_id)

    def encode_tokens(self, tokens: Tensor) -> Tensor:
        mask = torch.arange(tokens.shape[1], device=tokens.device) < self.lengths(tokens).unsqueeze(1)
        hidden = self._network(input_ids=tokens, attention_mask=mask.long()).last_hidden_state
        weights = mask.unsqueeze(-1).to(hidden.dtype)
        return F.normalize((hidden * weights).sum(dim=1) / weights.sum(dim=1), dim=-1)
