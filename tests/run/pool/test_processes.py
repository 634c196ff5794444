"""Real processes of this machine: ``--executor local:N`` gives the records of one process, whatever dies on the way."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from run.deadly_adapter import DEADLY_ADAPTER
from run.same_records import Notes, Watched, same

from vlmbench.errors import UsageError
from vlmbench.run.execute import execute
from vlmbench.run.executors import find_executor
from vlmbench.run.listener import PairResult
from vlmbench.run.plan import RunRequest, make_plan
from vlmbench.run.pool.endings import ended
from vlmbench.run.pool.processes import visible_gpus


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[list[PairResult], Watched, RunRequest]]:
    """Four models on two tasks with two workers. One model poisons, and one dies once."""
    from vlmbench.testing.toy_data import write_image_folder

    folder = tmp_path_factory.mktemp("several")
    tasks = tuple(
        f"imagefolder:{write_image_folder(folder / name, {'cat': count, 'dog': count}, seed=seed)}"
        for seed, (name, count) in enumerate((("a", 6), ("b", 5)))
    )
    models = (
        "deadly:good",
        f"deadly:later@killed:{folder / 'killed'}",
        "deadly:bad@poison",
        f"deadly:both@meet:{folder / 'meet'}",
    )
    request = RunRequest(
        models,
        tasks,
        folder / "runs",
        device="cpu",
        batch_size=4,
        executor="local:2",
        plugins=(DEADLY_ADAPTER,),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VLMBENCH_CACHE", str(folder / "cache"))
        notes = Watched()
        yield execute(make_plan(request), request, notes), notes, request


Several = tuple[list[PairResult], Watched, RunRequest]


def test_a_worker_that_dies_costs_another_try_and_poison_is_a_recorded_failure(several: Several) -> None:
    results, notes, _ = several
    status = {(result.model.partition("@")[0], Path(result.task).name): result.status for result in results}
    assert [status[model, task] for model in ("deadly:good", "deadly:later", "deadly:both") for task in "ab"] == [
        "done"
    ] * 6
    assert [status["deadly:bad", task] for task in "ab"] == ["failed"] * 2
    assert sum("it was killed by signal 9 (SIGKILL)" in note and "died" in note for note in notes.notes) == 1
    poisoned = [result for result in results if result.status == "failed"]
    for result in poisoned:
        assert result.failure is not None and result.path is not None
        assert "the last because it ended with exit code 7 (log: " in result.failure.message
        logs = list(result.path.parent.glob("*.log"))
        assert len(logs) == 1 and logs[0].read_text().count("the poison works") == 3


def test_processes_work_at_the_same_time(several: Several) -> None:
    _, notes, request = several
    assert request.results is not None and isinstance(request.results, Path)
    met = {int(file.name) for file in (request.results.parent / "meet").iterdir()}
    assert notes.overlap and len(met) == 2 and met < set(notes.pids.values())


def test_records_are_those_of_one_process(several: Several, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results, _, request = several
    monkeypatch.setenv("VLMBENCH_CACHE", str(tmp_path / "cache"))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        alone = RunRequest(request.models[:1], request.tasks, tmp_path / "runs", device="cpu", batch_size=4)
        expected = execute(make_plan(alone), alone, Notes())
    finally:
        torch.set_num_threads(threads)
    found = {result.task: result.record for result in results if result.model == "deadly:good"}
    for result in expected:
        assert result.record is not None
        other = found[result.task]
        assert other is not None
        assert same(other) == same(result.record)
        assert result.path is not None and other.predictions is not None
        table = request.results / result.path.parent.relative_to(tmp_path / "runs") / other.predictions.file  # type: ignore[operator]
        assert table.read_bytes() == (result.path.parent / other.predictions.file).read_bytes()


def test_the_same_command_finds_the_records(several: Several) -> None:
    """Here in this process, since any executor finds the records of any other."""
    from dataclasses import replace

    _, _, request = several
    again = replace(request, executor="local", models=request.models[:1])
    assert {result.status for result in execute(make_plan(again), again, Notes())} == {"found"}


def test_nothing_stays_behind(several: Several) -> None:
    assert several
    mine = str(os.getpid())
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        assert not (any("nursery_process" in part for part in command) and mine in command)


@pytest.mark.parametrize(
    "executor",
    [
        *("local:0", "local:-1", "local:two", "local:1.5", "local:9999", "local:2,thread=1", "local:2,threads"),
        *("local:2,", "local:2,workers=3", "local:2,workers-per-gpu=2"),
    ],
)
def test_wrong_arguments(executor: str) -> None:
    with pytest.raises(UsageError, match="executor 'local'"):
        find_executor(executor)


def test_one_gpu_for_many_workers_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="names one GPU"):
        visible_gpus("cuda:1")
    assert visible_gpus("cpu") == []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert visible_gpus("auto") == ["0", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")
    assert visible_gpus("cuda") == ["5", "7"]


def test_how_processes_end() -> None:
    assert ended(-15) == "it was killed by signal 15 (SIGTERM)" and ended(-99) == "it was killed by signal 99"
    assert ended(0) == "it ended with exit code 0"
