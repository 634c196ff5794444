"""Joining results folders: every complete record once, whatever the order, and never a half-written one."""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vlmbench.errors import StoreError
from vlmbench.merging.merge import FolderOutcome, Merged, merge
from vlmbench.records import Failure, Imported, Record
from vlmbench.storage.base import Url
from vlmbench.storage.remote import RemoteFolder
from vlmbench.store import ResultStore
from vlmbench.testing.toy_records import ROWS, make_failure, make_record

OLD, NEW = "2026-01-01T00:00:00+00:00", "2026-01-01T01:00:00+01:00"
"""The same moment."""
LATER = "2026-01-01T00:30:00Z"


def store(root: Path, *records: Record) -> Path:
    for record in records:
        ResultStore(root).write(record, ROWS)
    return root


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def counts(outcome: FolderOutcome) -> tuple[int, ...]:
    """New, same, replaced, not kept."""
    return tuple(outcome.counts.values())


def test_shards_become_one_folder_with_everything_that_they_have(tmp_path: Path) -> None:
    first = store(tmp_path / "1", make_record("a/b", "t"), make_record("a/b", "u"))
    second = store(tmp_path / "2", make_record("a/b", "t"), make_record("c", "t", id="0" * 16))
    ResultStore(second).write_visuals(make_record("c", "t", id="0" * 16), {"one.png": b"picture"})
    ResultStore(second).write_failure(make_failure("c", "u"), "f" * 16)
    (first / ".leases").mkdir()
    (first / ".leases" / "x.1.json").write_bytes(b"{}")
    merged = merge([first, second], tmp_path / "out")
    everything = {**files(first), **files(second)}
    del everything[".leases/x.1.json"]
    assert files(tmp_path / "out") == everything
    assert [counts(each) for each in merged.folders] == [(2, 0, 0, 0), (1, 1, 0, 0)]
    assert (merged.records, merged.choices, [each.failures for each in merged.folders]) == (3, [], [0, 1])
    again = merge([first, second], tmp_path / "out")
    assert [counts(each) for each in again.folders] == [(0, 3, 0, 0), (0, 2, 0, 0), (0, 2, 0, 0)]
    assert files(tmp_path / "out") == everything


def test_the_output_may_be_one_of_the_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = store(tmp_path / "1", make_record("a")), store(tmp_path / "2", make_record("b"))
    monkeypatch.chdir(tmp_path)
    merged = merge([Path("2"), first, Path("2/../1"), second], first)
    assert [each.location for each in merged.folders] == [first, Path("2")]
    assert [counts(each) for each in merged.folders] == [(0, 1, 0, 0), (1, 0, 0, 0)]
    assert {path.parts[-3] for path in first.glob("*/*/*.json")} == {"a", "b"}


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_of_different_records_of_one_run_the_same_is_kept_in_any_order(tmp_path: Path, order: tuple[int, ...]) -> None:
    records = [make_record(started=OLD), make_record(started=LATER), make_record(started=NEW, seconds={"total": 9.0})]
    folders = [store(tmp_path / str(number), record) for number, record in enumerate(records)]
    merged = merge([folders[number] for number in order], tmp_path / "out")
    assert files(tmp_path / "out") == files(folders[1])
    assert sorted(map(counts, merged.folders)) == [(0, 0, 0, 1), (0, 0, 0, 1), (1, 0, 0, 0)]
    assert {choice.kept for choice in merged.choices} == {folders[1]} and len(merged.choices) == 2
    assert all("started later, at 2026-01-01T00:30:00+00:00" in choice.reason for choice in merged.choices)


@pytest.mark.parametrize("swapped", [False, True])
def test_of_records_of_the_same_moment_the_files_decide(tmp_path: Path, swapped: bool) -> None:
    folders = [store(tmp_path / "1", make_record(started=OLD)), store(tmp_path / "2", make_record(started=NEW))]
    merged = merge(folders[::-1] if swapped else folders, tmp_path / "out")
    (choice,) = merged.choices
    assert "SHA-256" in choice.reason and files(tmp_path / "out") == files(Path(str(choice.kept)))
    assert choice.kept == merge(folders, tmp_path / "other").choices[0].kept


