"""Plans: what a request becomes before any model is loaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest
import toy_adapter

from vlmbench.errors import UnknownNameError, UsageError
from vlmbench.run.execute import execute
from vlmbench.run.job import RunSettings
from vlmbench.run.listener import NotesAsWarnings
from vlmbench.run.plan import RunRequest, make_plan
from vlmbench.tasks.base import TaskOptions


def test_every_setting_of_a_job_is_the_requests() -> None:
    asked = RunSettings(
        data_root=Path("data"),
        device="cpu",
        precision="bf16",
        batch_size=3,
        offline=True,
        skip_bad=True,
        use_cache=False,
        workers=2,
        trust_remote_code=True,
        plugins=(Path("mine.py"),),
        strict=True,
        measure_memory=False,
    )
    assert all(getattr(asked, spec.name) != spec.default for spec in fields(RunSettings))
    values = {spec.name: getattr(asked, spec.name) for spec in fields(RunSettings)}
    assert RunRequest(("toy:a",), ("x",), Path("r"), **values).settings == asked


def test_a_plan_opens_the_data_and_loads_no_model(make_folder: Callable[..., Path], tmp_path: Path) -> None:
    toy_adapter.LOADED.clear()
    task = f"imagefolder:{make_folder({'cat': 3, 'dog': 2})}"
    request = RunRequest(("toy:a", "toy:b"), (task, "imagefolder:gone"), tmp_path / "runs", device="cpu")
    plan = make_plan(request)
    opened, absent = plan.tasks
    assert opened.question is not None and len(opened.question.indices) == 5 and opened.problem is None
    assert absent.question is None and absent.problem is not None and "gone" in absent.problem.message
    assert [card.name for card in plan.models] == ["toy:a", "toy:b"] and toy_adapter.LOADED == []


def test_an_executor_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="unknown executor 'loocal'"):
        make_plan(RunRequest(("toy:a",), ("imagefolder:x",), tmp_path, device="cpu", executor="loocal"))
    with pytest.raises(UsageError, match="'local': workers must be a whole number above 0, not 'four'"):
        make_plan(RunRequest(("toy:a",), ("imagefolder:x",), tmp_path, device="cpu", executor="local:four"))


def test_options_that_no_task_has_are_refused(make_folder: Callable[..., Path], tmp_path: Path) -> None:
    task = f"imagefolder:{make_folder({'cat': 1, 'dog': 1})}"
    options = TaskOptions(protocol={"readout": "sclip"})
    with pytest.raises(UsageError, match="none of these tasks has 'readout' to set"):
        make_plan(RunRequest(("toy:a",), (task,), tmp_path, device="cpu", options=options))


def test_a_broken_card_of_a_suite_fails_its_own_pairs_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_folder: Callable[..., Path]
) -> None:
    folder = make_folder({"a": 2, "b": 2})
    (tmp_path / "cards/tasks/suites").mkdir(parents=True)
    task = f"sources: [{{kind: imagefolder, location: {folder}}}]\n"
    for file, name in (("own-a", "own-a"), ("own-b", "other"), ("own-c", "own-c")):
        (tmp_path / f"cards/tasks/{file}.yaml").write_text(f"name: {name}\n{task}")
    (tmp_path / "cards/tasks/suites/own.yaml").write_text("name: own\ntasks: [own-a, own-b, own-c]\n")
    monkeypatch.setenv("VLMBENCH_CARDS", str(tmp_path / "cards"))
    request = RunRequest(models=("toy:a",), tasks=("own",), results=tmp_path / "runs", device="cpu")
    plan = make_plan(request)
    problems = {task.card.name: task.problem for task in plan.tasks}
    assert problems["own-a"] is None and problems["own-c"] is None
    assert "own-b.yaml: the card is named 'other'" in str(problems["own-b"])
    results = {result.task: result for result in execute(plan, request, NotesAsWarnings())}
    assert [results[name].status for name in ("own-a", "own-b", "own-c")] == ["done", "failed", "done"]
    assert results["own-b"].exit_code == 2 and results["own-b"].failure is not None
