"""The cache's folder: what is listed, what is evicted, and what is left because somebody uses it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from vlmbench.features.cache import files as cache_files
from vlmbench.features.cache.files import Usage, clear, evict, features_folder, spaces
from vlmbench.features.cache.lock import hold, hold_alone
from vlmbench.features.cache.space import FeatureSpace, content_key

KEYS = [content_key(text) for text in (b"a", b"b", b"c")]
VECTORS = np.arange(12, dtype=np.float32).reshape(3, 4)


def keep(root: Path, model: str, *, used: float | None = None) -> Path:
    """A space of three vectors that was closed again."""
    space = FeatureSpace(features_folder(root), {"model": model}, 4)
    space.put(KEYS, VECTORS)
    space.close()
    if used is not None:
        os.utime(space.path, (used, used))
    return space.path


def test_what_is_held_is_listed_and_the_oldest_is_evicted_first(tmp_path: Path) -> None:
    for index, name in enumerate(("old", "middle", "new")):
        keep(tmp_path, name, used=index)
    folder = features_folder(tmp_path)
    held = spaces(folder)
    assert [(space.description["model"], space.vectors) for space in held] == [("new", 3), ("middle", 3), ("old", 3)]
    oldest = held[-1]
    assert evict(held[0].size + held[1].size, folder) == oldest.size and not oldest.path.exists()
    assert evict(held[0].size, folder) == held[1].size
    assert sorted(path.name for path in folder.iterdir()) == [held[0].path.name, f"{held[0].path.name}.lock"]
    assert clear(tmp_path).freed > 0 and list(folder.iterdir()) == []


def test_what_a_run_has_open_is_neither_evicted_nor_cleared(tmp_path: Path) -> None:
    space = FeatureSpace(features_folder(tmp_path), {"model": "m"}, 4)
    space.put(KEYS, VECTORS)
    assert evict(0, features_folder(tmp_path)) == 0
    cleared = clear(tmp_path)
    assert (cleared.freed, cleared.in_use) == (0, 1)
    assert space.get(KEYS[0]) is not None
    space.close()
    assert clear(tmp_path).in_use == 0 and not space.path.exists()


def test_a_process_that_was_killed_holds_nothing(tmp_path: Path) -> None:
    path = keep(tmp_path, "m")
    code = (
        "import os, sys; from pathlib import Path; from vlmbench.features.cache.lock import hold\n"
        "lock = hold(Path(sys.argv[1])); print('held', flush=True); os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=60)
    assert killed.stdout == "held\n" and killed.returncode == -9
    assert evict(0, features_folder(tmp_path)) > 0


def test_a_lock_whose_file_was_removed_meanwhile_is_taken_anew(tmp_path: Path) -> None:
    space = tmp_path / "s.sqlite"
    alone = hold_alone(space)
    assert alone is not None and hold_alone(space) is None
    alone.release(remove=True)
    first, second = hold(space), hold(space)
    assert hold_alone(space) is None
    first.release()
    assert hold_alone(space) is None
    second.release()
    assert hold_alone(space) is not None


def test_evictions_at_the_same_time_do_not_trip_over_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        keep(tmp_path, name)
    real = cache_files.hold_alone

    def raced(path: Path) -> object:
        path.unlink()  # the other run was faster
        return real(path)

    monkeypatch.setattr(cache_files, "hold_alone", raced)
    assert evict(0, features_folder(tmp_path)) == 0
    assert spaces(features_folder(tmp_path)) == []


def test_clearing_forgets_datasets_too_unless_a_choice_is_made(tmp_path: Path) -> None:
    (tmp_path / "fingerprints").mkdir()
    (tmp_path / "fingerprints" / "key").write_text("f" * 64)
    assert clear(tmp_path, model="*").freed == 0
    assert clear(tmp_path).freed == 64 and not (tmp_path / "fingerprints" / "key").exists()


def test_clearing_by_model_and_by_age(tmp_path: Path) -> None:
    now = time.time()
    keep(tmp_path, "clip-a", used=now - 10 * 86400)
    keep(tmp_path, "clip-b", used=now)
    keep(tmp_path, "siglip", used=now - 10 * 86400)
    assert clear(tmp_path, model="clip-*", unused_days=5).freed > 0
    assert {space.description["model"] for space in spaces(features_folder(tmp_path))} == {"clip-b", "siglip"}
    clear(tmp_path, model="clip-*")
    assert [space.description["model"] for space in spaces(features_folder(tmp_path))] == ["siglip"]


def test_usage_adds_up_over_runs(tmp_path: Path) -> None:
    for _ in range(2):
        space = FeatureSpace(features_folder(tmp_path), {"model": "m"}, 4)
        space.count(encoded=10, seconds=5.0, hits=0)
        space.count(encoded=0, seconds=99.0, hits=30)  # the seconds of a pair that encoded nothing are no pace
        space.close()
    (info,) = spaces(features_folder(tmp_path))
    assert info.usage == Usage(encoded=20, seconds=10.0, hits=60) and info.usage.saved_seconds == 30.0
    assert Usage(hits=5).saved_seconds == 0.0


def test_files_of_other_versions_and_broken_ones_are_listed_not_tripped_over(tmp_path: Path) -> None:
    folder = features_folder(tmp_path)
    older = keep(tmp_path, "older")
    with sqlite3.connect(older) as connection:
        connection.execute("DROP TABLE usage")
    newer = keep(tmp_path, "newer")
    with sqlite3.connect(newer) as connection:
        connection.execute("ALTER TABLE usage ADD COLUMN watts REAL")
        connection.execute("ALTER TABLE vectors ADD COLUMN codec TEXT")
        connection.execute("UPDATE usage SET seconds = 'many'")
    (folder / "broken.sqlite").write_bytes(b"no database" * 99)
    (folder / "empty.sqlite").touch()
    held = {str(space.description["model"]): space for space in spaces(folder)}
    assert set(held) == {"older", "newer", "(unreadable)"} and held["older"].usage == held["newer"].usage == Usage()
    assert evict(0, folder) > 0 and {space.size for space in spaces(folder)} <= {0}


def test_a_space_without_the_newest_table_gets_it(tmp_path: Path) -> None:
    path = keep(tmp_path, "m")
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE usage")
    space = FeatureSpace(features_folder(tmp_path), {"model": "m"}, 4)
    space.count(encoded=1, seconds=1.0, hits=0)
    assert space.get(KEYS[0]) is not None and space.writable
    space.close()
    (info,) = spaces(features_folder(tmp_path))
    assert info.usage.encoded == 1