def test_a_record_with_its_answers_comes_before_a_later_one_without(tmp_path: Path) -> None:
    bare = make_record(started=LATER).model_copy(update={"predictions": None})
    with_answers = store(tmp_path / "1", make_record())
    merged = merge([store(tmp_path / "2", bare), with_answers], tmp_path / "out")
    assert files(tmp_path / "out") == files(with_answers)
    assert merged.choices[0].reason == "it has a file of answers"


def test_an_imported_record_is_complete_without_answers(tmp_path: Path) -> None:
    given = Imported(**{"from": "clip_benchmark", "file": "x.json", "sha256": "0"})
    source = tmp_path / "1"
    ResultStore(source).write(make_record().model_copy(update={"predictions": None, "imported": given}), None)
    assert merge([source], tmp_path / "out").records == 1 and files(tmp_path / "out") == files(source)


def test_a_later_record_takes_the_place_of_the_outputs_with_its_pictures(tmp_path: Path) -> None:
    output, source = (
        store(tmp_path / "out", make_record(started=OLD)),
        store(tmp_path / "1", make_record(started=LATER)),
    )
    ResultStore(output).write_visuals(make_record(), {"old.png": b"old", "both.png": b"old"})
    ResultStore(source).write_visuals(make_record(), {"both.png": b"new"})
    merged = merge([source], output)
    assert [counts(each) for each in merged.folders] == [(0, 0, 0, 1), (0, 0, 1, 0)]
    assert files(output) == files(source)
    older = store(tmp_path / "2", make_record(started=OLD))
    assert [counts(each) for each in merge([older], output).folders] == [(0, 1, 0, 0), (0, 0, 0, 1)]
    assert files(output) == files(source)


def test_pictures_that_the_output_lacks_are_copied(tmp_path: Path) -> None:
    output, source = store(tmp_path / "out", make_record()), store(tmp_path / "1", make_record())
    ResultStore(source).write_visuals(make_record(), {"one.png": b"picture"})
    merge([source], output)
    assert files(output) == files(source)
    ResultStore(source).write_visuals(make_record(), {"one.png": b"another"})
    merge([source], output)
    assert b"picture" in files(output).values()


def damage_missing(path: Path) -> None:
    path.with_suffix(".parquet").unlink()


def damage_answers(path: Path) -> None:
    path.with_suffix(".parquet").write_bytes(b"cut")


def damage_record(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def damage_place(path: Path) -> None:
    path.rename(path.with_name("another.json"))


def damage_version(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"vlmbench.record/2", b"vlmbench.record/99"))


def damage_name(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"0123456789abcdef.parquet", b"another.parquet"))


def damage_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (damage_missing, "0123456789abcdef.parquet is missing"),
        (damage_answers, "0123456789abcdef.parquet has another content than the record states"),
        (damage_record, "not a record this version reads"),
        (damage_place, "it is a copy or was renamed"),
        (damage_version, "not a record this version reads"),
        (damage_name, "has not the name of the record"),
        (damage_pipe, "it is a pipe"),
    ],
)
def test_what_is_not_complete_is_named_and_not_copied(tmp_path: Path, damage: Any, reason: str) -> None:
    source = store(tmp_path / "1", make_record())
    damage(next(source.glob("*/*/*.json")))
    merged = merge([source], tmp_path / "out")
    ((name, said),) = merged.folders[0].unreadable
    assert reason in said and name.startswith("m/t/") and merged.records == 0
    assert not (tmp_path / "out").exists()
    sound = store(tmp_path / "2", make_record())
    merged = merge([source, sound], tmp_path / "out")
    assert files(tmp_path / "out") == files(sound) and len(merged.folders[0].unreadable) == 1


@pytest.mark.parametrize("damage", [damage_missing, damage_answers, damage_record])
def test_a_damaged_record_of_the_output_is_repaired(tmp_path: Path, damage: Any) -> None:
    source, output = store(tmp_path / "1", make_record()), store(tmp_path / "out", make_record())
    damage(next(output.glob("*/*/*.json")))
    merge([source], output)
    assert files(output) == files(source)
    assert not any(each.unreadable for each in merge([source], output).folders)


