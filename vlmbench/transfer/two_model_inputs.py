"""Reads images as their features in two models, side by side. Methods that learn on another model's features use it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from vlmbench.data.base import Chosen
from vlmbench.features.engine import FeatureEngine
from vlmbench.features.images.batch import ImageBatch
from vlmbench.transfer.encoded import encoded

_AT_ONCE = 4096


def two_model_batches(engine: FeatureEngine, chosen: Chosen, settings: Mapping[str, Any]) -> Iterable[ImageBatch]:
    """(B, D + E): the model's own feature, then that of the model that the setting ``other`` names.

    Images that one of the two models cannot take are left out.
    """
    own, other = encoded(engine, chosen, all_of=""), encoded(engine.other(settings["other"]), chosen, all_of="")
    there = {index: row for row, index in enumerate(other.indices)}
    known = {bad.id for bad in engine.tally.bad}
    engine.tally.bad += [bad for bad in other.bad if bad.id not in known]
    rows = [(row, there[index]) for row, index in enumerate(own.indices) if index in there]
    for start in range(0, len(rows), _AT_ONCE):
        first, second = map(list, zip(*rows[start : start + _AT_ONCE], strict=True))
        indices = [own.indices[row] for row in first]
        features = torch.cat([own.features[first], other.features[second]], dim=1)
        yield ImageBatch(indices, features, [own.contents[index] for index in indices])


def two_model_views(engine: FeatureEngine, chosen: Chosen, other: str, *, views: int = 1) -> Tensor:
    """(V, N, D + E): V views of each of N support images.

    Raises:
        DataError: with ``--skip-bad``, an image cannot be read.
    """
    both = [encoded(each, chosen, views=views).views for each in (engine, engine.other(other))]
    return torch.cat(both, dim=-1)
