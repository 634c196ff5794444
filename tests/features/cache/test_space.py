"""The feature cache: never the cause of a wrong number."""

from __future__ import annotations

import os
import sqlite3
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest

from vlmbench.errors import VlmbenchWarning
from vlmbench.features.cache.space import FeatureSpace, content_key

KEYS = [content_key(text) for text in (b"a", b"b", b"c")]
VECTORS = np.arange(12, dtype=np.float32).reshape(3, 4)


def open_space(root: Path, **description: object) -> FeatureSpace:
    return FeatureSpace(root / "features", {"model": "m", **description}, 4)


def test_what_is_put_comes_back_and_outlives_the_space(tmp_path: Path) -> None:
    space = open_space(tmp_path)
    assert space.get(KEYS[0]) is None
    space.put(KEYS, VECTORS)
    space.close()
    again = open_space(tmp_path)
    for key, vector in zip(KEYS, VECTORS, strict=True):
        found = again.get(key)
        assert found is not None
        np.testing.assert_array_equal(found.vector, vector)


def test_another_description_is_another_space(tmp_path: Path) -> None:
    space = open_space(tmp_path, precision="fp32")
    space.put(KEYS, VECTORS)
    space.close()
    assert open_space(tmp_path, precision="bf16").get(KEYS[0]) is None


def test_a_damaged_row_is_missed_with_a_warning(tmp_path: Path) -> None:
    space = open_space(tmp_path)
    space.put(KEYS, VECTORS)
    space.close()
    with sqlite3.connect(space.path) as connection:
        connection.execute("UPDATE vectors SET value = ? WHERE key = ?", (b"\1" * 16, KEYS[1]))
    again = open_space(tmp_path)
    with pytest.warns(VlmbenchWarning, match="failed the check"):
        assert again.get(KEYS[1]) is None
    assert again.get(KEYS[0]) is not None


def test_many_keys_at_once_are_those_held_and_sound(tmp_path: Path) -> None:
    space = FeatureSpace(tmp_path, {}, 2)
    keys = [content_key(str(number).encode()) for number in range(2500)]  # more than a query takes
    vectors = np.random.default_rng(0).normal(size=(2500, 2)).astype(np.float32)
    space.put(keys[:2400], vectors[:2400])
    with sqlite3.connect(space.path) as connection:
        connection.execute("UPDATE vectors SET value = ? WHERE key = ?", (b"\1" * 8, keys[7]))
    with pytest.warns(VlmbenchWarning, match="failed the check"):
        found = space.get_many(keys)
    assert set(found) == set(keys[:2400]) - {keys[7]}
    for row, key in enumerate(keys[:2400]):
        if key in found:
            np.testing.assert_array_equal(found[key].vector, vectors[row])
    assert space.get_many([]) == {}


def test_a_vector_under_another_key_is_missed(tmp_path: Path) -> None:
    space = open_space(tmp_path)
    space.put(KEYS[:1], VECTORS[:1])
    space.close()
    with sqlite3.connect(space.path) as connection:
        connection.execute("UPDATE vectors SET key = ?", (KEYS[2],))
    with pytest.warns(VlmbenchWarning, match="failed the check"):
        assert open_space(tmp_path).get(KEYS[2]) is None


def test_a_file_that_is_no_database_is_made_anew(tmp_path: Path) -> None:
    first = open_space(tmp_path)
    first.close()
    first.path.write_bytes(b"this is no database" * 100)
    with pytest.warns(VlmbenchWarning, match="was broken"):
        space = open_space(tmp_path)
    assert space.get(KEYS[0]) is None
    space.put(KEYS, VECTORS)
    assert space.get(KEYS[0]) is not None


def test_a_cache_that_cannot_be_written_only_warns(tmp_path: Path) -> None:
    (tmp_path / "features").touch()
    with pytest.warns(VlmbenchWarning, match="features of this run are not kept"):
        space = open_space(tmp_path)
    space.put(KEYS, VECTORS)
    assert space.get(KEYS[0]) is None


def test_two_spaces_on_one_file_and_reads_from_threads(tmp_path: Path) -> None:
    first, second = open_space(tmp_path), open_space(tmp_path)
    first.put(KEYS[:2], VECTORS[:2])
    second.put(KEYS[1:], VECTORS[1:])
    found: list[object] = []
    threads = [threading.Thread(target=lambda key=key: found.append(first.get(key))) for key in KEYS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3 and all(vector is not None for vector in found)


def test_two_writers_do_not_wait_for_each_other(tmp_path: Path) -> None:
    first, second = open_space(tmp_path), open_space(tmp_path)
    for row in range(3):  # neither is closed in between, as in two runs that take hours
        first.put(KEYS[row : row + 1], VECTORS[row : row + 1])
        second.put(KEYS[row : row + 1], VECTORS[row : row + 1])
    assert first.usable and second.usable


def test_what_was_put_survives_a_process_that_never_closes(tmp_path: Path) -> None:
    space = open_space(tmp_path)
    space.put(KEYS[:1], VECTORS[:1])
    assert open_space(tmp_path).get(KEYS[0]) is not None


def test_runs_that_open_a_new_space_together_all_get_it(tmp_path: Path) -> None:
    opened: list[FeatureSpace] = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        threads = [threading.Thread(target=lambda: opened.append(open_space(tmp_path))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(opened) == 8 and all(space.usable for space in opened)


def test_a_read_after_close_is_a_miss_and_harms_nothing(tmp_path: Path) -> None:
    space = open_space(tmp_path)
    space.put(KEYS, VECTORS)
    space.close()
    assert space.get(KEYS[0]) is None
    assert open_space(tmp_path).get(KEYS[0]) is not None


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts open files as Linux shows them")
def test_threads_that_come_and_go_leave_no_files_open(tmp_path: Path) -> None:
    """A run asks one space from a new pool of threads for every task."""
    space = open_space(tmp_path)
    space.put(KEYS, VECTORS)
    open_files = []
    for _ in range(20):
        thread = threading.Thread(target=space.get, args=(KEYS[0],))
        thread.start()
        thread.join()
        open_files.append(len(os.listdir("/proc/self/fd")))
    assert open_files[-1] == open_files[0]


def test_closing_while_threads_read_is_a_miss_at_worst(tmp_path: Path) -> None:
    failed: list[BaseException] = []
    for _ in range(10):
        space = open_space(tmp_path)
        space.put(KEYS, VECTORS)

        def read(space: FeatureSpace = space) -> None:
            try:
                for _ in range(50):
                    space.get_many(KEYS)
            except BaseException as error:
                failed.append(error)

        threads = [threading.Thread(target=read) for _ in range(4)]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for thread in threads:
                thread.start()
            space.close()
            for thread in threads:
                thread.join()
    assert not failed
