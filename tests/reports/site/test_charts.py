"""Pareto fronts and robustness, by hand and against every pair."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlmbench.reports.published import Published
from vlmbench.reports.site.board import Board, board
from vlmbench.reports.site.charts import SHIFTS, Cost, clean, costs, measures, pareto, robustness
from vlmbench.reports.site.collect import collect
from vlmbench.reports.site.headings import model_headings
from vlmbench.store import ResultStore


def cheap(values: Sequence[float | None]) -> Cost:
    return Cost("c", "cost", True, tuple(values))


def test_a_front_by_hand() -> None:
    #              dominated by 1 | front | front | dearer, no better | unknown
    assert pareto(cheap([2, 1, 3, 4, None]), [0.5, 0.6, 0.7, 0.7, 0.9]) == (1, 2)


def test_of_throughput_more_is_better() -> None:
    assert pareto(Cost("s", "speed", False, (10.0, 20.0, 5.0)), [0.5, 0.4, 0.3]) == (1, 0)


def test_equal_points_are_both_on_the_front() -> None:
    assert pareto(cheap([1, 1, 1]), [0.5, 0.5, 0.4]) == (0, 1)


points = st.lists(st.tuples(st.integers(1, 5), st.integers(0, 5)), max_size=12)


@given(points)
def test_a_front_is_exactly_what_nothing_dominates(found: list[tuple[int, int]]) -> None:
    prices, values = [float(p) for p, _ in found], [float(v) for _, v in found]
    undominated = {
        i
        for i, (price, value) in enumerate(found)
        if not any((p <= price and v > value) or (p < price and v >= value) for p, v in found)
    }
    assert set(pareto(cheap(prices), values)) == undominated


def test_costs_and_measures_of_records(store: ResultStore, put: Callable[..., str]) -> None:
    put("a", "t", 0.5)
    put("b", "t", 0.6)
    made = _board(store)
    axes = costs(made)
    assert [cost.key for cost in axes] == ["parameters", "speed: cpu, fp32"]
    (mean, task) = measures(made, axes)
    assert (mean.key, task.key) == ("all", "task-t")
    assert task.values == (0.5, 0.6)
    assert set(task.fronts) == {"parameters", "speed: cpu, fp32"}


def test_a_front_is_of_models_that_were_asked_alike(store: ResultStore, put: Callable[..., str]) -> None:
    paper = Published("PaperNet", "cifar10", "acc1", 0.99, "A Paper", table="det", variant={})
    zoo = replace(paper, model="clip-vit-b-32-openai", table="open_clip", value=0.6)
    larger = replace(zoo, model="clip-vit-l-14-openai", value=0.7)

    def front() -> tuple[list[str], str]:
        made = _board(store, (paper, zoo, larger))
        (measure,) = [one for one in measures(made, costs(made)) if one.key == "task-cifar10"]
        return [made.rows[index].model.name for index in measure.fronts["parameters"]], measure.among

    assert front() == (["clip-vit-b-32-openai", "clip-vit-l-14-openai"], "published by open_clip")
    put("a", "cifar10", 0.5)
    assert front() == (["a"], "measured")


def test_the_mean_shift_is_over_all_shifts_or_is_not(store: ResultStore, put: Callable[..., str]) -> None:
    for model, tasks in (("all", ("imagenet1k", *SHIFTS)), ("some", ("imagenet1k", *SHIFTS[:2])), ("none", SHIFTS)):
        for place, task in enumerate(tasks):
            put(model, task, 0.8 - 0.1 * place)
    made = _board(store)
    by_key = {
        shift.key: dict(zip([row.model.name for row in made.rows], shift.values, strict=True))
        for shift in robustness(made)
    }
    assert by_key["mean"]["all"] == pytest.approx((0.7 + 0.6 + 0.5 + 0.4 + 0.3) / 5)
    assert by_key["mean"]["some"] is None
    assert by_key[SHIFTS[1]]["some"] == pytest.approx(0.6)
    assert by_key[SHIFTS[0]]["none"] is None
    assert dict(zip([row.model.name for row in made.rows], clean(made), strict=True))["none"] is None


def _board(store: ResultStore, published: tuple[Published, ...] = ()) -> Board:
    collected = collect(store, published)
    return board(collected, model_headings(collected))
