"""Encodes texts to several vectors each, a part at a time, so that memory stays bounded. The engine uses it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vlmbench.features.cache.space import FeatureSpace
from vlmbench.features.precision import Precision
from vlmbench.features.progress import Progress
from vlmbench.features.texts.cut import Called, tell_of_cut
from vlmbench.features.texts.encode import encode_distinct
from vlmbench.features.texts.same import groups_of_same_tokens
from vlmbench.features.vectors.flat import FlatVectors, separate
from vlmbench.features.vectors.store import Floats, kept_array
from vlmbench.models.base import TokenReader, capability
from vlmbench.records import CacheUse

PART_VALUES = 2**23
"""The number of values of the texts that are encoded at once: 32 MiB."""


@dataclass(frozen=True)
class TextVectors:
    """The vectors of N texts, of which R are different.

    Attributes:
        vectors: (R, L, D), unit length or zeros. Perhaps in a temporary file.
        rows: (N,) int64, which of the R each text is.
    """

    vectors: Floats
    rows: Tensor


def encode_text_vectors(
    model: FlatVectors,
    texts: Sequence[str],
    vectors: int,
    *,
    precision: Precision,
    space: FeatureSpace | None,
    progress: Progress,
    called: Called,
) -> tuple[TextVectors, CacheUse]:
    """Encode each different text once. A remark counts the texts that were cut.

    Args:
        model: the model's text encoder.
        vectors: L.

    Raises:
        ModelError, NonFiniteFeaturesError: see :func:`~vlmbench.features.batches.checked` and
            :func:`~vlmbench.features.vectors.flat.separate`.
    """
    distinct = list(dict.fromkeys(texts))
    row_of = {text: row for row, text in enumerate(distinct)}
    kept = kept_array((len(distinct), vectors, model.embedding_dim // vectors))
    notes: dict[str, str] = {}
    hits = misses = 0
    size = max(1, PART_VALUES // model.embedding_dim)
    for start in range(0, len(distinct), size):
        part = distinct[start : start + size]
        rows, cut, use = encode_distinct(model, part, precision=precision, space=space, progress=progress)
        kept[start : start + size] = separate(rows, vectors, part).numpy()
        notes |= cut
        hits, misses = hits + use.text_hits, misses + use.text_misses
    reader = capability(model, TokenReader)
    tell_of_cut(notes, texts, called, lambda some: groups_of_same_tokens(reader.tokenize(some)) if reader else [])
    rows_of = torch.tensor([row_of[text] for text in texts], dtype=torch.int64)
    return TextVectors(kept, rows_of), CacheUse(text_hits=hits, text_misses=misses)
