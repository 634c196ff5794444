"""The cache's limit, held while a run writes."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np
import pytest

from vlmbench.errors import VlmbenchWarning
from vlmbench.features.cache.files import spaces, total_bytes
from vlmbench.features.cache.space import FeatureSpace, content_key

DIM = 256
LIMIT = 16 * 2**20
ROWS = 8000
"""About a half of the limit: a row is 1,024 bytes and what goes with it."""


def keys(start: int, count: int = ROWS) -> list[bytes]:
    return [content_key(str(number).encode()) for number in range(start, start + count)]


def fill(space: FeatureSpace, start: int, count: int = ROWS) -> int:
    """Put rows in batches; returns the largest size the folder had on the way."""
    largest = 0
    values = np.random.default_rng(start).normal(size=(50, DIM)).astype(np.float32)
    for first in range(start, start + count, 50):
        space.put(keys(first, 50), values)
        largest = max(largest, total_bytes(space.path.parent))
    return largest


def open_space(folder: Path, model: str = "m", limit: int | None = LIMIT) -> FeatureSpace:
    return FeatureSpace(folder, {"model": model}, DIM, limit=limit)


def test_a_dataset_above_the_limit_keeps_its_beginning_with_one_warning(tmp_path: Path) -> None:
    space = open_space(tmp_path)
    with pytest.warns(VlmbenchWarning, match="at its limit; VLMBENCH_CACHE_GIB") as said:
        assert fill(space, 0, 4 * ROWS) <= LIMIT
    assert len(said) == 1 and space.usable
    kept = len(space.get_many(keys(0, 4 * ROWS)))
    assert kept >= 0.5 * LIMIT / (4 * DIM) and len(space.get_many(keys(0, kept))) == kept
    space.close()
    again = open_space(tmp_path)
    assert len(again.get_many(keys(0, 4 * ROWS))) == kept  # a scan in the same order is served what it kept
    with pytest.warns(VlmbenchWarning, match="at its limit"):
        assert fill(again, kept, 2 * ROWS) <= LIMIT
    assert len(again.get_many(keys(0, kept))) == kept


def test_other_spaces_go_first_the_oldest_before_the_others(tmp_path: Path) -> None:
    for index, name in enumerate(("oldest", "old")):
        other = open_space(tmp_path, name)
        fill(other, 0, ROWS // 2)
        other.close()
        os.utime(other.path, (index, index))
    space = open_space(tmp_path)
    assert fill(space, 0, ROWS // 2) <= LIMIT
    assert {info.description["model"] for info in spaces(tmp_path)} == {"old", "m"}
    assert space.writable and len(space.get_many(keys(0))) == ROWS // 2


def test_rows_of_earlier_runs_give_way_but_none_that_this_run_was_served(tmp_path: Path) -> None:
    first = open_space(tmp_path)
    fill(first, 0, ROWS)
    first.close()
    second = open_space(tmp_path)
    served = keys(0, 200)
    assert len(second.get_many(served)) == 200
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fill(second, 500_000, ROWS) <= LIMIT
    assert len(second.get_many(keys(500_000))) == ROWS
    assert len(second.get_many(served)) == 200
    left = len(second.get_many(keys(200, ROWS - 200)))
    assert left < ROWS - 200  # the oldest of the rest went
    assert second.get(keys(200, 1)[0]) is None and second.get(keys(ROWS - 1, 1)[0]) is not None


def test_what_another_run_has_open_stays_and_its_numbers_are_right(tmp_path: Path) -> None:
    other = open_space(tmp_path, "other")
    fill(other, 0, ROWS)
    before = other.get_many(keys(0))
    space = open_space(tmp_path)
    with pytest.warns(VlmbenchWarning, match="at its limit"):
        assert fill(space, 0, 4 * ROWS) <= LIMIT
    after = other.get_many(keys(0))
    assert len(after) == ROWS and all(np.array_equal(after[key].vector, before[key].vector) for key in before)


def test_without_a_limit_nothing_is_dropped(tmp_path: Path) -> None:
    space = open_space(tmp_path, limit=None)
    assert fill(space, 0, 3 * ROWS) > LIMIT and len(space.get_many(keys(0, 3 * ROWS))) == 3 * ROWS
