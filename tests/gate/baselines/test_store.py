"""Baselines: what is saved comes back, whole or not at all."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from baseline_entries import answers, entry
from repository import REPOSITORY

from vlmbench.errors import RecordError, StoreError, UsageError
from vlmbench.gate.baselines.store import (
    MOST_CSV_BYTES,
    baseline_names,
    load_baseline,
    newest_of_pairs,
    open_baseline,
    save_baseline,
)
from vlmbench.paths import safe_name
from vlmbench.records import ClassResult
from vlmbench.testing.toy_records import make_record


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_records_and_answers_come_back(tmp_path: Path) -> None:
    saved = save_baseline("main", [entry(make_record(task="org/t")), entry(make_record(task="u"))], tmp_path)
    stem = safe_name("org/t")
    assert sorted(saved.sizes) == sorted([f"{stem}.csv", f"{stem}.json", "u.csv", "u.json"])
    assert saved.size == sum(len(content) for content in contents(tmp_path / "main").values())
    first = load_baseline(tmp_path / "main")[0]
    assert first.table().equals(answers())
    assert first.record.predictions is not None and first.record.predictions.rows == 3
    assert first.record.model_copy(update={"predictions": make_record().predictions}) == make_record(task="org/t")


def test_the_same_records_make_the_same_bytes_wherever_their_data_lies(tmp_path: Path) -> None:
    record = make_record()
    moved = record.task.dataset.model_copy(update={"location": "/home/me/data/cats"})
    elsewhere = record.task.dataset.model_copy(update={"location": "C:\\data\\cats"})
    for name, dataset in (("a", moved), ("b", elsewhere)):
        task = record.task.model_copy(update={"dataset": dataset})
        save_baseline(name, [entry(record.model_copy(update={"task": task}))], tmp_path)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    before = contents(tmp_path / "a")
    save_baseline("a", load_baseline(tmp_path / "a"), tmp_path, replace=True)
    assert contents(tmp_path / "a") == before
    assert load_baseline(tmp_path / "a")[0].record.task.dataset.location == "cats"


def test_another_models_answer_is_a_line_in_each_file(tmp_path: Path) -> None:
    classes = [ClassResult(name=f"class {n}", n=1, values={"recall": 0.5}, ci95=(0.1, 0.9)) for n in range(50)]
    better = [*classes[:49], classes[49].model_copy(update={"values": {"recall": 1.0}})]
    save_baseline("a", [entry(make_record().model_copy(update={"per_class": classes}))], tmp_path)
    save_baseline(
        "b", [entry(make_record(value=0.6).model_copy(update={"per_class": better}), answers((0, 1, 7)))], tmp_path
    )
    differing = {}
    for file in ("t.csv", "t.json"):
        old, new = ((tmp_path / name / file).read_text().split("\n") for name in "ab")
        differing[file] = [line for was, line in zip(old, new, strict=True) if was != line]
    assert differing["t.csv"] == [f"2.png,{2:064x},2,7 9,0.5 0.25,0.1"]
    assert [line.split('"')[1] for line in differing["t.json"]] == ["acc1", "predictions", "name"]


def test_a_protocol_that_is_not_finite_can_be_read_again(tmp_path: Path) -> None:
    record = make_record()
    task = record.task.model_copy(update={"protocol": {"threshold": float("inf"), "name": "é"}})
    save_baseline("main", [entry(record.model_copy(update={"task": task}))], tmp_path)
    assert load_baseline(tmp_path / "main")[0].record.task.protocol == {"threshold": None, "name": "é"}


def test_several_models_have_a_folder_each(tmp_path: Path) -> None:
    save_baseline("main", [entry(make_record("a")), entry(make_record("b"))], tmp_path)
    assert sorted(contents(tmp_path / "main")) == ["a/t.csv", "a/t.json", "b/t.csv", "b/t.json"]
    assert [found.record.model.name for found in load_baseline(tmp_path / "main")] == ["a", "b"]
    with pytest.raises(UsageError, match="2 records of m on t"):
        save_baseline("twice", [entry(), entry()], tmp_path)


def test_a_large_table_is_parquet_and_as_exact(tmp_path: Path) -> None:
    table = pa.table({"sample": [f"{row:0100}" for row in range(MOST_CSV_BYTES // 100)]})
    saved = save_baseline("main", [entry(table=table)], tmp_path)
    assert sorted(saved.sizes) == ["t.json", "t.parquet"]
    assert saved.entries[0].table().equals(table)


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "a\\b", "-f", ".hidden", "a:b", "x" * 101, "a\n", "é"])
def test_a_name_that_is_no_plain_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name of a baseline"):
        save_baseline(name, [entry()], tmp_path / "root")
    assert not (tmp_path / "root").exists()


def test_a_baseline_is_replaced_whole_and_only_when_asked(tmp_path: Path) -> None:
    save_baseline("main", [entry(make_record(task="old")), entry(make_record(task="t"))], tmp_path)
    before = contents(tmp_path / "main")
    with pytest.raises(UsageError, match=r"already[\s\S]*--force"):
        save_baseline("main", [entry(make_record(task="new"))], tmp_path)
    assert contents(tmp_path / "main") == before
    save_baseline("main", [entry(make_record(task="new"))], tmp_path, replace=True)
    assert sorted(contents(tmp_path)) == ["main/new.csv", "main/new.json"]


def test_nothing_to_save_and_nothing_to_pair_leave_what_was_there(tmp_path: Path) -> None:
    save_baseline("main", [entry()], tmp_path)
    before = contents(tmp_path)
    with pytest.raises(UsageError, match="nothing to save"):
        save_baseline("main", [], tmp_path, replace=True)
    with pytest.raises(RecordError, match="somewhere: it has no predictions"):
        save_baseline("main", [entry(make_record().model_copy(update={"predictions": None}))], tmp_path, replace=True)
    assert contents(tmp_path) == before


KILLED = """
import os, signal, sys
from pathlib import Path
from baseline_entries import answers, entry
from vlmbench.gate.baselines.store import save_baseline
calls = 0
def dying(call):
    def die_at(*arguments, **options):
        global calls
        if calls == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
        calls += 1
        return call(*arguments, **options)
    return die_at
