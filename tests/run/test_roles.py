"""Datasets by role: what a card states, what a question needs, what a record says of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import toy_adapter
from command_line import command

from vlmbench.cards import ROLES, Role, TaskCard, parse_card
from vlmbench.data.base import Chosen, ImageDataset, content_sha256
from vlmbench.data.hub.fetch import carry_out, plan_fetch
from vlmbench.data.open import open_dataset
from vlmbench.errors import CardError, DataError, MissingDataError, UnknownNameError, UsageError
from vlmbench.features.engine import FeatureEngine
from vlmbench.kinds import KINDS, TaskKind
from vlmbench.models.base import Model
from vlmbench.records import Record
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import WARNING
from vlmbench.run.execute import execute
from vlmbench.run.listener import NotesAsWarnings, PairResult
from vlmbench.run.names import resolve_tasks
from vlmbench.run.opened import OpenedData, open_task
from vlmbench.run.plan import RunRequest, make_plan
from vlmbench.run.prepare import roles_left_out, wanted_tasks
from vlmbench.store import read_record
from vlmbench.tasks.base import (
    Datasets,
    Outcome,
    Question,
    SharedDatasets,
    TaskOptions,
    UsesOtherRoles,
    question_data,
)
from vlmbench.tasks.classification.adapted import AdaptedQuestion
from vlmbench.tasks.classification.plugin import Classification
from vlmbench.transfer.asked import TransferAsked
from vlmbench.transfer.every import every_transfer
from vlmbench.transfer.relabelled import RelabelledDataset
from vlmbench.transfer.support import Pools

USED = 2


@dataclass(frozen=True)
class Supported:
    """A classification question that looks at the first training images too."""

    question: Question
    other_data: Mapping[Role, Chosen]

    @property
    def card(self) -> TaskCard:
        return self.question.card

    @property
    def dataset(self) -> ImageDataset:
        return self.question.dataset

    @property
    def indices(self) -> Sequence[int]:
        return self.question.indices

    @property
    def prompts_sha256(self) -> str:
        return self.question.prompts_sha256

    def protocol(self, model: Model) -> Mapping[str, Any]:
        return self.question.protocol(model)

    def unsupported(self, model: Model) -> str | None:
        return None

    def answer(self, engine: FeatureEngine) -> Outcome:
        train = self.other_data["train"]
        contents = {index: content_sha256(train.dataset, index) for index in train.indices}
        return replace(self.question.answer(engine), other_contents={"train": contents})


class WithSupport(Classification):
    def roles(self, card: TaskCard, options: TaskOptions) -> tuple[Role, ...]:
        return ("test", "train")

    def ask(self, card: TaskCard, datasets: Datasets, options: TaskOptions) -> Supported:  # type: ignore[override]
        return Supported(super().ask(card, datasets, options), {"train": Chosen(datasets["train"], range(USED))})


@pytest.fixture
def kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KINDS, "_entries", {**KINDS._entries})
    monkeypatch.setattr(KINDS, "_origin", {**KINDS._origin})
    KINDS.register("supported", TaskKind("supported", "With a support set", WithSupport(), metrics=("acc1",)))


@pytest.fixture
def folders(make_folder: Callable[..., Path]) -> dict[str, Path]:
    return {
        role: make_folder({"cat": 3, "dog": 2}, name=role, seed=seed)
        for seed, role in enumerate(("test", "train", "val"))
    }


def write_card(path: Path, folders: Mapping[str, Path], **fields: object) -> str:
    sources = {
        "sources" if role == "test" else role: [{"kind": "imagefolder", "location": str(folder)}]
        for role, folder in folders.items()
    }
    path.write_text(json.dumps({"name": path.stem, **sources, **fields}))
    return str(path)


def run(task: str, tmp_path: Path, **settings: object) -> PairResult:
    toy_adapter.LOADED.clear()
    request = RunRequest(("toy:a",), (task,), tmp_path / "runs", device="cpu", **settings)  # type: ignore[arg-type]
    (result,) = execute(make_plan(request), request, NotesAsWarnings())
    return result


def record_of(result: PairResult) -> Record:
    assert result.record is not None, result.failure
    return result.record


def test_a_card_states_its_sources_by_role() -> None:
    place = [{"kind": "imagefolder", "location": "x"}]
    card = parse_card(TaskCard, {"name": "t", "sources": place, "val": place}, where="t.yaml")
    assert list(card.sources_by_role) == ["test", "val"] and card.sources_by_role["test"] == card.sources
    with pytest.raises(CardError, match="train"):
        parse_card(TaskCard, {"name": "t", "sources": place, "train": []}, where="t.yaml")


def test_a_zero_shot_run_opens_the_test_role_alone(folders: dict[str, Path], tmp_path: Path) -> None:
    plain = record_of(run(write_card(tmp_path / "own.yaml", {"test": folders["test"]}), tmp_path))
    gone = {**folders, "train": tmp_path / "gone"}
    again = run(write_card(tmp_path / "own.yaml", gone), tmp_path)
    assert again.status == "found" and record_of(again) == plain
    assert again.path is not None and "other_data" not in again.path.read_text()


def test_data_of_other_roles_is_in_the_record_and_the_id(kinds: None, folders: dict[str, Path], tmp_path: Path) -> None:
    task = write_card(tmp_path / "own.yaml", folders, plugin="supported")
    result = run(task, tmp_path)
    record = record_of(result)
    train = record.task.other_data["train"]
    assert list(record.task.other_data) == ["train"]
    assert (train.location, train.samples, train.standard_samples) == (str(folders["train"]), USED, None)
    assert train.fingerprint != record.task.dataset.fingerprint and record.task.dataset.samples == 5
    assert result.path is not None and read_record(result.path) == record
    assert run(task, tmp_path).status == "found" and toy_adapter.LOADED[0].image_calls == 0
    (folders["val"] / "cat" / "000.png").unlink()  # of no role that it uses
    assert run(task, tmp_path).status == "found"
    used = sorted(folders["train"].rglob("*.png"))[0]
    used.write_bytes((folders["test"] / "dog" / "001.png").read_bytes())
    changed = run(task, tmp_path)
    assert changed.status == "done" and record_of(changed).id != record.id
    assert record_of(changed).metrics == record.metrics


def test_a_role_that_the_card_does_not_state_fails_the_pair(
    kinds: None, folders: dict[str, Path], tmp_path: Path
) -> None:
    failed = run(write_card(tmp_path / "own.yaml", {"test": folders["test"]}, plugin="supported"), tmp_path)
    assert failed.failure is not None and failed.failure.message == "task 'own' has no train data"
    assert failed.failure.hint is not None and "`train:`" in failed.failure.hint


def test_a_question_without_other_roles_has_one(kinds: None, folders: dict[str, Path], tmp_path: Path) -> None:
    plain = write_card(tmp_path / "plain.yaml", folders)
    more = write_card(tmp_path / "more.yaml", folders, plugin="supported")
    questions = [task.question for task in make_plan(RunRequest(("toy:a",), (plain, more), tmp_path)).tasks]
    assert questions[0] is not None and questions[1] is not None
    assert list(question_data(questions[0])) == ["test"] and not isinstance(questions[0], UsesOtherRoles)
    assert list(question_data(questions[1])) == ["test", "train"]


def test_val_data_that_is_not_there_is_left_out_with_a_remark(folders: dict[str, Path], tmp_path: Path) -> None:
    options = TaskOptions(transfer=TransferAsked("nearest-mean", shots=1, track="few-shot-validation"))
    gone = {**folders, "val": tmp_path / "gone"}
    shared: dict[Hashable, OpenedData] = {}
    for name, expected in (("whole", []), ("gone", ["val-absent"]), ("gone", ["val-absent"])):
        (card,) = resolve_tasks([write_card(tmp_path / f"{name}.yaml", gone if name == "gone" else folders)])
        opened = open_task(card, Classification(), options, None, shared=shared)
        assert opened.problem is None and [remark.code for remark in opened.remarks] == expected
    roles = [list(data.datasets) for data in shared.values() if isinstance(data.datasets, SharedDatasets)]
    assert roles == [["test", "train", "val"], ["test", "train"]]
    (card,) = resolve_tasks([write_card(tmp_path / "lost.yaml", {**folders, "train": tmp_path / "gone"})])
    assert isinstance(open_task(card, Classification(), options, None).problem, MissingDataError)


def test_questions_of_one_task_open_and_sort_its_data_once(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the train data, whose classes have another order, all questions get the same dataset."""
    opened, pooled = list[str](), list[ImageDataset]()
    pools_of = Pools.of

    def opening(*args: Any, **options: Any) -> ImageDataset:
        opened.append(args[0][0].location)
        found = open_dataset(*args, **options)
        if opened[-1] != str(folders["train"]) or found.classes is None:
            return found
        last = len(found.classes) - 1
        return RelabelledDataset(found, {label: last - label for label in range(last + 1)}, found.classes[::-1])

    def pooling(dataset: ImageDataset, num_classes: int) -> Pools:
        pooled.append(dataset)
        return pools_of(dataset, num_classes)

    monkeypatch.setattr("vlmbench.run.opened.open_dataset", opening)
    monkeypatch.setattr(Pools, "of", pooling)
    transfers = every_transfer(["knn", "gda", "zs-lp"], (1,), (0, 1), track="no-validation", options={})
    card = write_card(tmp_path / "own.yaml", {role: folders[role] for role in ("test", "train")})
    plan = make_plan(RunRequest(("toy:a",), (card,), tmp_path / "runs", device="cpu", transfers=transfers))
    assert [task.problem for task in plan.tasks] == [None] * 6
    questions = [task.question for task in plan.tasks if task.question]
    assert len(opened) == 2 and len(pooled) == 1 and pooled[0].classes == questions[0].dataset.classes
    assert all(isinstance(question, AdaptedQuestion) for question in questions)
    used = {id(question.other_data["train"].dataset) for question in questions if isinstance(question, AdaptedQuestion)}
    assert used == {id(pooled[0])}


