"""Encodes the chosen images of a dataset once, in their order. Methods and classification call it.

The images of one pair are encoded again for each method, shots and draw. The engine's memory keeps the features of a
whole test set, so that this costs nothing but the first time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from typing import cast

import numpy as np
import torch
from torch import Tensor

from vlmbench.data.base import Chosen, ImageDataset
from vlmbench.errors import DataError, TransferError
from vlmbench.features.engine import FeatureEngine
from vlmbench.features.images.batch import ImageBatch
from vlmbench.records import BadSample
from vlmbench.transfer.views import ViewDataset
from vlmbench.wording import counted, listed


@dataclass(frozen=True)
class Encoded:
    """N images with their features.

    Attributes:
        indices: the N samples, in the order of :class:`~vlmbench.data.base.Chosen` without those that were left out.
        views: (V, N, D) float32, unit length.
        contents: the hex content hash of each sample, by its index.
        bad: the samples that were left out.
        dataset: where the samples are from.
    """

    indices: Sequence[int]
    views: Tensor
    contents: Mapping[int, str]
    bad: Sequence[BadSample]
    dataset: ImageDataset

    @property
    def features(self) -> Tensor:
        """(N, D): the first view, which is the whole image."""
        return self.views[0]

    def batches(self, size: int = 4096) -> Sequence[ImageBatch]:
        """The images again as the engine gives them."""
        return [
            ImageBatch(
                list(self.indices[start : start + size]),
                self.features[start : start + size],
                [self.contents[index] for index in self.indices[start : start + size]],
            )
            for start in range(0, len(self.indices), size)
        ]


def encoded(engine: FeatureEngine, chosen: Chosen, *, views: int = 1, all_of: str = "support") -> Encoded:
    """Encode images, or take them from the memory of an earlier call with the same model.

    Raises:
        BadSampleError: an image cannot be read, and ``--skip-bad`` is off.
        DataError: with ``--skip-bad``, an image of a support set cannot be read.
    """
    key = ("encoded", *memory_key(chosen), views)  # the value keeps the dataset, so that its id stays its own
    found = engine.memory.get(key)
    if found is None:
        found = _encode(engine, chosen, views)
        engine.memory.put(key, found, found.views.numel() * found.views.element_size())
    else:
        engine.tally.bad += [bad for bad in found.bad if bad not in engine.tally.bad]
    if len(found.indices) < len(chosen.indices) and all_of:
        there = frozenset(found.indices)
        names = [chosen.dataset.samples[index].id for index in chosen.indices if index not in there]
        raise DataError(
            f"{counted(len(names), 'image')} of the {all_of} set cannot be read: {listed(names, most=3)}",
            hint="Remove or mend them: every method must learn from the same images.",
        )
    return cast(Encoded, found)


def memory_key(chosen: Chosen) -> tuple[int, str]:
    """The part of a key of the engine's memory that says which samples of which dataset are meant."""
    return id(chosen.dataset), sha256(np.asarray(chosen.indices, dtype=np.int64).tobytes()).hexdigest()


def _encode(engine: FeatureEngine, chosen: Chosen, views: int) -> Encoded:
    dataset = ViewDataset(chosen.dataset, chosen.indices, views) if views > 1 else chosen.dataset
    wanted = range(len(chosen.indices) * views) if views > 1 else chosen.indices
    features: dict[int, Tensor] = {}
    contents: dict[int, str] = {}
    bad = len(engine.tally.bad)
    with closing(engine.images(dataset, wanted)) as batches:
        for batch in batches:
            features.update(zip(batch.indices, batch.features, strict=True))
            contents.update(zip(batch.indices, batch.contents, strict=True))
    said = engine.tally.bad[bad:]
    if views == 1:
        kept = [index for index in chosen.indices if index in features]
        rows = [features[index] for index in kept]
        stacked = torch.stack(rows)[None] if rows else torch.empty(1, 0, engine.encoders.embedding_dim)
        return Encoded(kept, stacked, {index: contents[index] for index in kept}, said, chosen.dataset)
    places = [place for place in range(len(chosen.indices)) if all(place * views + v in features for v in range(views))]
    stacked = torch.stack([torch.stack([features[place * views + view] for place in places]) for view in range(views)])
    kept = [chosen.indices[place] for place in places]
    hashes = {chosen.indices[place]: contents[place * views] for place in places}
    return Encoded(kept, stacked, hashes, said, chosen.dataset)


def labels_of(chosen: Chosen) -> Tensor:
    """(N,) int64: the class of each chosen sample.

    Raises:
        TransferError: a sample has no class, or several.
    """
    labels = [chosen.dataset.samples[index].target for index in chosen.indices]
    if not all(isinstance(label, int) for label in labels):
        raise TransferError("a transfer method needs images of one class each")
    return torch.tensor(labels, dtype=torch.int64)
