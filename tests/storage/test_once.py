"""The first of several processes does the work, and the others find it done."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vlmbench.storage import once
from vlmbench.storage.once import held, once_on_this_node

_WORKER = """
import sys, time
from pathlib import Path
from vlmbench.storage.once import once_on_this_node
folder, seconds, name = Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
with once_on_this_node("weights", "run 1", folder=folder) as first:
    (folder / f"{name}.{'first' if first else 'later'}").write_text(str(time.time()))
    time.sleep(seconds if first else 0.4)
    (folder / f"{name}.end").write_text(str(time.time()))
"""


def _worker(folder: Path, seconds: float, name: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", _WORKER, str(folder), str(seconds), name])


def _wait_for(folder: Path, pattern: str) -> None:
    end = time.monotonic() + 30
    while not list(folder.glob(pattern)):
        assert time.monotonic() < end, f"{pattern} did not appear"
        time.sleep(0.01)


def _time(file: Path) -> float:
    return float(file.read_text())


def test_one_process_works_and_the_others_then_go_on_side_by_side(tmp_path: Path) -> None:
    workers = [_worker(tmp_path, 0.3, str(number)) for number in range(4)]
    assert [worker.wait(30) for worker in workers] == [0, 0, 0, 0]
    (first,) = tmp_path.glob("*.first")
    later = list(tmp_path.glob("*.later"))
    assert len(later) == 3
    end_of_first = _time(first.with_suffix(".end"))
    assert min(map(_time, later)) >= end_of_first
    assert max(map(_time, later)) < min(_time(each.with_suffix(".end")) for each in later)  # none waited for another


def test_a_first_process_that_is_killed_lets_the_next_one_work(tmp_path: Path) -> None:
    killed = _worker(tmp_path, 60, "killed")
    _wait_for(tmp_path, "killed.first")
    next_one = _worker(tmp_path, 0, "next")
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait(10)
    assert next_one.wait(30) == 0
    assert (tmp_path / "next.first").exists()


def test_work_that_fails_is_done_again(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no network"), once_on_this_node("data", "run", folder=tmp_path) as first:
        raise ValueError("no network" if first else "not the first")
    with once_on_this_node("data", "run", folder=tmp_path) as first:
        assert first
    with once_on_this_node("data", "run", folder=tmp_path) as first:
        assert not first


def test_another_run_another_key_and_a_damaged_mark_are_work_again(tmp_path: Path) -> None:
    def first(key: str, run: str) -> bool:
        with once_on_this_node(key, run, folder=tmp_path) as answer:
            return answer

    assert [first("data", "run 1"), first("data", "run 2"), first("data", "run 1")] == [True, True, False]
    assert first("weights", "run 1")
    for mark in tmp_path.rglob("*.json"):
        mark.write_text('{"not": "a list"')
    assert first("data", "run 1")


def test_a_mark_names_the_latest_runs_only(tmp_path: Path) -> None:
    for number in range(40):
        with once_on_this_node("data", f"run {number}", folder=tmp_path):
            pass
    (mark,) = tmp_path.rglob("*.json")
    assert mark.stat().st_size < 1000


def test_a_wait_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(once, "_SAY_AFTER_S", 0.05)
    told: list[tuple[str, float]] = []
    over = tmp_path / "over"

    def waiting(what: str, seconds: float) -> None:
        told.append((what, seconds))
        over.touch()

    with (
        held(tmp_path / "a.lock", "the data"),
        held(tmp_path / "a.lock", "the data", waiting, unless=over.exists) as alone,
    ):
        assert not alone
    assert [what for what, _ in told] == ["the data"]
    assert told[0][1] >= 0.05


def test_a_folder_that_cannot_be_made_makes_no_process_wait(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for _ in range(2):
        with once_on_this_node("data", "run", folder=tmp_path / "file") as first:
            assert first