def test_data_that_cannot_be_opened_is_tried_once_and_its_remarks_are_told_once(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def opening(*args: Any, **options: Any) -> ImageDataset:
        tried.append(args[0][0].location)
        say(WARNING, "the folder is odd")
        if args[0][0].location == str(tmp_path / "gone"):
            raise DataError("it is gone")
        return open_dataset(*args, **options)

    monkeypatch.setattr("vlmbench.run.opened.open_dataset", opening)
    transfers = every_transfer(["knn", "gda"], (1,), (0, 1, 2), track="no-validation", options={})
    broken = write_card(tmp_path / "broken.yaml", {"test": folders["test"], "train": tmp_path / "gone"})
    sound = write_card(tmp_path / "sound.yaml", {role: folders[role] for role in ("test", "train")})
    request = RunRequest(("toy:a",), (broken, sound), tmp_path / "runs", device="cpu", transfers=transfers)
    plan = make_plan(request)
    assert [task.problem and task.problem.message for task in plan.tasks] == ["it is gone"] * 6 + [None] * 6
    assert len(tried) == 4
    assert [remark.text for task in plan.tasks for remark in task.remarks] == ["the folder is odd"] * 12
    assert [(name, remark.text) for name, remark in plan.remarks] == [
        ("broken", "the folder is odd"),
        ("sound", "the folder is odd"),
    ]


def test_fetch_brings_the_roles_that_are_asked_for_and_names_them(folders: dict[str, Path], tmp_path: Path) -> None:
    card = write_card(tmp_path / "own.yaml", folders, samples=7)
    assert [each.name for each in wanted_tasks([card], None)] == ["own"]
    assert [each.name for each in wanted_tasks([card], None, ("train",))] == ["own (train)"]
    assert roles_left_out(wanted_tasks([card], None, ("test", "val"))) == ["train"]
    plain = write_card(tmp_path / "plain.yaml", {"test": folders["test"]})
    assert [each.name for each in wanted_tasks([card, plain], None, ("train",))] == ["own (train)"]
    with pytest.raises(UsageError, match="none of these tasks has train or val data"):
        wanted_tasks([plain], None, ("test", "train", "val"))
    wanted = wanted_tasks([card], None, ROLES)
    plan = plan_fetch(wanted, workers=1)
    assert [task.name for task in plan.tasks] == ["own", "own (train)", "own (val)"]
    assert [task.source.location for task in plan.tasks if task.source] == [str(path) for path in folders.values()]
    outcomes = carry_out(plan, workers=1, advance=lambda count: None)
    assert [(outcome.samples, outcome.expected) for outcome in outcomes] == [(5, 7), (5, None), (5, None)]


def test_a_source_of_any_role_must_be_known(folders: dict[str, Path], tmp_path: Path) -> None:
    task = write_card(tmp_path / "own.yaml", folders, train=[{"kind": "imagefoldr", "location": "x"}])
    with pytest.raises(UnknownNameError, match="imagefoldr"):
        make_plan(RunRequest(("toy:a",), (task,), tmp_path))


def test_the_command_line_shows_and_fetches_roles(folders: dict[str, Path], tmp_path: Path) -> None:
    task = write_card(tmp_path / "own.yaml", {role: folders[role] for role in ("test", "train")})
    shown = command("tasks", "show", task, code=0).stdout
    assert f"1. imagefolder {folders['test']}" in shown and "train data" in shown and "val data" not in shown
    assert f"1. imagefolder {folders['train']}" in shown
    alone = command("fetch", task, "--json", code=0)
    assert [row["role"] for row in json.loads(alone.stdout)["tasks"]] == ["test"]
    assert "train data is not fetched" in alone.stderr and "--roles test,train`" in alone.stderr
    rows = json.loads(command("fetch", task, "--roles", "test, train", "--json", code=0).stdout)["tasks"]
    assert [(row["task"], row["role"], row["samples"]) for row in rows] == [("own", "test", 5), ("own", "train", 5)]
