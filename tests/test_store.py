"""The ResultStore: whole files or none."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make_record import make_failure, make_record

from vlmbench.errors import StoreError
from vlmbench.records import Record, safe_name
from vlmbench.store import ResultStore, Unreadable


def write_parquet(path: Path) -> None:
    path.write_bytes(b"rows")


def test_a_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    store, record = ResultStore(tmp_path / "runs"), make_record("org/model", "t")
    path = store.write(record, write_parquet)
    assert path == tmp_path / "runs" / safe_name("org/model") / "t" / "0123456789abcdef.json"
    assert store.find("org/model", "t", record.id) == record
    assert list(store) == [record]
    assert sorted(file.name for file in path.parent.iterdir()) == [
        "0123456789abcdef.json",
        "0123456789abcdef.parquet",
    ]


def test_a_record_without_its_predictions_is_not_found(tmp_path: Path) -> None:
    store, record = ResultStore(tmp_path), make_record()
    store.write(record, write_parquet)
    (store.folder("m", "t") / record.predictions.file).unlink()
    assert store.find("m", "t", record.id) is None


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_a_failing_disk_leaves_nothing_half_written(tmp_path: Path, number: int) -> None:
    store = ResultStore(tmp_path)

    def fill(path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(number, os.strerror(number))

    with pytest.raises(StoreError, match="cannot write"):
        store.write(make_record(), fill)
    assert list(store.folder("m", "t").iterdir()) == []


def test_ctrl_c_leaves_nothing_half_written(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)

    def interrupted(path: Path) -> None:
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.write(make_record(), interrupted)
    assert list(store.folder("m", "t").iterdir()) == []


def test_leftovers_of_dead_processes_are_swept_and_living_ones_stay(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    folder = store.folder("m", "t")
    folder.mkdir(parents=True)
    dead = folder / f".x.json.{socket.gethostname()}.{2**22 + 1}.tmp"  # above any pid Linux gives
    alive = folder / f".x.json.{socket.gethostname()}.{os.getppid()}.tmp"
    elsewhere = folder / ".x.json.another-host.1.tmp"
    for path in (dead, alive, elsewhere):
        path.touch()
    store.write(make_record(), write_parquet)
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
    store.write(make_record(), write_parquet)
    folder = store.folder("m", "t")
    (folder / "broken.json").write_text("{")
    (folder / "foreign.json").write_text('{"schema": "other/1"}')
    newer = make_record().model_dump_json(by_alias=True).replace("vlmbench.record/1", "vlmbench.record/9")
    (folder / "newer.json").write_text(newer)
    entries = list(store)
    assert sum(isinstance(entry, Record) for entry in entries) == 1
    unreadable = [entry for entry in entries if isinstance(entry, Unreadable)]
    assert {entry.path.name for entry in unreadable} == {"broken.json", "foreign.json", "newer.json"}
    assert all(entry.path.name in entry.reason for entry in unreadable)


def test_a_failure_is_noted_and_goes_with_success(tmp_path: Path) -> None:
    store, failure = ResultStore(tmp_path), make_failure()
    store.write_failure(failure, "plan")
    assert list(store) == [failure]
    assert store.pair_records("m", "t") == []
    store.clear_failure("m", "t", "plan")
    assert list(store) == []


@given(st.text())
def test_safe_names_stay_inside_their_folder(name: str) -> None:
    safe = safe_name(name)
    assert safe and "/" not in safe and "\\" not in safe and "\0" not in safe
    assert not safe.startswith(".") and len(safe) < 100
    assert (Path("/root") / safe).parent == Path("/root")


@given(st.text(), st.text())
def test_different_names_have_different_safe_names(one: str, other: str) -> None:
    assert (safe_name(one) == safe_name(other)) == (one == other)
