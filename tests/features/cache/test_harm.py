"""What can happen to a cache file: a full disk, a read-only folder, kill -9, other processes, damage, strangers."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from vlmbench.errors import VlmbenchWarning
from vlmbench.features.cache.files import evict, spaces
from vlmbench.features.cache.space import FeatureSpace, content_key

DIM = 64
KEYS = [content_key(str(number).encode()) for number in range(600)]
VECTORS = np.random.default_rng(0).normal(size=(len(KEYS), DIM)).astype(np.float32)
NOBODY = 65534

WRITER = f"""
import sys
from pathlib import Path
import numpy as np
from vlmbench.features.cache.space import FeatureSpace, content_key

vectors = np.random.default_rng(0).normal(size=({len(KEYS)}, {DIM})).astype(np.float32)
space = FeatureSpace(Path(sys.argv[1]), {{"model": "m"}}, {DIM})
print("open", flush=True)
for start in range(int(sys.argv[2]), int(sys.argv[3]), 4):
    keys = [content_key(str(number).encode()) for number in range(start, start + 4)]
    space.put(keys, vectors[start : start + 4])
    print(start, flush=True)
assert space.writable
"""


def open_space(folder: Path, **description: object) -> FeatureSpace:
    return FeatureSpace(folder, {"model": "m", **description}, DIM)


def writer(folder: Path, start: int, end: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(folder), str(start), str(end)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def check(space: FeatureSpace) -> int:
    """Everything that is held is right; returns how much that is."""
    found = space.get_many(KEYS)
    for row, key in enumerate(KEYS):
        if key in found:
            np.testing.assert_array_equal(found[key].vector, VECTORS[row])
    return len(found)


@contextmanager
def as_one_who_may_not_write(folder: Path) -> Iterator[None]:
    """The folder and its files read-only; root, who may write anyway, becomes nobody."""
    for path in folder.iterdir():
        path.chmod(0o444)
    folder.chmod(0o555)
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o755)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users reach, which pytest's are not."""
    path = Path(tempfile.mkdtemp(prefix="vlmbench-cache-"))
    path.chmod(0o755)
    yield path / "features"
    shutil.rmtree(path)


