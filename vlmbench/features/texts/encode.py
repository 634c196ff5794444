"""Encodes texts. The engine uses it.

Each different text is encoded once and cached. If the model allows it exactly, a common beginning is also encoded once.
"""

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
from vlmbench.features.texts.cut import Called, cut_texts, tell_of_cut
from vlmbench.features.texts.prefix_tree import Pack, collate, packs
from vlmbench.features.texts.same import TOLERANCES, groups_of_equals
from vlmbench.models.base import PackedTextEncoder, PrefixTextEncoder, VisionLanguageModel, capability
from vlmbench.records import CacheUse

BATCH = 256
"""Prompts in one batch. They are short, so a batch of prompts is larger than a batch of images."""
PACK_NODES = 128
"""Tokens in one pack. Larger packs need more work for attention, but repeat less work of the neighbouring packs."""
CPU_PACKS, ACCELERATOR_PACKS = 8, 128
"""The largest number of packs in one batch. 1,024 tokens fit into a CPU's cache: on two cores, 8 packs are 12 % faster
than 16."""


def encode_texts(
    model: VisionLanguageModel,
    texts: Sequence[str],
    *,
    precision: Precision,
    space: FeatureSpace | None,
    progress: Progress,
    batch_size: int = BATCH,
    called: Called = "text",
) -> tuple[Tensor, CacheUse]:
    """Encode every text to (N, D) float32 on the CPU, and count the texts that came from the cache.

    Repeated texts are encoded once. If the model offers :class:`PackedTextEncoder`, the beginnings that texts share are
    also encoded once. If it offers :class:`PrefixTextEncoder`, the texts are sorted by token length and each batch is
    cut to its longest text. Both are exact. Other models encode the texts as they are. A remark counts the texts that
    were cut at the model's context length, including those from the cache; ``called`` is its word for the texts.

    Raises:
        ModelError, NonFiniteFeaturesError: see :func:`~vlmbench.features.batches.checked`.
    """
    distinct = list(dict.fromkeys(texts))
    row_of = {text: row for row, text in enumerate(distinct)}
    features, notes, use = encode_distinct(
        model, distinct, precision=precision, space=space, progress=progress, batch_size=batch_size
    )
    tell_of_cut(
        notes,
        texts,
        called,
        lambda some: groups_of_equals(features[[row_of[text] for text in some]], TOLERANCES[precision]),
    )
    return features[[row_of[text] for text in texts]], use


def encode_distinct(
    model: VisionLanguageModel,
    distinct: Sequence[str],
    *,
    precision: Precision,
    space: FeatureSpace | None,
    progress: Progress,
    batch_size: int = BATCH,
) -> tuple[Tensor, dict[str, str], CacheUse]:
    """As :func:`encode_texts`, for texts that all differ, and without the remark.

    Also returns the notes on the texts that are cut, for :func:`~vlmbench.features.texts.cut.tell_of_cut`.
    """
    features = torch.empty(len(distinct), model.embedding_dim)
    keys = [content_key(text.encode()) for text in distinct] if space else []
    known = space.get_many(keys) if space else {}
    missing = [row for row in range(len(distinct)) if not known or keys[row] not in known]
    notes: dict[str, str] = {}
    for row, key in enumerate(keys):
        if key in known:
            features[row] = torch.from_numpy(known[key].vector.copy())
            if known[key].note:
                notes[distinct[row]] = known[key].note

    if missing:
        progress.start("prompts", len(missing))
        batches, cut = _encoded(model, [distinct[row] for row in missing], precision, batch_size)
        notes |= cut
        for places, encoded in batches:
            rows = [missing[place] for place in places]
            names = [distinct[row] for row in rows]
            features[rows] = checked(encoded, names, model.embedding_dim, renormalise=precision != "fp32")
            if space:
                kept = {keys[row]: cut[distinct[row]] for row in rows if distinct[row] in cut}
                space.put([keys[row] for row in rows], np.asarray(features[rows]), kept)
            progress.advance(len(rows))
    return features, notes, CacheUse(text_hits=len(distinct) - len(missing), text_misses=len(missing))


Batches = Iterator[tuple[Sequence[int], Tensor]]
"""Batches: the places of their texts, and the features."""
T = TypeVar("T")


def _encoded(
    model: VisionLanguageModel, texts: Sequence[str], precision: Precision, batch_size: int
) -> tuple[Batches, dict[str, str]]:
    """Encode distinct texts in the best way that the model offers. The order of the batches is not fixed.

    Also returns notes on the texts that are longer than the model reads.
    """
    if packed := capability(model, PackedTextEncoder):
        most = CPU_PACKS if torch.device(model.device).type == "cpu" else ACCELERATOR_PACKS
        tokens = packed.tokenize(texts)
        lengths = packed.lengths(tokens)
        batches = _encode_packed(model, packed, tokens, lengths, precision, min(batch_size, most))
        return batches, cut_texts(model, texts, lengths)
    if prefix := capability(model, PrefixTextEncoder):
        tokens = prefix.tokenize(texts)
        lengths = prefix.lengths(tokens)
        return _encode_trimmed(model, prefix, tokens, lengths, precision, batch_size), cut_texts(model, texts, lengths)
    return _encode_plain(model, texts, precision, batch_size), cut_texts(model, texts)


def _encode_plain(model: VisionLanguageModel, texts: Sequence[str], precision: Precision, batch_size: int) -> Batches:
    def encode(chosen: Sequence[int]) -> Tensor:
        return model.encode_text([texts[place] for place in chosen])

    return _in_batches(range(len(texts)), batch_size, encode, model, precision)


def _encode_trimmed(
    model: VisionLanguageModel,
    prefix: PrefixTextEncoder,
    tokens: Tensor,
    lengths: Tensor,
    precision: Precision,
    batch_size: int,
) -> Batches:
    def encode(chosen: Sequence[int]) -> Tensor:
        longest = int(lengths[chosen].max())
        return prefix.encode_tokens(tokens[chosen, :longest].to(model.device))

    return _in_batches(torch.argsort(lengths, stable=True).tolist(), batch_size, encode, model, precision)


def _encode_packed(
    model: VisionLanguageModel,
    packed: PackedTextEncoder,
    tokens: Tensor,
    lengths: Tensor,
    precision: Precision,
    batch_size: int,
) -> Batches:
    made = packs(tokens.numpy(), lengths.numpy(), PACK_NODES)

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