def test_a_later_record_without_its_answers_gives_way_to_an_earlier_complete_one(tmp_path: Path) -> None:
    later, earlier = store(tmp_path / "1", make_record(started=LATER)), store(tmp_path / "2", make_record(started=OLD))
    damage_missing(next(later.glob("*/*/*.json")))
    merged = merge([later, earlier], tmp_path / "out")
    assert files(tmp_path / "out") == files(earlier)
    assert len(merged.folders[0].unreadable) == 1 and counts(merged.folders[1]) == (1, 0, 0, 0)


def failures(root: Path) -> list[str]:
    return [entry.message for entry in ResultStore(root) if isinstance(entry, Failure)]


def test_a_failure_is_copied_only_if_its_question_has_no_answer_anywhere(tmp_path: Path) -> None:
    failed, answered = tmp_path / "1", store(tmp_path / "2", make_record("m", "t"))
    ResultStore(failed).write_failure(make_failure("m", "t"), "a" * 16)
    ResultStore(failed).write_failure(make_failure("m", "u", "old"), "b" * 16)
    ResultStore(failed).write_log("m", "t", "a" * 16, "what a worker wrote")
    ResultStore(answered).write_failure(make_failure("m", "u", "late", started=LATER), "b" * 16)
    merged = merge([failed, answered], tmp_path / "out")
    assert failures(tmp_path / "out") == ["late"]
    assert [each.failures for each in merged.folders] == [0, 1] and merged.cleared == 0
    output = tmp_path / "other"
    merge([failed], output)
    assert sorted(failures(output)) == ["it broke", "old"] and files(output) == files(failed)
    merged = merge([answered], output)
    assert failures(output) == ["late"] and merged.cleared == 1
    assert len(files(output)) == 3  # the record, its answers and this failure


@pytest.mark.parametrize("full_at", range(6))
def test_a_full_disk_leaves_whole_files_and_the_same_merge_continues(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full_at: int
) -> None:
    source = store(tmp_path / "1", make_record("a"), make_record("b"), make_record("c"))
    write, written = Path.write_bytes, itertools.count()

    def full(path: Path, data: bytes) -> int:
        if next(written) >= full_at:
            write(path, data[:3])
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(StoreError, match="the disk is full"):
            merge([source], tmp_path / "out")
    there = files(tmp_path / "out")
    assert there.items() <= files(source).items()
    found = [entry for entry in ResultStore(tmp_path / "out") if isinstance(entry, Record)]
    assert all(ResultStore(tmp_path / "out").find(each.model.name, "t", each.id) for each in found)
    merge([source], tmp_path / "out")
    assert files(tmp_path / "out") == files(source)


@pytest.fixture
def bucket() -> Iterator[Url]:
    fsspec = pytest.importorskip("fsspec")
    yield Url("memory://merged/runs")
    fsspec.filesystem("memory").rm("/merged", recursive=True)


def test_folders_at_urls_are_joined_too(tmp_path: Path, bucket: Url) -> None:
    source = store(tmp_path / "1", make_record("a"), make_record("b"))
    ResultStore(source).write_failure(make_failure("c"), "a" * 16)
    merged: Merged = merge([source], bucket)
    assert merged.records == 2
    assert {entry.name: RemoteFolder(bucket).read(entry.name) for entry in RemoteFolder(bucket).entries()} == files(
        source
    )
    back = merge([bucket], tmp_path / "out")
    assert back.records == 2 and files(tmp_path / "out") == files(source)


def test_a_file_too_large_for_a_record_is_not_read_and_reasons_do_not_repeat_the_name(tmp_path: Path) -> None:
    folder = store(tmp_path / "1", make_record("a", "t"))
    with (folder / "a/t/large.json").open("wb") as file:
        file.truncate(2**40)  # no memory could hold it
    (folder / "a/t/other.json").write_text("{}")
    (outcome,) = merge([folder], tmp_path / "out").folders
    assert outcome.unreadable[0] == ("a/t/large.json", "it is too large for a record")
    assert outcome.unreadable[1][1].startswith("not a record this version reads")
    assert counts(outcome) == (1, 0, 0, 0)
