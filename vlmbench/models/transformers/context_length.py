"""Finds the number of tokens after which a transformers model cuts texts. The families use it."""

from __future__ import annotations

from typing import Any

from vlmbench.errors import ModelError

NO_LIMIT = 100_000
"""A larger limit means no limit: transformers writes 10^30 tokens for a tokenizer without a limit."""
_PADDED_POSITIONS = frozenset(
    {"roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "roberta-prelayernorm", "data2vec-text", "xmod", "mpnet"}
)
"""Text towers that number positions from the id of their padding, so that their first positions are never used."""


def positions(config: Any, tokenizer: Any) -> int:
    """The number of positions in the configuration of the text tower."""
    return int(config.text_config.max_position_embeddings)


def fewest(config: Any, tokenizer: Any) -> int:
    """The smaller of the tokenizer's limit and the number of usable positions in the text tower.

    Raises:
        ModelError: neither of them is stated.
    """
    text = getattr(config, "text_config", None) or config
    count = getattr(text, "max_position_embeddings", None)
    padded = getattr(text, "model_type", "") in _PADDED_POSITIONS
    reserved = 1 + (getattr(text, "pad_token_id", None) or 0) if padded else 0
    limits = [int(tokenizer.model_max_length)] if tokenizer.model_max_length < NO_LIMIT else []
    if count is not None and int(count) > reserved:
        limits.append(int(count) - reserved)
    if not limits:
        raise ModelError(
            "neither the tokenizer (model_max_length) nor the configuration of the text tower "
            "(max_position_embeddings) states how many tokens of a text the model reads",
            hint="Write model_max_length into tokenizer_config.json.",
        )
    return min(limits)
