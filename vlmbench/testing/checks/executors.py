"""Checks an executor against :mod:`vlmbench.run.executors.base`; authors of executors call :func:`check_executor`."""

from __future__ import annotations

import tempfile
from pathlib import Path

from vlmbench.cards import ModelCard, TaskCard
from vlmbench.models import ADAPTERS
from vlmbench.models.base import LoadOptions, Model
from vlmbench.run.executors import EXECUTORS
from vlmbench.run.executors.base import ExecutorFactory
from vlmbench.run.job import Job, RunSettings
from vlmbench.run.listener import NotesAsWarnings
from vlmbench.run.process_state import ProcessState
from vlmbench.tasks.base import TaskOptions
from vlmbench.testing.conformance import Conformance, Inspection
from vlmbench.testing.one_entry import registered
from vlmbench.testing.toy_data import write_image_folder
from vlmbench.testing.toy_models import ToyModel
from vlmbench.wording import counted

_MODELS = ("first", "second")
_ADAPTER = "toy-under-test"


class _Heard(NotesAsWarnings):
    """Notes which pairs were started."""

    def __init__(self) -> None:
        self.started: list[tuple[str, str]] = []

    def pair_started(self, *pair: object, **_: object) -> None:
        self.started.append((str(pair[0]), str(pair[1])))


def _load(card: ModelCard, options: LoadOptions) -> Model:
    return ToyModel(card, seed=len(card.name))


def check_executor(executor: str | ExecutorFactory, argument: str = "") -> Conformance:
    """Check everything that an executor promises, with two toy models on two toy tasks in this process.

    If an executor starts other processes, they do not know the toy models. Test such an executor with a real run.

    Args:
        executor: its registered name, or its factory.
        argument: the text after the colon in ``NAME:ARGUMENT``.

    Raises:
        ConformanceError: promises are broken; it lists all of them.
    """
    factory = EXECUTORS.get(executor) if isinstance(executor, str) else executor
    inspection = Inspection(f"the executor {executor!r}" if isinstance(executor, str) else "the given executor")
    with tempfile.TemporaryDirectory() as folder, registered(ADAPTERS, _ADAPTER, _load):
        jobs = _jobs(Path(folder))
        with inspection.promise(
            "Every job has one answer with the job's number, and the listener is told of each job that starts",
            fix="Yield answer_job(job, state) for each job, after state.listener.pair_started(model, task).",
        ):
            heard = _Heard()
            state = ProcessState(jobs[0].settings, heard)
            answers = list(factory(argument).run(iter(jobs), state))
            state.finish()
            numbers = sorted(answer.number for answer in answers)
            inspection.require(numbers == [job.number for job in jobs], f"{len(jobs)} jobs have the answers {numbers}")
            wrong = [answer for answer in answers if answer.record is None]
            inspection.require(not wrong, f"a job failed: {wrong[0].failure if wrong else ''}")
            for answer in answers:
                job, record = jobs[answer.number], answer.record
                same = record is not None and (record.model.name, record.task.name) == (job.model.name, job.task.name)
                inspection.require(same, f"job {answer.number} has the answer of another job")
            pairs = {(job.model.name, job.task.name) for job in jobs}
            inspection.require(
                set(heard.started) == pairs, f"the listener heard of {counted(len(set(heard.started)), 'pair')}"
            )
        with inspection.promise(
            "If it is closed after the first answer, it stops and frees its resources",
            fix="Free the resources in `finally`, and do not catch GeneratorExit.",
        ):
            state = ProcessState(jobs[0].settings, _Heard())
            running = factory(argument).run(iter(jobs), state)
            next(running)
            running.close()
            state.finish()
            inspection.require(next(running, None) is None, "it gives another answer after it was closed")
        with inspection.promise("An empty list of jobs has no answers", fix="Accept an empty list of jobs."):
            state = ProcessState(jobs[0].settings, _Heard())
            inspection.require(not list(factory(argument).run(iter(()), state)), "it gives an answer")
            state.finish()
    return inspection.conclude()


def _jobs(folder: Path) -> list[Job]:
    settings = RunSettings(device="cpu", use_cache=False, workers=1)
    tasks = []
    for number, name in enumerate(("cats", "dogs")):
        images = write_image_folder(folder / name, {"one": 2, "two": 2}, seed=number)
        source = {"kind": "imagefolder", "location": str(images)}
        tasks.append(TaskCard.model_validate({"name": name, "sources": [source]}))
    pairs = [(ModelCard(name=model, adapter=_ADAPTER), task) for model in _MODELS for task in tasks]
    return [Job(number, model, task, TaskOptions(), settings) for number, (model, task) in enumerate(pairs)]
