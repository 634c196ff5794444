"""Orders of models over tasks, by hand-worked cases and properties."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlmbench.reports.aggregates import Answer, Place, Standings, common_tasks, mean_interval, places, standings


def exact(**values: float) -> dict[str, Answer]:
    return {model: Answer(value) for model, value in values.items()}


def order(made: Standings) -> list[str]:
    return [standing.model for standing in made.models]


def test_means_are_over_common_tasks_and_missing_is_never_zero() -> None:
    answers = {"t1": exact(a=0.5, b=0.9), "t2": exact(a=0.7, b=0.1), "t3": exact(a=0.99)}
    made = standings(answers, {"t1": "x", "t2": "y"})
    assert made.tasks == ["t1", "t2"] and made.left_out == {}
    a, b = made.models
    assert (a.model, a.mean, b.mean) == ("a", pytest.approx(0.6), pytest.approx(0.5))
    assert a.by_kind == {"x": 0.5, "y": 0.7}


def test_of_chosen_tasks_the_models_that_lack_one_are_left_out() -> None:
    answers = {"t1": exact(a=0.5, b=0.9), "t2": exact(a=0.7)}
    made = standings(answers, {}, tasks=["t1", "t2"])
    assert order(made) == ["a"] and made.left_out == {"b": ["t2"]}
    assert made.models[0].borda is None, "alone, it beats nobody"


def test_nothing_in_common_is_nothing_to_compare() -> None:
    made = standings({"t1": exact(a=0.5), "t2": exact(b=0.5)}, {})
    assert made.models == [] and made.tasks == []
    assert standings({}, {}).models == []


def test_average_rank_and_borda() -> None:
    answers = {"t1": exact(a=0.9, b=0.5, c=0.1), "t2": exact(a=0.2, b=0.3, c=0.1)}
    found = {standing.model: (standing.average_rank, standing.borda) for standing in standings(answers, {}).models}
    assert found == {"a": (1.5, 0.75), "b": (1.5, 0.75), "c": (3.0, 0.0)}


def test_overlapping_intervals_are_ties_of_half_a_rank() -> None:
    answers = {"a": Answer(0.5, (0.4, 0.6)), "b": Answer(0.55, (0.45, 0.65)), "c": Answer(0.2, (0.1, 0.3))}
    found = places(answers)
    assert found == {"a": Place(0, 1, 1), "b": Place(0, 1, 1), "c": Place(2, 0, 0)}
    assert [(found[m].rank, found[m].text) for m in "abc"] == [(1.5, "1–2"), (1.5, "1–2"), (3.0, "3")]


def test_samples_in_common_tell_models_apart_that_intervals_do_not() -> None:
    answers = {"a": Answer(0.5, (0.4, 0.6)), "b": Answer(0.55, (0.45, 0.65)), "c": Answer(0.6, (0.5, 0.7))}
    errors = {("a", "b"): 0.02, ("b", "a"): 0.02}
    found = places(answers, errors)
    assert found["a"] == Place(1, 1, 0), "0.05 is beyond 1.96 x 0.02; c shares no samples, and overlaps"
    assert places(answers, {("a", "b"): 0.03, ("b", "a"): 0.03})["a"].tied == 2


def test_low_is_good_where_it_is() -> None:
    answers = {"a": Answer(3.0, (2.0, 4.0), False), "b": Answer(9.0, (8.0, 10.0), False)}
    assert places(answers) == {"a": Place(0, 0, 1), "b": Place(1, 0, 0)}
    assert places(answers, {("a", "b"): 1.0, ("b", "a"): 1.0})["a"] == Place(0, 0, 1)


def test_ranks_of_retrieval_count_for_ranks_and_not_for_means() -> None:
    answers = {
        "accuracy": exact(a=0.5, b=0.4),
        "rank": {"a": Answer(9.0, None, False, averaged=False), "b": Answer(2.0, None, False, averaged=False)},
    }
    a, b = standings(answers, {}).models
    assert (a.model, a.mean, a.average_rank, b.average_rank) == ("a", 0.5, 1.5, 1.5)


def test_the_place_by_the_mean_adds_paired_errors_over_tasks() -> None:
    answers = {t: {"a": Answer(0.50, (0.4, 0.6)), "b": Answer(0.53, (0.43, 0.63))} for t in ("t1", "t2", "t3", "t4")}
    error = {("a", "b"): 0.02, ("b", "a"): 0.02}
    made = standings(answers, {}, errors=dict.fromkeys(answers, error))
    assert [standing.place for standing in made.models] == [Place(0, 0, 1), Place(1, 0, 0)], "0.03 > 1.96 x 0.02 / 2"
    alone = standings(answers, {}, errors={"t1": error})
    assert [standing.place for standing in alone.models] == [Place(0, 1, 0)] * 2, "not every task pairs them"


def test_the_interval_of_a_mean_keeps_its_lopsidedness() -> None:
    low, high = mean_interval([Answer(0.5, (0.4, 0.7)), Answer(0.7, (0.7, 0.8))]) or (0, 0)
    assert low == pytest.approx(0.6 - 0.1 / 2) and high == pytest.approx(0.6 + math.hypot(0.2, 0.1) / 2)
    assert mean_interval([Answer(0.5, (0.4, 0.7)), Answer(0.5)]) is None and mean_interval([]) is None


def test_common_tasks_of_some_models() -> None:
    answers = {"t1": exact(a=0.5, b=0.9), "t2": exact(a=0.7)}
    assert common_tasks(answers) == ["t1"] and common_tasks(answers, ["a"]) == ["t1", "t2"]


ends = st.tuples(st.floats(0, 1), st.floats(0, 0.3), st.floats(0, 0.3))


@given(st.lists(ends, min_size=1, max_size=8))
def test_places_agree_with_comparing_every_pair(found: list[tuple[float, float, float]]) -> None:
    answers = {str(i): Answer(v, (v - below, v + above)) for i, (v, below, above) in enumerate(found)}
    for model, place in places(answers).items():
        low, high = answers[model].ends
        others = [answer.ends for name, answer in answers.items() if name != model]
        assert place.better == sum(other > high for other, _ in others)
        assert place.worse == sum(other < low for _, other in others)
        assert place.better + place.tied + place.worse == len(others)


@given(st.lists(st.lists(ends, min_size=3, max_size=3), min_size=1, max_size=4))
def test_ranks_and_borda_add_up(tasks: list[list[tuple[float, float, float]]]) -> None:
    answers = {
        f"t{i}": {str(m): Answer(v, (v - below, v + above)) for m, (v, below, above) in enumerate(found)}
        for i, found in enumerate(tasks)
    }
    made = standings(answers, {})
    assert math.isclose(sum(standing.average_rank for standing in made.models), 6.0), "1 + 2 + 3, however tied"
    assert math.isclose(sum(standing.borda or 0 for standing in made.models), 1.5)
