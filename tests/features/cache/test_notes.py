"""Notes beside cached vectors: what was found on the way to a vector is known each time that it is used."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from said import remarked

from vlmbench.features.cache.space import FeatureSpace, Kept, content_key

DIM = 4
KEYS = [content_key(str(number).encode()) for number in range(400)]
VECTORS = np.random.default_rng(0).normal(size=(len(KEYS), DIM)).astype(np.float32)
NOTES = {key: f"note {number}\nand ünï" for number, key in enumerate(KEYS) if number % 3 == 0}

WRITER = f"""
import sys
from pathlib import Path
import numpy as np
from vlmbench.features.cache.space import FeatureSpace, content_key

vectors = np.random.default_rng(0).normal(size=({len(KEYS)}, {DIM})).astype(np.float32)
space = FeatureSpace(Path(sys.argv[1]), {{"model": "m"}}, {DIM})
for start in range(0, {len(KEYS)}, 4):
    numbers = range(start, start + 4)
    keys = [content_key(str(number).encode()) for number in numbers]
    notes = {{key: f"note {{number}}\\nand ünï" for number, key in zip(numbers, keys) if number % 3 == 0}}
    space.put(keys, vectors[start : start + 4], notes)
    print(start, flush=True)
"""


def open_space(folder: Path) -> FeatureSpace:
    return FeatureSpace(folder, {"model": "m"}, DIM)


def writer(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE, text=True)


def check(space: FeatureSpace) -> int:
    """Every row has its own note; returns how many are held."""
    found = space.get_many(KEYS)
    for key, kept in found.items():
        assert kept.note == NOTES.get(key, "")
    return len(found)


def test_a_note_comes_back(tmp_path: Path) -> None:
    space = open_space(tmp_path)
    space.put(KEYS[:3], VECTORS[:3], {KEYS[0]: "scaled", KEYS[1]: ""})
    space.close()
    again = open_space(tmp_path)
    found = [again.get(key) for key in KEYS[:3]]
    assert [kept.note for kept in found if isinstance(kept, Kept)] == ["scaled", "", ""]


def test_another_note_takes_the_place_of_the_first(tmp_path: Path) -> None:
    space = open_space(tmp_path)
    for note in ("one", "two"):
        space.put(KEYS[:1], VECTORS[:1], {KEYS[0]: note})
        assert space.get(KEYS[0]) is not None and space.get_many(KEYS[:1])[KEYS[0]].note == note


def test_a_vector_put_again_without_a_note_has_none(tmp_path: Path) -> None:
    """Whatever wrote it last knows best, and the row stays sound."""
    space = open_space(tmp_path)
    space.put(KEYS[:1], VECTORS[:1], {KEYS[0]: "one"})
    space.put(KEYS[:1], VECTORS[:1])
    assert space.get_many(KEYS[:1])[KEYS[0]].note == ""


@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE vectors SET note = x'616e6f74686572' WHERE note != x''",
        "UPDATE vectors SET note = x'' WHERE note != x''",
        "UPDATE vectors SET note = x'ff00' WHERE note != x''",
        "UPDATE vectors SET note = CAST(note AS TEXT) WHERE note != x''",
        "UPDATE vectors SET note = 7 WHERE note != x''",
        "UPDATE vectors SET note = x'6d6f7265' WHERE note = x''",
    ],
)
def test_a_damaged_note_makes_its_vector_be_computed_again(tmp_path: Path, harm: str) -> None:
    space = open_space(tmp_path)
    space.put(KEYS, VECTORS, NOTES)
    space.close()
    with sqlite3.connect(space.path) as connection:
        connection.execute(harm)
    hit = len(KEYS) - len(NOTES) if harm.endswith("= x''") and "!=" not in harm else len(NOTES)
    held, said = remarked(lambda: check(open_space(tmp_path)))
    assert held == len(KEYS) - hit
    assert [remark.code for remark in said] == ["feature-cache"] and f"{hit} cached features" in said[0].text


def test_a_killed_writer_leaves_no_vector_without_its_note(tmp_path: Path) -> None:
    with writer(tmp_path) as process:
        assert process.stdout is not None
        for _ in range(20):
            last = int(process.stdout.readline())
        process.kill()
    assert process.returncode == -9
    held, said = remarked(lambda: check(open_space(tmp_path)))
    assert held >= last + 4 and said == []


def test_two_processes_write_the_same_notes_at_once(tmp_path: Path) -> None:
    processes = [writer(tmp_path) for _ in range(2)]
    for process in processes:
        process.communicate(timeout=120)
    assert [process.returncode for process in processes] == [0, 0]
    held, said = remarked(lambda: check(open_space(tmp_path)))
    assert held == len(KEYS) and said == []


def test_after_damage_the_next_run_is_sound_again(tmp_path: Path) -> None:
    space = open_space(tmp_path)
    space.put(KEYS, VECTORS)
    with sqlite3.connect(space.path) as connection:
        connection.execute("UPDATE vectors SET note = x'6d6f7265'")
    assert remarked(lambda: space.get_many(KEYS))[0] == {}
    space.put(KEYS, VECTORS)
    assert remarked(lambda: len(space.get_many(KEYS))) == (len(KEYS), [])


def test_a_file_of_another_format_is_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as before:
        before.setattr("vlmbench.features.cache.space._FORMAT", 2)
        older = open_space(tmp_path).path
    assert open_space(tmp_path).path != older
