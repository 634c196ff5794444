"""Prompts to features: each text once, sorted by length and trimmed where that is exact, cached."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from vlmbench.features.batches import checked, encode_halving
from vlmbench.features.cache import FeatureSpace, content_key
from vlmbench.features.precision import Precision, inference
from vlmbench.features.progress import Progress
from vlmbench.models.base import PrefixTextEncoder, VisionLanguageModel, capability
from vlmbench.records import CacheUse

BATCH = 256
"""Prompts a batch. They are short: the batch that fills a processor is larger than that of images."""


def encode_texts(
    model: VisionLanguageModel,
    texts: Sequence[str],
    *,
    precision: Precision,
    space: FeatureSpace | None,
    progress: Progress,
    batch_size: int = BATCH,
) -> tuple[Tensor, CacheUse]:
    """Features of every text, (N, D) float32 on the CPU, and how many came from the cache.

    Repeated texts are encoded once. Where the model offers :class:`PrefixTextEncoder` the distinct texts are sorted by
    token length and each batch is cut to its longest, which is exact; else they go through the plain path.

    Raises:
        ModelError, NonFiniteFeaturesError: see :func:`~vlmbench.features.batches.checked`.
    """
    distinct = list(dict.fromkeys(texts))
    row_of = {text: row for row, text in enumerate(distinct)}
    features = torch.empty(len(distinct), model.embedding_dim)
    missing: list[int] = []
    for row, text in enumerate(distinct):
        known = space.get(content_key(text.encode())) if space else None
        if known is None:
            missing.append(row)
        else:
            features[row] = torch.from_numpy(known.copy())

    if missing:
        progress.start("prompts", len(missing))
    for rows, encode in _batches(model, distinct, missing, batch_size):
        with inference(model.device, precision):
            encoded = encode_halving(encode, rows)
        names = [distinct[row] for row in rows]
        features[rows] = checked(encoded, names, model.embedding_dim, renormalise=precision != "fp32")
        if space:
            space.put([content_key(name.encode()) for name in names], np.asarray(features[rows]))
        progress.advance(len(rows))
    use = CacheUse(text_hits=len(distinct) - len(missing), text_misses=len(missing))
    return features[[row_of[text] for text in texts]], use


Encode = Callable[[Sequence[int]], Tensor]


def _batches(
    model: VisionLanguageModel, texts: Sequence[str], rows: list[int], batch_size: int
) -> Iterator[tuple[list[int], Encode]]:
    """Rows in batches, each with the function that encodes them."""
    prefix = capability(model, PrefixTextEncoder)
    if prefix is None:

        def encode_plain(chosen: Sequence[int]) -> Tensor:
            return model.encode_text([texts[row] for row in chosen])

        for start in range(0, len(rows), batch_size):
            yield rows[start : start + batch_size], encode_plain
        return

    if not rows:
        return
    tokens = prefix.tokenize([texts[row] for row in rows])
    lengths = prefix.lengths(tokens)
    place = {row: index for index, row in enumerate(rows)}
    encode_tokens = prefix.encode_tokens

    def encode_trimmed(chosen: Sequence[int]) -> Tensor:
        places = [place[row] for row in chosen]
        longest = int(lengths[places].max())
        return encode_tokens(tokens[places, :longest].to(model.device))

    order = torch.argsort(lengths, stable=True).tolist()
    for start in range(0, len(order), batch_size):
        yield [rows[index] for index in order[start : start + batch_size]], encode_trimmed
