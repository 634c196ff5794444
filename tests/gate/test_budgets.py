"""Speed and memory are held against their budgets, or said to be unknown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gate_cases import N, answers, labels, one, rule, sides, table, write

from vlmbench.gate.compare import compare
from vlmbench.gate.outcome import TaskComparison


def test_budgets_are_kept_exceeded_or_said_to_be_unknown(tmp_path: Path) -> None:
    same = (range(10), range(10))

    def budgets(name: str, **run: Any) -> tuple[TaskComparison, int]:
        old, new = sides(tmp_path / name, *same, **{f"run__{key}": value for key, value in run.items()})
        found = compare(old, new, gate=rule(min_speed_ratio=0.9, max_memory_ratio=1.1))
        return one(found), found.exit_code

    slow, code = budgets("slow", images_per_second=8.0)
    assert code == 1 and slow.verdict == "unchanged" and [check.demand for check in slow.unmet] == ["min_speed_ratio"]
    assert "ratio 0.80, the gate demands at least 0.9" in slow.unmet[0].message
    fast, code = budgets("fast", images_per_second=9.5)
    assert code == 1 and not fast.unmet and [check.demand for check in fast.unchecked] == ["max_memory_ratio"]
    cached, code = budgets("cached", images_per_second=None)
    assert (
        code == 1
        and "came from the cache" in cached.unchecked[0].message
        and "--no-cache" in cached.unchecked[0].message
    )
    for key, value in (("device", "cuda"), ("batch_size", 64), ("workers", 7)):
        other, _ = budgets(key, **{key: value, "images_per_second": 1.0})
        assert not other.unmet and all("cannot be compared" in check.message for check in other.unchecked)


def test_speeds_of_two_processors_are_not_compared(tmp_path: Path) -> None:
    predictions = table(answers(N, range(10)), labels(N))
    for name, processor in (("old", "a CPU, 2 cores"), ("new", "a CPU, 4 cores"), ("unknown", None)):
        write(tmp_path / name, predictions, run__processor=processor, run__images_per_second=10.0)

    def against(candidate: str) -> TaskComparison:
        return one(compare(tmp_path / "old", tmp_path / candidate, gate=rule(min_speed_ratio=0.9)))

    (check,) = against("new").unchecked
    assert check.message == "speed cannot be compared: processor a CPU, 2 cores and a CPU, 4 cores"
    assert not against("old").unchecked
    assert not against("unknown").unchecked, "an older record does not name it"


def test_memory_is_held_against_its_budget(tmp_path: Path) -> None:
    predictions = table(answers(N, range(10)), labels(N))
    for name, peak in (("old", 1000 * 2**20), ("new", 1200 * 2**20)):
        write(tmp_path / name, predictions, run__peak_memory_bytes=peak)
    found = compare(tmp_path / "old", tmp_path / "new", gate=rule(max_memory_ratio=1.1))
    assert (found.verdict, found.exit_code) == ("failed", 1)
    assert one(found).unmet[0].message == "1,200 MiB at its peak, 1,000 before: ratio 1.20, at most 1.1 allowed"
    assert compare(tmp_path / "old", tmp_path / "new", gate=rule(max_memory_ratio=1.2)).exit_code == 0
