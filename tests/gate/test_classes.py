"""Floors under classes, and the changes of each: by hand, and in whole comparisons."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from gate_cases import CLASSES, N, one, rule, sides, two_sides

from vlmbench.gate.classes import against_floor, class_changes, floor_check, most_changed
from vlmbench.gate.compare import compare
from vlmbench.gate.outcome import ClassChange
from vlmbench.gate.policy import Amount
from vlmbench.metrics.difference import Difference, mcnemar_difference
from vlmbench.records import ClassResult

FLOOR = Amount(absolute=0.05)


def lost(n: int, count: int, right: int) -> Difference:
    before = np.arange(n) < right
    return mcnemar_difference(before, before & (np.arange(n) >= count))


def result(name: str, value: float | None) -> ClassResult:
    return ClassResult(name=name, n=1, values={"recall": value})


def test_two_classes_of_one_name_keep_their_own_numbers() -> None:
    before = [result("crane", 0.9), result("newt", 0.5), result("crane", 0.2)]
    after = [result("crane", 0.8), result("newt", None), result("crane", 0.2)]
    found = [(change.name, round(change.change, 3)) for change in class_changes(before, after)]
    assert found == [("crane", -0.1), ("crane", 0.0)]
    assert [change.baseline for change in class_changes(before[:2], after)] == [0.9], "by name where numbers differ"


def test_a_loss_of_just_what_is_allowed_is_allowed_whatever_rounding_makes_of_it() -> None:
    assert 0.7 - 0.75 < -0.05
    for n, count in ((20, 1), (100, 5), (300, 15)):
        (found,) = against_floor([("cat", n, lost(n, count, n))], FLOOR, "observed", 0.05)
        assert not found.broken
    difference = lost(20, 1, 15)
    rounded = Difference(**{**vars(difference), "value": 0.7 - 0.75})
    assert not against_floor([("cat", 20, rounded)], FLOOR, "observed", 0.05)[0].broken
    assert against_floor([("cat", 20, lost(20, 2, 15))], FLOOR, "observed", 0.05)[0].broken


def test_what_too_few_samples_leave_open_is_said_and_not_denied() -> None:
    few, sure = ("cat", 10, lost(10, 4, 10)), ("dog", 100, lost(100, 30, 100))
    found = floor_check(against_floor([few], FLOOR, "significant", 0.05), FLOOR)
    assert found.met is True and "beyond chance; 1 class did, but with too few samples" in found.message
    broken = floor_check(against_floor([few, sure], FLOOR, "significant", 0.05), FLOOR)
    assert broken.met is False and "1 of 2 classes" in broken.message and "dog (-30.0)" in broken.message
    calm = floor_check(against_floor([("cat", 10, lost(10, 0, 10))], FLOOR, "significant", 0.05), FLOOR)
    assert calm.message == "no class lost more than 5 points"
    assert "no classes" in floor_check([], FLOOR).message


def test_holm_over_the_classes_asks_more_of_each() -> None:
    alone = ("cat", 50, lost(50, 9, 50))
    calm = [(f"calm {place}", 500, lost(500, 0, 500)) for place in range(200)]
    assert against_floor([alone], FLOOR, "significant", 0.05)[0].broken
    assert not any(change.broken for change in against_floor([alone, *calm], FLOOR, "significant", 0.05))
    (one,), (shared,) = (against_floor([alone], FLOOR, "significant", 0.05, tasks=tasks) for tasks in (1, 40))
    assert one.p_worse is not None and shared.p_worse == min(1.0, 40 * one.p_worse)
    assert one.broken and not shared.broken


def test_over_many_tasks_floors_err_no_more_often_than_over_one() -> None:
    """Ten tasks of five classes, of which each lost just what it may."""
    random = np.random.default_rng(0)
    runs = wrong = 0
    for _ in range(200):
        lost_by_class = random.binomial(300, 0.05, (10, 5))
        found = [
            against_floor(
                [(str(count), 300, lost(300, count, 300)) for count in task], FLOOR, "significant", 0.05, tasks=10
            )
            for task in lost_by_class.tolist()
        ]
        runs, wrong = runs + 1, wrong + any(change.broken for task in found for change in task)
    assert wrong / runs <= 0.05


def test_of_many_classes_those_that_changed_most_and_all_that_broke_the_floor_are_shown() -> None:
    def change(place: int, by: float, broken: bool = False) -> ClassChange:
        return ClassChange(name=f"{place:02d}", n=9, baseline=0.5, candidate=0.5 + by, change=by, broken=broken)

    every = [change(place, -(20 - place) / 100) for place in range(19)] + [change(19, -0.001, broken=True)]
    every += [change(20 + place, (1 + place) / 100) for place in range(12)] + [change(40, 0.0)]
    shown = [found.name for found in most_changed(every)]
    assert shown == [f"{place:02d}" for place in (*range(10), 19, *range(22, 32))]


def class_loss(tmp_path: Path, lost: int) -> tuple[Path, Path]:
    """A class of 600 loses some; as many of others are gained."""
    of_first = [row for row in range(N) if row % len(CLASSES) == 0]
    others = [row for row in range(N) if row % len(CLASSES) == 1][:lost]
    return sides(tmp_path, others, of_first[:lost])


def test_a_class_floor_holds_beyond_chance_or_as_observed(tmp_path: Path) -> None:
    floor = {"max_class_drop": "5 points"}
    old, new = class_loss(tmp_path / "much", 90)  # 15 points of one class
    assert compare(old, new).exit_code == 0, "without a floor the whole counts"
    found = compare(old, new, gate=rule(**floor))
    task = one(found)
    assert (task.verdict, found.exit_code) == ("regressed", 1)
    assert [(change.name, change.broken) for change in task.classes] == [("cat", True), ("dog", False)]
    assert "cat (-15.0)" in task.unmet[0].message and task.classes[0].change == pytest.approx(-0.15)
    old, new = class_loss(tmp_path / "little", 33)  # 5.5 points: more than the floor, and no evidence of it
    assert compare(old, new, gate=rule(**floor)).exit_code == 0
    assert compare(old, new, gate=rule(**floor, class_evidence="observed")).exit_code == 1


def test_floors_under_several_tasks_share_the_significance(tmp_path: Path) -> None:
    of_first = [row for row in range(N) if row % len(CLASSES) == 0]
    floor = {"max_class_drop": "5 points", "tolerance": "5 points"}
    tasks = {f"t{place}": (N, [], of_first[:47] if place == 0 else []) for place in range(8)}
    old, new = two_sides(tmp_path, tasks)
    alone = compare(old / "m" / "t0", new / "m" / "t0", gate=rule("t*", **floor))
    together = compare(old, new, gate=rule("t*", **floor))
    (first,) = (task for task in together.tasks if task.task == "t0")
    by_itself, among_eight = one(alone).classes[0].p_worse, first.classes[0].p_worse
    assert by_itself is not None and 8 * by_itself == pytest.approx(among_eight)
    assert (one(alone).verdict, first.verdict) == ("regressed", "unchanged")