def test_a_killed_writer_leaves_whole_rows(tmp_path: Path) -> None:
    with writer(tmp_path, 0, len(KEYS)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        for _ in range(20):
            last = int(process.stdout.readline())
        process.kill()
    assert process.returncode == -9
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        space = open_space(tmp_path)
        assert check(space) >= last + 4
        space.put(KEYS, VECTORS)
        assert check(space) == len(KEYS)


def test_processes_write_the_same_space_at_once(tmp_path: Path) -> None:
    ranges = [(0, 400), (200, 600), (0, 600)]  # two of them the same keys, too
    processes = [writer(tmp_path, *each) for each in ranges]
    for process in processes:
        process.communicate(timeout=120)
    assert [process.returncode for process in processes] == [0, 0, 0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert check(open_space(tmp_path)) == len(KEYS)


def test_a_reader_is_right_while_others_evict_and_clear(tmp_path: Path) -> None:
    folder = tmp_path / "features"
    space = open_space(folder)
    space.put(KEYS, VECTORS)
    code = (
        "import sys; from pathlib import Path; from vlmbench.features.cache.files import clear, evict\n"
        "for _ in range(50): assert evict(0, Path(sys.argv[1])) == 0 and clear(Path(sys.argv[1]).parent).in_use == 1"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(folder)]) as process:
        while process.poll() is None:
            assert check(space) == len(KEYS)
    assert process.returncode == 0


def test_a_folder_that_is_removed_by_hand_harms_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "features"
    space = open_space(folder)
    space.put(KEYS[:300], VECTORS[:300])
    shutil.rmtree(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VlmbenchWarning)
        check(space)
        space.put(KEYS[300:], VECTORS[300:])
        check(space)
        space.close()
    again = open_space(folder)
    again.put(KEYS, VECTORS)
    assert check(again) == len(KEYS)


def test_a_full_disk_stops_the_writing_once_and_not_the_reading(tmp_path: Path) -> None:
    space = open_space(tmp_path)
    space.put(KEYS[:100], VECTORS[:100])
    with space._connections.lent() as connection:  # the one that writes: no other thread has taken it
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count={pages}")  # SQLite then says what it says of a full disk
    with pytest.warns(VlmbenchWarning, match="disk is full.*not kept") as said:
        for start in range(100, len(KEYS), 100):
            space.put(KEYS[start : start + 100], VECTORS[start : start + 100])
    assert len(said) == 1 and not space.writable
    assert check(space) >= 100


@pytest.mark.parametrize("log_is_there", [False, True])
def test_a_read_only_cache_is_read(open_folder: Path, log_is_there: bool) -> None:
    space = open_space(open_folder)
    space.put(KEYS, VECTORS)
    if log_is_there:  # as after a run that was killed
        kept = {end: Path(f"{space.path}{end}").read_bytes() for end in ("-wal", "-shm")}
    space.close()
    if log_is_there:
        for end, data in kept.items():
            Path(f"{space.path}{end}").write_bytes(data)
    with as_one_who_may_not_write(open_folder):
        with pytest.warns(VlmbenchWarning, match="cannot be written .* what it holds is used") as said:
            reader = open_space(open_folder)
        assert check(reader) == len(KEYS)
        reader.put(KEYS, VECTORS)
        reader.count(encoded=1, seconds=1.0, hits=1)
        assert len(said) == 1 and evict(0, open_folder) == 0
        (info,) = spaces(open_folder)
        assert (info.description["model"], info.vectors) == ("m", len(KEYS))
        with pytest.warns(VlmbenchWarning, match="cannot be used"):
            assert open_space(open_folder, precision="bf16").get(KEYS[0]) is None
        reader.close()


def test_a_file_of_another_encoder_under_this_ones_name_is_not_believed(tmp_path: Path) -> None:
    other, own = open_space(tmp_path, weights="other"), open_space(tmp_path, weights="own")
    other.put(KEYS, VECTORS)
    for space in (other, own):
        space.close()
    shutil.copy(other.path, own.path)
    with pytest.warns(VlmbenchWarning, match="another encoder"):
        again = open_space(tmp_path, weights="own")
    assert check(again) == 0
    again.put(KEYS, VECTORS)
    assert check(again) == len(KEYS)


def test_rows_of_another_encoder_copied_into_this_ones_file_are_missed(tmp_path: Path) -> None:
    other, own = open_space(tmp_path, weights="other"), open_space(tmp_path, weights="own")
    other.put(KEYS, VECTORS)
    for space in (other, own):
        space.close()
    with sqlite3.connect(own.path) as connection:
        connection.execute("ATTACH ? AS other", (str(other.path),))
        connection.execute("INSERT INTO vectors SELECT * FROM other.vectors")
    with pytest.warns(VlmbenchWarning, match="600 cached features in .* failed the check"):
        assert check(open_space(tmp_path, weights="own")) == 0


@pytest.mark.parametrize("damage", ["garbage", "half", "header", "empty", "zeroed middle"])
def test_a_broken_file_is_never_believed_and_the_run_goes_on(tmp_path: Path, damage: str) -> None:
    space = open_space(tmp_path)
    space.put(KEYS, VECTORS)
    space.close()
    data = space.path.read_bytes()
    size = len(data)
    space.path.write_bytes(
        {
            "garbage": b"\x5a" * size,
            "half": data[: size // 2],
            "header": data[:100],
            "empty": b"",
            "zeroed middle": data[: size // 3] + bytes(size // 3) + data[size // 3 * 2 :],
        }[damage]
    )
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        again = open_space(tmp_path)
        held = check(again)  # whatever is held is right
        again.put(KEYS, VECTORS)
        check(again)
        again.close()
    assert held < len(KEYS) and (said or damage == "empty")
    for _ in range(2):  # at the latest now the broken file is gone
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", VlmbenchWarning)
            last = open_space(tmp_path)
            last.put(KEYS, VECTORS)
            held = check(last)
            last.close()
    assert held == len(KEYS)
