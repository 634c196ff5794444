"""Prompts to features: each text once, what prompts share once where that is exact, cached."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from vlmbench.features.batches import checked, encode_halving
from vlmbench.features.cache.space import FeatureSpace, content_key
from vlmbench.features.precision import Precision, forward_pass
from vlmbench.features.progress import Progress
from vlmbench.features.texts.prefix_tree import Pack, collate, packs
from vlmbench.models.base import PackedTextEncoder, PrefixTextEncoder, VisionLanguageModel, capability
from vlmbench.records import CacheUse

BATCH = 256
"""Prompts a batch. They are short: the batch that fills a processor is larger than that of images."""
PACK_NODES = 128
"""Tokens a pack. Attention's work grows with it, and what neighbouring packs compute twice shrinks."""
CPU_PACKS, ACCELERATOR_PACKS = 8, 128
"""Packs a batch where it is not smaller by request. 1,024 tokens fit a processor's cache: on two cores 8 packs are 12 %
faster than 16."""


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

    Repeated texts are encoded once. Of a model that offers :class:`PackedTextEncoder` so are the beginnings that texts
    share; where it offers :class:`PrefixTextEncoder` the texts are sorted by token length and each batch is cut to its
    longest. Both are exact. Else texts go through the plain path.

    Raises:
        ModelError, NonFiniteFeaturesError: see :func:`~vlmbench.features.batches.checked`.
    """
    distinct = list(dict.fromkeys(texts))
    row_of = {text: row for row, text in enumerate(distinct)}
    features = torch.empty(len(distinct), model.embedding_dim)
    keys = [content_key(text.encode()) for text in distinct] if space else []
    known = space.get_many(keys) if space else {}
    missing = [row for row in range(len(distinct)) if not known or keys[row] not in known]
    for row, key in enumerate(keys):
        if key in known:
            features[row] = torch.from_numpy(known[key].vector.copy())

    if missing:
        progress.start("prompts", len(missing))
        for places, encoded in _encoded(model, [distinct[row] for row in missing], precision, batch_size):
            rows = [missing[place] for place in places]
            names = [distinct[row] for row in rows]
            features[rows] = checked(encoded, names, model.embedding_dim, renormalise=precision != "fp32")
            if space:
                space.put([keys[row] for row in rows], np.asarray(features[rows]))
            progress.advance(len(rows))
    use = CacheUse(text_hits=len(distinct) - len(missing), text_misses=len(missing))
    return features[[row_of[text] for text in texts]], use


Batches = Iterator[tuple[Sequence[int], Tensor]]
"""Which texts, and their features."""
T = TypeVar("T")


def _encoded(model: VisionLanguageModel, texts: Sequence[str], precision: Precision, batch_size: int) -> Batches:
    """Distinct texts, encoded in the best way that the model offers, in batches of no particular order."""
    if packed := capability(model, PackedTextEncoder):
        most = CPU_PACKS if torch.device(model.device).type == "cpu" else ACCELERATOR_PACKS
        return _encode_packed(model, packed, texts, precision, min(batch_size, most))
    if prefix := capability(model, PrefixTextEncoder):
        return _encode_trimmed(model, prefix, texts, precision, batch_size)
    return _encode_plain(model, texts, precision, batch_size)


def _encode_plain(model: VisionLanguageModel, texts: Sequence[str], precision: Precision, batch_size: int) -> Batches:
    def encode(chosen: Sequence[int]) -> Tensor:
        return model.encode_text([texts[place] for place in chosen])

    return _in_batches(range(len(texts)), batch_size, encode, model, precision)


def _encode_trimmed(
    model: VisionLanguageModel, prefix: PrefixTextEncoder, texts: Sequence[str], precision: Precision, batch_size: int
) -> Batches:
    tokens = prefix.tokenize(texts)
    lengths = prefix.lengths(tokens)

    def encode(chosen: Sequence[int]) -> Tensor:
        longest = int(lengths[chosen].max())
        return prefix.encode_tokens(tokens[chosen, :longest].to(model.device))

    return _in_batches(torch.argsort(lengths, stable=True).tolist(), batch_size, encode, model, precision)


def _encode_packed(
    model: VisionLanguageModel, packed: PackedTextEncoder, texts: Sequence[str], precision: Precision, batch_size: int
) -> Batches:
    tokens = packed.tokenize(texts)
    made = packs(tokens.numpy(), packed.lengths(tokens).numpy(), PACK_NODES)

    def encode(chosen: Sequence[Pack]) -> Tensor:
        return packed.encode_packs(collate(chosen, torch.device(model.device)))

    for chosen, encoded in _in_batches(made, batch_size, encode, model, precision):
        yield [place for pack in chosen for place in pack.rows], encoded


def _in_batches(
    items: Iterable[T],
    batch_size: int,
    encode: Callable[[Sequence[T]], Tensor],
    model: VisionLanguageModel,
    precision: Precision,
) -> Iterator[tuple[list[T], Tensor]]:
    waiting = iter(items)
    while chosen := list(islice(waiting, batch_size)):
        with forward_pass(torch.device(model.device), precision):
            encoded = encode_halving(encode, chosen)
        yield chosen, encoded