os.fsync, Path.rename = dying(os.fsync), dying(Path.rename)
save_baseline("main", [entry(table=answers((5, 5, 5)))], Path(sys.argv[1]), replace=True)
"""


@pytest.mark.parametrize("calls", range(5))
def test_kill_9_leaves_the_old_baseline_or_the_new_one(tmp_path: Path, calls: int) -> None:
    """Killed before each write to disk and each rename of a replacement, and not at all."""
    save_baseline("main", [entry()], tmp_path)
    path = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "tests" / "support")])
    done = subprocess.run([sys.executable, "-c", KILLED, tmp_path, str(calls)], env={**os.environ, "PYTHONPATH": path})
    assert done.returncode == (-signal.SIGKILL if calls < 4 else 0)
    (found,) = load_baseline(tmp_path / "main")
    assert found.table()["top"].to_pylist() == ([[5, 9]] * 3 if calls == 4 else [[0, 9], [1, 9], [2, 9]])
    assert baseline_names(tmp_path) == ["main"]
    with pytest.raises(UsageError, match="already"):
        save_baseline("main", [entry()], tmp_path)
    save_baseline("main", [entry()], tmp_path, replace=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["main"]


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_baseline("main", [entry()], tmp_path)
    before, rename = contents(tmp_path), Path.rename

    def failing(path: Path, target: Path) -> Path:
        if path.name.endswith(".tmp"):
            raise OSError(28, "No space left on device")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(StoreError, match="No space left on device"):
        save_baseline("main", [entry(table=answers((5,)))], tmp_path, replace=True)
    assert contents(tmp_path) == before


def test_a_file_in_its_place_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "main").write_text("mine")
    with pytest.raises(StoreError, match="not a folder"):
        save_baseline("main", [entry()], tmp_path, replace=True)
    assert contents(tmp_path) == {"main": b"mine"}
    save_baseline("v1", [entry()], tmp_path)
    (tmp_path / "link").symlink_to("v1")
    with pytest.raises(StoreError, match="a file or a link"):
        save_baseline("link", [entry()], tmp_path, replace=True)
    assert (tmp_path / "link").is_symlink() and len(load_baseline(tmp_path / "link")) == 1


def test_an_unknown_baseline_names_the_known(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no baseline 'main'[\s\S]*baseline save"):
        open_baseline(tmp_path / "main")
    save_baseline("main", [entry()], tmp_path)
    with pytest.raises(UsageError, match=r"no baseline 'mian'[\s\S]*Did you mean 'main'"):
        open_baseline(tmp_path / "mian")


def test_broken_files_say_which_and_what_to_do(tmp_path: Path) -> None:
    saved = save_baseline("main", [entry()], tmp_path).path
    table, record = saved / "t.csv", saved / "t.json"
    good = table.read_bytes()
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n"
    for content, message in (
        (pointer, r"t\.csv: this is a pointer of Git LFS[\s\S]*git lfs pull"),
        (good.replace(b"\n", b"\r\n"), r"t\.csv: this table does not belong[\s\S]*\.gitattributes"),
        (good.replace(b"0.1", b"0.2"), r"t\.csv: this table does not belong[\s\S]*Save the baseline again"),
        (None, r"t\.csv: cannot be read"),
    ):
        table.unlink() if content is None else table.write_bytes(content)
        with pytest.raises(RecordError, match=message):
            load_baseline(saved)[0].table()
    outside = json.loads(record.read_text())
    outside["predictions"]["file"] = "../../secret.csv"
    record.write_text(json.dumps(outside))
    with pytest.raises(RecordError, match="is not a plain file name"):
        load_baseline(saved)[0].table()
    record.write_bytes(pointer)
    with pytest.raises(RecordError, match=r"t\.json: this is a pointer of Git LFS"):
        load_baseline(saved)
    record.write_text("{}")
    with pytest.raises(RecordError, match=r"t\.json: not a record this version reads"):
        load_baseline(saved)
    record.unlink()
    with pytest.raises(RecordError, match="contains no record"):
        load_baseline(saved)


def test_the_latest_of_each_pair_is_taken() -> None:
    old, new = (entry(make_record(id=f"{day:016}", started=f"2026-01-0{day}T00:00:00+00:00")) for day in (1, 2))
    other = entry(make_record("n"))
    assert newest_of_pairs([new, other, old]) == ([new, other], [old])


def test_a_baseline_of_two_models_under_one_name_is_refused(tmp_path: Path) -> None:
    first, second = make_record(task="s"), make_record(task="t", id="f" * 16)
    other = second.model_copy(update={"model": second.model.model_copy(update={"weights_sha256": "another"})})
    with pytest.raises(UsageError, match=r"of m come from 2 different models: weights w on s; weights another"[:-4]):
        save_baseline("mixed", [entry(first), entry(other)], tmp_path)
    assert not list(tmp_path.iterdir())
