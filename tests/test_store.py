"""The ResultStore: whole files or none."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlmbench.errors import StoreError
from vlmbench.paths import safe_name
from vlmbench.records import ClassResult, Failure, Record, Summary
from vlmbench.reports.builders.results import results_table
from vlmbench.store import ResultStore, Unreadable
from vlmbench.testing.toy_records import ROWS, make_failure, make_record


def test_a_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    store, record = ResultStore(tmp_path / "runs"), make_record("org/model", "t")
    path = store.write(record, ROWS)
    assert path == tmp_path / "runs" / safe_name("org/model") / "t" / "0123456789abcdef.json"
    assert store.find("org/model", "t", record.id) == record
    assert list(store) == [record]
    assert sorted(file.name for file in path.parent.iterdir()) == [
        "0123456789abcdef.json",
        "0123456789abcdef.parquet",
    ]


def test_a_record_without_its_own_predictions_is_not_found(tmp_path: Path) -> None:
    store, record = ResultStore(tmp_path), make_record()
    store.write(record, ROWS)
    predictions = store.folder("m", "t") / record.predictions.file
    predictions.write_bytes(b"another run's rows")
    assert store.find("m", "t", record.id) is None
    predictions.unlink()
    assert store.find("m", "t", record.id) is None


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "full"), OSError(errno.EROFS, "read-only"), KeyboardInterrupt()]
)
@pytest.mark.parametrize("file", [".parquet", ".json"])
def test_what_stops_a_write_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, file: str
) -> None:
    store, write = ResultStore(tmp_path), Path.write_bytes

    def stopped(path: Path, data: bytes) -> int:
        if file in path.name:
            write(path, data[:2])
            raise error
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", stopped)
    with pytest.raises((StoreError, KeyboardInterrupt)):
        store.write(make_record(), ROWS)
    names = [path.name for path in store.folder("m", "t").iterdir()]
    assert names == ([] if file == ".parquet" else ["0123456789abcdef.parquet"])
    assert list(store) == []


def test_what_killed_runs_left_is_removed_once_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[Path] = []
    look = Path.glob

    def counting(self: Path, pattern: str, **rest: Any) -> Iterator[Path]:
        if pattern.endswith(".tmp"):
            looked.append(self)
        return iter(list(look(self, pattern, **rest)))

    monkeypatch.setattr(Path, "glob", counting)
    monkeypatch.setattr("vlmbench.storage.disk.process_lives", lambda pid: False)
    store, folder = ResultStore(tmp_path), tmp_path / "m" / "t"
    folder.mkdir(parents=True)
    left = folder / f".x.json.{socket.gethostname()}.99.tmp"
    left.write_text("half")
    for number in range(20):
        store.write(make_record("m", "t", f"{number:016}"), None)
    assert not left.exists() and looked == [folder]
    left.write_text("half")
    ResultStore(tmp_path).write(make_record("m", "t"), None)
    assert not left.exists(), "the next run looks again"


def test_many_records_are_written_at_once_and_each_place_once(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    made = [make_record("m", f"t{i}").model_copy(update={"predictions": None}) for i in range(40)]
    later = made[0].model_copy(update={"warnings": ["later"]})
    assert store.write_all([*made, later]) == [later, *made[1:]]
    assert sorted(store, key=lambda entry: str(entry)) == sorted([later, *made[1:]], key=lambda entry: str(entry))
    assert not list(tmp_path.rglob(".*"))


def test_the_first_of_many_that_cannot_be_written_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StoreError, match="the disk is full"):
        ResultStore(tmp_path).write_all([make_record("m", f"t{i}") for i in range(40)])
    assert list(ResultStore(tmp_path)) == []


def test_leftovers_of_dead_processes_are_swept_and_living_ones_stay(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    folder = store.folder("m", "t")
    folder.mkdir(parents=True)
    dead = folder / f".x.json.{socket.gethostname()}.{2**22 + 1}.tmp"  # above any pid Linux gives
    alive = folder / f".x.json.{socket.gethostname()}.{os.getppid()}.tmp"
    elsewhere = folder / ".x.json.another-host.1.tmp"
    for path in (dead, alive, elsewhere):
        path.touch()
    store.write(make_record(), ROWS)
    assert not dead.exists() and alive.exists() and elsewhere.exists()
    assert len(list(store)) == 1


def test_a_results_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "runs").touch()
    with pytest.raises(StoreError, match="runs"):
        ResultStore(tmp_path / "runs").check_writable()
    with pytest.raises(StoreError, match="cannot write"):
        ResultStore(tmp_path / "runs" / "below").check_writable()


def test_broken_foreign_and_newer_files_are_named_not_fatal(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    store.write(make_record(), ROWS)
    folder = store.folder("m", "t")
    (folder / "broken.json").write_text("{")
    (folder / "foreign.json").write_text('{"schema": "other/1"}')
    newer = make_record().model_dump_json(by_alias=True).replace("vlmbench.record/2", "vlmbench.record/9")
    (folder / "newer.json").write_text(newer)
    entries = list(store)
    assert sum(isinstance(entry, Record) for entry in entries) == 1
    unreadable = [entry for entry in entries if isinstance(entry, Unreadable)]
    assert {entry.path.name for entry in unreadable} == {"broken.json", "foreign.json", "newer.json"}
    assert all(entry.path.name in entry.reason for entry in unreadable)


def test_summaries_are_the_records_without_their_classes(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    rows = [ClassResult(name="a", n=1, values={"recall": 1.0})]
    record = make_record("whole").model_copy(update={"per_class": rows})
    path = store.write(record, ROWS)
    store.write(make_record("cut"), ROWS)
    store.write_failure(make_failure("broken"), "p")
    (cut,) = tmp_path.glob("cut/*/*.json")
    cut.write_text(path.read_text().rstrip()[:-1])
    (foreign := tmp_path / "x" / "y").mkdir(parents=True)
    (foreign / "newer.json").write_text(path.read_text().replace("vlmbench.record/2", "vlmbench.record/3"))
    failure, broken, summary, newer = store.summaries()
    assert isinstance(failure, Failure) and isinstance(summary, Summary) and not isinstance(summary, Record)
    assert summary == Summary.model_validate(record.model_dump(by_alias=True))
    assert isinstance(broken, Unreadable) and broken.path == cut
    assert isinstance(newer, Unreadable) and "schema" in newer.reason
    assert results_table(store.summaries()) == results_table(store)


def test_a_failure_is_noted_and_goes_with_success(tmp_path: Path) -> None:
    store, failure = ResultStore(tmp_path), make_failure()
    store.write_failure(failure, "plan")
    assert list(store) == [failure]
    assert store.pair_records("m", "t") == []
    store.clear_failure("m", "t", "plan")
    assert list(store) == []


def test_a_log_goes_with_its_failure_and_stays_with_a_record(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    path = tmp_path / "m" / "t" / "plan.log"
    store.write_failure(make_failure(), "plan")
    assert store.write_log("m", "t", "plan", "out of memory\n") == "m/t/plan.log"
    assert path.read_text() == "out of memory\n"
    assert [type(entry) for entry in store] == [Failure]  # a log is no entry
    store.clear_failure("m", "t", "plan")
    assert not path.exists()

    store.write_log("m", "t", "plan", "of the record\n")
    store.clear_failure("m", "t", "plan")  # the record is found again
    assert path.read_text() == "of the record\n"
    assert store.write_log("m", "t", "plan", "") is None  # a later run wrote nothing
    assert not path.exists()


@given(st.text())
def test_safe_names_stay_inside_their_folder(name: str) -> None:
    safe = safe_name(name)
    assert safe and "/" not in safe and "\\" not in safe and "\0" not in safe
    assert not safe.startswith(".") and len(safe) < 100
    assert (Path("/root") / safe).parent == Path("/root")


@given(st.text(), st.text())
def test_different_names_have_different_safe_names(one: str, other: str) -> None:
    assert (safe_name(one) == safe_name(other)) == (one == other)


def test_runs_of_one_process_check_one_folder_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: ResultStore(tmp_path).check_writable(), range(400)))
    assert not list(tmp_path.iterdir())
