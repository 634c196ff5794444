"""A suite's own subset: drawn by class, written down, the same for every model, and the user's limit before it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import toy_adapter

from vlmbench.errors import UsageError
from vlmbench.records import Record
from vlmbench.reports.builders.results import results_table
from vlmbench.reports.site.command import command
from vlmbench.run.execute import execute
from vlmbench.run.listener import NotesAsWarnings
from vlmbench.run.plan import RunRequest, make_plan
from vlmbench.tasks.base import TaskOptions

CLASSES = {"bird": 24, "cat": 12, "dog": 3, "fish": 1, "horse": 20}


@pytest.fixture
def suite(make_folder: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A suite of one task with 60 images, of which it asks 20."""
    source = {"kind": "imagefolder", "location": str(make_folder(CLASSES))}
    (tmp_path / "cards" / "tasks" / "suites").mkdir(parents=True)
    (tmp_path / "cards" / "tasks" / "own.yaml").write_text(
        json.dumps({"name": "own", "sources": [source], "samples": 60})
    )
    quick = {"name": "quick", "tasks": ["own"], "sample": {"size": 20, "by": "class"}}
    (tmp_path / "cards" / "tasks" / "suites" / "quick.yaml").write_text(json.dumps(quick))
    monkeypatch.setenv("VLMBENCH_CARDS", str(tmp_path / "cards"))
    return "quick"


def run(
    tmp_path: Path, *tasks: str, options: TaskOptions | None = None, models: tuple[str, ...] = ("toy:a",)
) -> list[Record]:
    toy_adapter.LOADED.clear()
    request = RunRequest(models, tasks, tmp_path / "runs", device="cpu", options=options or TaskOptions())
    return [result.record for result in execute(make_plan(request), request, NotesAsWarnings()) if result.record]


def labels(tmp_path: Path, record: Record) -> dict[int, int]:
    (found,) = (tmp_path / "runs").glob(f"*/own/{record.id}.parquet")
    return dict(Counter(pq.read_table(found)["label"].to_pylist()))


def test_a_suites_sample_is_drawn_by_class_and_written_down(suite: str, tmp_path: Path) -> None:
    first, second = run(tmp_path, suite, models=("toy:a", "toy:bb"))
    assert labels(tmp_path, first) == {0: 8, 1: 4, 2: 1, 3: 1, 4: 6}
    assert (first.run.limit, first.run.drawn, first.task.dataset.samples) == (20, "by class", 20)
    assert first.task.dataset.fingerprint == second.task.dataset.fingerprint
    table = results_table([first])
    assert table.rows[0][-1] == "20 of 60 samples by class"
    assert "±20.1 points at worst" in table.notes[0] and table.notes[0].startswith("subset of 20 samples: ")


def test_the_same_question_asked_without_the_suite_is_the_same_run(suite: str, tmp_path: Path) -> None:
    (asked,) = run(tmp_path, suite)
    options = TaskOptions(limit=20, stratified=True)
    (again,) = run(tmp_path, "own", options=options)
    assert again == asked
    (at_random,) = run(tmp_path, "own", options=TaskOptions(limit=20))
    assert at_random.id != asked.id and at_random.run.drawn == "at random"
    (everything,) = run(tmp_path, "own")
    assert everything.run.limit is everything.run.drawn is None and results_table([everything]).notes == []
    assert "--limit 20 --stratified" in command(asked, ()).text


def test_the_users_limit_takes_the_place_of_the_suites(suite: str, tmp_path: Path) -> None:
    (record,) = run(tmp_path, suite, options=TaskOptions(limit=10))
    assert (record.run.limit, record.run.drawn) == (10, "by class")
    (whole,) = run(tmp_path, suite, options=TaskOptions(limit=60))
    assert whole.run.limit is whole.run.drawn is None


def test_one_task_on_two_subsets_is_refused(suite: str, tmp_path: Path) -> None:
    for tasks in (("own", suite), (suite, "own")):
        with pytest.raises(UsageError, match=r"task 'own' is named with two different subsets[\s\S]*--stratified"):
            run(tmp_path, *tasks)
    (record,) = run(tmp_path, suite, "own", options=TaskOptions(limit=10, stratified=True))
    assert record.run.limit == 10
