"""Two sides in, a comparison out, without files: who is compared, what is left out, and what a demand adds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest
from gate_cases import answers, labels, record_of, table

from vlmbench.errors import UsageError
from vlmbench.gate.entry import Entry
from vlmbench.gate.judge import CompareRequest, compare_sides
from vlmbench.gate.outcome import Comparison
from vlmbench.gate.policy import Gate
from vlmbench.gate.sides import Side
from vlmbench.record_parts.transfer import TransferCost, TransferInfo, TransferQuestion
from vlmbench.testing.toy_records import make_failure

N = 1000


def entry(wrong: Sequence[int], model: str = "m", task: str = "t", shift: float = 0.0, **fields: Any) -> Entry:
    predictions: pa.Table = table(answers(N, wrong), labels(N), shift=shift)
    record, _ = record_of(predictions, model, task, **fields)
    return Entry(record, lambda: predictions, "somewhere")


def side(*entries: Entry, **fields: Any) -> Side:
    return Side("side", entries, **fields)


def judged(baseline: Side, candidate: Side, gate: dict[str, Any] | None = None, **request: Any) -> Comparison:
    return compare_sides(baseline, candidate, CompareRequest(gate=Gate.model_validate(gate or {}), **request))


def test_the_same_answers_pass_and_worse_ones_do_not() -> None:
    same = judged(side(entry(range(100))), side(entry(range(100))))
    assert (same.verdict, same.exit_code, same.tasks[0].verdict) == ("passed", 0, "unchanged")
    worse = judged(side(entry(range(100))), side(entry(range(200), shift=0.1)))
    assert (worse.verdict, worse.exit_code) == ("regressed", 1)
    assert worse.tasks[0].gain is not None and worse.tasks[0].gain.value == pytest.approx(-0.1)


def test_tasks_are_told_as_they_begin_and_come_in_order() -> None:
    begun: list[str] = []
    both = side(entry([], task="b"), entry([], task="a"))
    found = judged(both, both, begun=begun.append)
    assert begun == ["a", "b"] == [task.task for task in found.tasks]


def test_what_the_baseline_has_the_candidate_must_have_unless_the_gate_asks_for_less() -> None:
    old, new = side(entry([], task="a"), entry([], task="b")), side(entry([], task="a"))
    found = judged(old, new)
    assert (found.verdict, found.exit_code) == ("not comparable", 3)
    assert [(task.task, [each.kind for each in task.mismatches]) for task in found.tasks if task.mismatches] == [
        ("b", ["missing"])
    ]
    less = judged(old, new, {"required": ["a"]})
    assert less.exit_code == 0 and any("b of m left out" in note for note in less.notes)


def test_a_task_that_neither_side_has_is_missing_where_the_gate_requires_it() -> None:
    both = side(entry([]))
    (_, absent) = sorted(judged(both, both, {"required": ["t", "zoo"]}).tasks, key=lambda task: task.task)
    assert (absent.task, absent.verdict, absent.baseline_model) == ("zoo", "not comparable", "–")


def test_a_run_that_failed_since_hides_the_record_before_it() -> None:
    failed = make_failure("m", "t", "out of memory", started="2030-01-01T00:00:00+00:00")
    found = judged(side(entry([])), side(entry([]), failures=[failed]))
    (mismatch,) = found.tasks[0].mismatches
    assert mismatch.kind == "missing" and "out of memory" in mismatch.meaning


def test_a_failure_of_an_adapted_run_hides_the_record_of_its_own_question_alone() -> None:
    asked = {"shots": 2, "draw": 0, "track": "leaky"}
    failed = make_failure("m", "t", "out of memory", started="2030-01-01T00:00:00+00:00")
    failed = failed.model_copy(update={"transfer": TransferQuestion(method="knn", **asked)})
    plain = judged(side(entry([])), side(entry([]), failures=[failed]))
    assert plain.tasks[0].verdict == "unchanged"
    adapted = entry([], transfer=TransferInfo(method="knn", version=1, cost=TransferCost(fit_seconds=1.0), **asked))
    found = judged(side(adapted), side(adapted, failures=[failed]))
    (mismatch,) = found.tasks[0].mismatches
    assert found.tasks[0].task == "t with knn, 2-shot, draw 0, leaky" and "out of memory" in mismatch.meaning
    absent = judged(side(adapted, entry([])), side(entry([]), failures=[failed]))
    assert ["out of memory" in each.meaning for task in absent.tasks for each in task.mismatches] == [True]


def test_a_gain_that_is_demanded_and_not_there_fails_a_task_that_did_not_regress() -> None:
    gate = {"rules": [{"tasks": ["t"], "must_improve": True}]}
    found = judged(side(entry(range(100))), side(entry(range(100))), gate)
    assert (found.verdict, found.tasks[0].verdict) == ("failed", "unchanged")
    (check,) = found.tasks[0].unmet
    assert check.demand == "must_improve" and check.message.endswith("the task is unchanged")


def test_a_class_below_its_floor_is_a_regression_whatever_the_whole_says() -> None:
    of_first = [row for row in range(N) if row % 5 == 0][:150]
    of_second = [row for row in range(N) if row % 5 == 1][:150]
    gate = {"rules": [{"tasks": ["t"], "max_class_drop": "10 points"}]}
    found = judged(side(entry(of_second)), side(entry(of_first, shift=0.1)), gate)
    assert found.tasks[0].verdict == "regressed" and found.tasks[0].gain is not None
    assert found.tasks[0].gain.value == 0 and [change.name for change in found.tasks[0].classes if change.broken] == [
        "cat"
    ]


def test_models_and_rules_that_nothing_is_compared_with_are_noted() -> None:
    gate = {"rules": [{"tasks": ["nothing-*"], "tolerance": 0.1}]}
    new = side(entry([]), entry([], "other", "t"), entry([], "m", "u", model__weights_sha256="x"))
    old = side(entry([]), entry([], "n", "t"))
    found = judged(old, new, gate, baseline_model="m")
    text = "\n".join(found.notes)
    assert "not compared: other" in text and "rules[0] matches no task (nothing-*)" in text
    assert found.baseline.records == 1 and found.baseline.models == ["m"]


def test_sides_without_a_common_task_are_an_error() -> None:
    with pytest.raises(UsageError, match="no task in common"):
        judged(side(entry([], task="a")), side(entry([], task="b")), {"required": []})
