"""Takes features out of one cache and puts them into another. Workers on several machines use it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from vlmbench.features.cache.space import FeatureSpace, Vector

_ROWS_AT_ONCE = 4096


@dataclass(frozen=True)
class FeatureRows:
    """Features that one worker computed, for workers that have another cache.

    Attributes:
        keys: the N contents.
        vectors: (N, D) float32.
        notes: what the user must be told about some of them.
    """

    keys: Sequence[bytes] = ()
    vectors: Vector = field(default_factory=lambda: np.empty((0, 0), dtype=np.float32))
    notes: Mapping[bytes, str] = field(default_factory=dict)


def rows_of_space(space: FeatureSpace, keys: Sequence[bytes]) -> FeatureRows:
    """The features that a cache has under these keys."""
    found = space.get_many(keys)
    there = [key for key in dict.fromkeys(keys) if key in found]
    vectors = np.stack([found[key].vector for key in there]) if there else np.empty((0, 0), dtype=np.float32)
    return FeatureRows(there, vectors, {key: found[key].note for key in there if found[key].note})


def keep_rows(space: FeatureSpace | None, rows: FeatureRows) -> None:
    """Put features that another worker computed into a cache. What the cache has stays.

    Args:
        space: the cache; None: there is no cache, and nothing happens.
    """
    if space is None:
        return
    for start in range(0, len(rows.keys), _ROWS_AT_ONCE):
        keys = rows.keys[start : start + _ROWS_AT_ONCE]
        known = space.get_many(keys)
        new = [place for place, key in enumerate(keys) if key not in known]
        if new:
            space.put([keys[place] for place in new], rows.vectors[start : start + len(keys)][new], rows.notes)
