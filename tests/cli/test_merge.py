"""``vlmbench merge``: a table, notes, JSON and exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import command, process

from vlmbench.store import ResultStore
from vlmbench.testing.toy_records import ROWS, make_failure, make_record

LATER = "2026-01-02T00:00:00+00:00"


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    ResultStore(tmp_path / "one").write(make_record("a"), ROWS)
    ResultStore(tmp_path / "one").write(make_record("b"), ROWS)
    ResultStore(tmp_path / "two").write(make_record("b", started=LATER), ROWS)
    ResultStore(tmp_path / "two").write_failure(make_failure("c"), "f" * 16)
    return tmp_path


def test_a_table_says_what_became_of_each_folder(folders: Path) -> None:
    done = command("merge", "one", "two", "-o", "all", where=folders, code=0)
    rows = [line.split() for line in done.stdout.splitlines() if line.strip().startswith(("folder", "one", "two"))]
    assert rows[0] == ["folder", "records", "new", "same", "replaced", "not", "kept", "failures", "unreadable"]
    assert rows[1:] == [["one", "2", "1", "0", "0", "1", "0", "0"], ["two", "1", "1", "0", "0", "0", "1", "0"]]
    assert "b/t/0123456789abcdef: that of two was kept and not that of one, because it was started later" in done.stderr
    assert "2 records in all. See them with: vlmbench report --results all" in done.stderr


def test_broken_files_are_named_and_the_exit_code_is_1(folders: Path) -> None:
    path = next((folders / "one").glob("a/*/*.json"))
    path.write_text("{")
    done = command("merge", "one", "two", "-o", "all", where=folders, code=1)
    assert "note: not copied: one/a/t/0123456789abcdef.json: " in done.stderr
    assert len(list((folders / "all").glob("*/*/*.parquet"))) == 1


def test_json_has_all_numbers_and_reasons(folders: Path) -> None:
    next((folders / "one").glob("a/*/*.parquet")).unlink()
    done = command("merge", "one", "two", "-o", "all", "--json", where=folders, code=1)
    found = json.loads(done.stdout)
    assert (found["output"], found["records"], found["failures_removed"]) == ("all", 1, 0)
    one, two = found["folders"]
    assert one["unreadable"] == [
        {"file": "a/t/0123456789abcdef.json", "reason": "its file 0123456789abcdef.parquet is missing"}
    ]
    assert (one["folder"], one["records"], one["not_kept"]) == ("one", 1, 1)
    assert (two["new"], two["failures"], two["unreadable"]) == (1, 1, [])
    (choice,) = found["choices"]
    assert (choice["record"], choice["kept"], choice["other"]) == ("b/t/0123456789abcdef", "two", "one")


def test_usage_errors(folders: Path) -> None:
    missing = command("merge", "one", "three", "-o", "all", where=folders, code=2)
    assert "no results folder 'three'" in missing.stderr and not (folders / "all").exists()
    assert "Missing argument" in command("merge", "-o", "all", where=folders, code=2).stderr
    assert "Missing option" in command("merge", "one", where=folders, code=2).stderr
    (folders / "file").write_text("")
    blocked = command("merge", "one", "-o", "file", where=folders, code=2)
    assert "'file' is a file, not a folder" in blocked.stderr and "with -o" in blocked.stderr
    (folders / "empty").mkdir()
    assert "no records in empty" in command("merge", "one", "empty", "-o", "all", where=folders, code=0).stderr
    above = command("merge", ".", "empty", "-o", "other", where=folders, code=2)
    assert "no records in '.' and 'empty'" in above.stderr


def test_a_url_without_records_is_no_success(folders: Path) -> None:
    done = command("merge", "one", "memory://mistyped", "-o", "all", where=folders, code=1)
    assert "no records in memory://mistyped" in done.stderr and "2 records in all" in done.stderr


def test_many_notes_are_cut(folders: Path) -> None:
    for number in range(13):
        (folders / "one" / "a" / "t" / f"{number}.json").write_text("{")
    done = command("merge", "one", "-o", "all", where=folders, code=1)
    assert done.stderr.count("not copied") == 10 and "and 3 more; --json lists all" in done.stderr


def test_it_imports_no_torch_and_no_fsspec(folders: Path) -> None:
    done = process("merge", folders / "one", "-o", folders / "all", PYTHONPROFILEIMPORTTIME="1")
    assert done.returncode == 0
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "vlmbench.merging.merge" in imported
    assert not imported & {"torch", "fsspec", "pandas", "ray"}
