"""``vlmbench baseline`` as a user calls it."""

from __future__ import annotations

import io
import json
import subprocess
from hashlib import sha256
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from baseline_entries import answers
from command_line import Finished, command

from vlmbench.gate.baselines import store as baselines
from vlmbench.records import Imported, Predictions
from vlmbench.store import ResultStore
from vlmbench.testing.toy_records import make_failure, make_record


def baseline(*arguments: object, where: Path, code: int = 0) -> Finished:
    return command("baseline", *arguments, where=where, code=code)


def write(store: ResultStore, model: str, task: str, *, day: int = 1, top: int = 0) -> None:
    sink = io.BytesIO()
    pq.write_table(answers((top, top, top)), sink)
    id = f"{day:016}"
    predictions = Predictions(file=f"{id}.parquet", rows=3, sha256=sha256(sink.getvalue()).hexdigest())
    record = make_record(model, task, id, started=f"2026-01-0{day}T00:00:00+00:00")
    store.write(record.model_copy(update={"predictions": predictions}), sink.getvalue())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two models on two tasks, an older answer, an imported record, a failure and a torn file."""
    store = ResultStore(tmp_path / "results" / "runs")
    for model in ("ours", "theirs"):
        for task in ("cifar10", "dtd"):
            write(store, model, task, day=2)
    write(store, "ours", "dtd", top=7)
    foreign = Imported(program="clip_benchmark", file="x.json", sha256="0")
    store.write(make_record("ours", "mnist").model_copy(update={"predictions": None, "imported": foreign}), None)
    store.write_failure(make_failure("ours", "svhn"), "plan")
    (store.folder("ours", "dtd") / "torn.json").write_text("{")
    return tmp_path


def test_what_is_saved_is_the_latest_of_each_pair_and_what_is_not_is_said(folder: Path) -> None:
    done = baseline("save", "v1", "-m", "ours", where=folder)
    assert done.stdout.startswith("Saved 2 records in results/baselines/v1, 4 files, ") and "KiB" in done.stdout
    assert "torn.json" in done.stderr and "left out: 1 imported" in done.stderr
    assert "0000000000000001.json: a later record" in done.stderr
    assert [found.record.id for found in baselines.load_baseline(folder / "results/baselines/v1")] == [f"{2:016}"] * 2
    assert "already" in baseline("save", "v1", where=folder, code=2).stderr
    baseline("save", "v1", "-t", "cifar*", "--force", where=folder)
    names = sorted(path.name for path in (folder / "results/baselines/v1").rglob("*.*"))
    assert names == [*["cifar10.csv"] * 2, *["cifar10.json"] * 2]


def test_of_many_older_records_a_few_are_named(folder: Path) -> None:
    store = ResultStore(folder / "results" / "runs")
    for day in range(3, 10):
        write(store, "ours", "dtd", day=day)
    said = baseline("save", "v1", "-m", "ours", where=folder).stderr
    assert said.count("a later record of the same model") == 6 and "3 more records, because a later" in said


def test_a_suite_chooses_its_tasks(folder: Path) -> None:
    baseline("save", "v1", "-m", "ours", "-t", "survey-27", where=folder)
    assert json.loads(baseline("list", "--json", where=folder).stdout)[0]["tasks"] == ["cifar10", "dtd"]


def test_nothing_to_save_is_wrong_usage(folder: Path) -> None:
    assert "no record to save" in baseline("save", "v1", "-m", "nobody", where=folder, code=2).stderr
    assert "no results folder" in baseline("save", "v1", "--results", "x", where=folder, code=2).stderr
    assert "no baselines" in baseline("list", where=folder, code=2).stderr
    assert json.loads(baseline("list", "--json", where=folder).stdout) == []


def test_one_model_s_folder_will_do(folder: Path) -> None:
    (ours,) = (folder / "results" / "runs").glob("ours*")
    baseline("save", "v1", "--results", ours, where=folder)
    assert {found.record.model.name for found in baselines.load_baseline(folder / "results/baselines/v1")} == {"ours"}


def test_a_large_baseline_is_warned_of(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "much for a Git repository" not in baseline("save", "v1", where=folder).stderr
    monkeypatch.setattr(baselines, "LARGE_BYTES", 1000)
    assert "KiB is a lot for a Git repository" in baseline("save", "v2", where=folder).stderr


def test_list_and_show_say_what_there_is(folder: Path) -> None:
    baseline("save", "v1", where=folder)
    baseline("save", "broken", where=folder)
    for path in (folder / "results/baselines/broken").rglob("*.json"):
        path.write_text("{}")
    listed = baseline("list", where=folder)
    (row,) = [line.split() for line in listed.stdout.splitlines() if line.strip().startswith("v1")]
    assert row[:5] == ["v1", "ours,", "theirs", "2", "8"] and row[6] == "KiB"
    assert "left out" in listed.stderr and "broken" in listed.stderr
    shown = baseline("show", "v1", where=folder).stdout
    assert "Baseline v1" in shown and "8 files, " in shown and shown.count(" cifar10 ") == 2
    data = json.loads(baseline("show", "v1", "--json", where=folder).stdout)
    assert data["bytes"] == sum(data["files"].values()) and len(data["records"]) == 4
    assert "Did you mean 'v1'" in baseline("show", "v", where=folder, code=2).stderr
    assert "cannot be the name" in baseline("show", "../v1", where=folder, code=2).stderr


def test_a_committed_baseline_is_shown_by_its_revision(folder: Path) -> None:
    baseline("save", "v1", "-m", "ours", where=folder)
    who = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    for arguments in (("init",), ("add", "results/baselines"), ("commit", "-m", "v1")):
        subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)
    baseline("save", "v1", "-m", "theirs", "--force", where=folder)
    data = json.loads(baseline("show", "HEAD:v1", "--json", where=folder).stdout)
    assert [record["model"] for record in data["records"]] == ["ours", "ours"]
    assert "Baseline HEAD:v1" in baseline("show", "HEAD:v1", where=folder).stdout
