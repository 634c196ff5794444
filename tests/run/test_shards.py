"""Shards of a plan: together the whole plan, each pair once, the same on every machine."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import toy_adapter
from hypothesis import given, settings
from hypothesis import strategies as st

from vlmbench.api import evaluate
from vlmbench.cards import ModelCard, SourceSpec, TaskCard, make_task
from vlmbench.data.base import ImageDataset, SourceContext
from vlmbench.data.open import open_dataset
from vlmbench.errors import UsageError
from vlmbench.run.execute import execute
from vlmbench.run.listener import NotesAsWarnings
from vlmbench.run.names import AskedTask
from vlmbench.run.plan import RunRequest, make_plan
from vlmbench.run.shards import divided, part_of
from vlmbench.store import ResultStore
from vlmbench.tasks.base import TaskOptions
from vlmbench.transfer.asked import TransferAsked

assert toy_adapter.LOADED is not None


def smallest_largest(costs: Sequence[int], parts: int) -> int:
    """The largest part of the best division, by trying all."""
    places = itertools.combinations_with_replacement(range(len(costs) + 1), parts - 1)
    bounds = ([0, *inner, len(costs)] for inner in places)
    return min(max(sum(costs[a:b]) for a, b in itertools.pairwise(each)) for each in bounds)


@settings(max_examples=40)
@given(st.lists(st.integers(1, 50), max_size=7), st.integers(1, 5))
def test_a_row_is_divided_as_evenly_as_can_be(costs: list[int], parts: int) -> None:
    places = divided(costs, parts)
    assert len(places) == parts + 1 and places[0] == 0 and places[-1] == len(costs) and places == sorted(places)
    sizes = [places[part + 1] - places[part] for part in range(parts)]
    assert sum(size > 0 for size in sizes) == min(parts, len(costs))
    assert max(sum(costs[a:b]) for a, b in itertools.pairwise(places)) == smallest_largest(costs, parts)


def card(name: str, samples: int | None) -> TaskCard:
    made = make_task(name, "classification", SourceSpec(kind="none", location=""))
    return made.model_copy(update={"samples": samples})


Pairs = list[tuple[str, str, str]]


def shard(models: int, tasks: Sequence[AskedTask], number: int, of: int) -> Pairs:
    cards = [ModelCard(name=f"m{place}", adapter="toy") for place in range(models)]
    own_models, own_tasks, found = part_of(cards, tasks, number, of)
    assert (found.of_pairs, found.of_models) == (models * len(tasks), models)
    named = [(own_models[pair // len(own_tasks)], own_tasks[pair % len(own_tasks)]) for pair in found.pairs]
    assert {model.name for model, _ in named} == {model.name for model in own_models}
    return [(model.name, task.card.name, task.options.transfer.method) for model, task in named]


@settings(max_examples=40)
@given(st.integers(1, 4), st.lists(st.none() | st.integers(1, 10**6), min_size=1, max_size=5), st.integers(1, 30))
def test_all_shards_are_the_plan_and_each_pair_is_in_one(models: int, samples: list[int | None], of: int) -> None:
    tasks = [AskedTask(card(f"t{place}", number), TaskOptions()) for place, number in enumerate(samples)]
    together = [pair for number in range(1, of + 1) for pair in shard(models, tasks, number, of)]
    assert together == shard(models, tasks, 1, 1)
    assert [pair[:2] for pair in together] == [(f"m{m}", task.card.name) for m in range(models) for task in tasks]


def test_shards_have_as_many_samples_as_each_other(tmp_path: Path) -> None:
    tasks = [AskedTask(card(name, n), TaskOptions()) for name, n in (("big", 900), ("a", 300), ("b", None), ("c", 300))]
    assert [name for _, name, _ in shard(1, tasks, 1, 2)] == ["big"]
    assert [name for _, name, _ in shard(1, tasks, 2, 2)] == ["a", "b", "c"]
    limited = [replace(task, options=TaskOptions(limit=100)) for task in tasks]
    assert [name for _, name, _ in shard(1, limited, 1, 2)] == ["big", "a"]
    assert shard(1, limited[:1], 2, 2) == shard(1, limited[:1], 10**12, 10**12) == []


def test_tasks_that_share_what_is_learnt_stay_together() -> None:
    """The order of the work is divided, in which the tasks of one fit follow each other."""
    learnt = [TransferAsked("tip-adapter", shots=shots, source=card("source", 10)) for shots in (1, 2)]
    tasks = [AskedTask(card(name, 10), TaskOptions(transfer=transfer)) for name in "ab" for transfer in learnt]
    for number in (1, 2):
        _, own, found = part_of([ModelCard(name="m", adapter="toy")], tasks, number, 2)
        assert {own[pair].options.transfer.shots for pair in found.pairs} == {number}


@pytest.fixture
def request_(make_folder: Callable[..., Path], tmp_path: Path) -> RunRequest:
    tasks = tuple(f"imagefolder:{make_folder({'cat': 2, 'dog': 2}, name=name)}" for name in "abc")
    return RunRequest(("toy:a", "toy:bb"), tasks, tmp_path / "runs", device="cpu", use_cache=False)


@pytest.mark.parametrize("of", [1, 4, 9])
def test_the_shards_of_an_array_fill_one_folder(request_: RunRequest, of: int) -> None:
    found = []
    for number in range(1, of + 1):
        request = replace(request_, shard=(number, of))
        plan = make_plan(request)
        results = execute(plan, request, NotesAsWarnings())
        assert len(results) == len(plan.pairs) and {result.status for result in results} <= {"done"}
        found += [(result.model, result.task) for result in results]
    assert found == [(model, task) for model in request_.models for task in request_.tasks]
    assert len(list(ResultStore(Path(str(request_.results))))) == 6
    assert {result.status for result in execute(make_plan(request_), request_, NotesAsWarnings())} == {"found"}


def test_data_of_other_shards_is_not_opened(request_: RunRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    def counted(sources: Sequence[SourceSpec], context: SourceContext) -> ImageDataset:
        opened.extend(spec.location for spec in sources)
        return open_dataset(sources, context)

    monkeypatch.setattr("vlmbench.run.opened.open_dataset", counted)
    plan = make_plan(replace(request_, shard=(2, 3)))  # the third task of the first model, the first of the second
    assert [task.card.name for task in plan.tasks] == [request_.tasks[0], request_.tasks[2]]
    assert [f"imagefolder:{location}" for location in opened] == [request_.tasks[0], request_.tasks[2]]
    assert [plan.pair(number)[0].name for number in plan.pairs] == ["toy:a", "toy:bb"]
    assert make_plan(replace(request_, shard=(9, 9))).pairs == ()


def test_answers_of_a_shard_with_one_model_lie_where_the_whole_run_puts_them(
    request_: RunRequest, tmp_path: Path
) -> None:
    for number in (1, 2):
        request = replace(request_, shard=(number, 2), save_answers=tmp_path / "answers")
        execute(make_plan(request), request, NotesAsWarnings())
    assert len(list((tmp_path / "answers").iterdir())) == 2  # a folder for each model


@pytest.mark.parametrize("wrong", [(0, 4), (5, 4), (-1, 2), (1,), (1, 2, 3), (1.0, 2), (True, 1), "1/4", [1, 4]])
def test_a_shard_that_no_plan_has_is_refused(request_: RunRequest, wrong: Any) -> None:
    with pytest.raises(UsageError, match="a shard is i/N, the part i of N parts, counted from 1"):
        replace(request_, shard=wrong)


def test_evaluate_takes_a_shard(request_: RunRequest, tmp_path: Path) -> None:
    parts = [
        evaluate(request_.models, request_.tasks, results=None, device="cpu", use_cache=False, shard=(number, 2))
        for number in (1, 2)
    ]
    assert [[record.model.name for record in part] for part in parts] == [["toy:a"] * 3, ["toy:bb"] * 3]
    assert evaluate("toy:a", request_.tasks[0], results=None, device="cpu", shard=(2, 2)) == []
