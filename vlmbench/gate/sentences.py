"""What every format says of a comparison in sentences: the verdict, its reasons, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from vlmbench.gate.figures import (
    DASH,
    amount,
    interval,
    is_fine,
    metric,
    p_text,
    short,
    title,
    value,
    worst_first,
)
from vlmbench.gate.outcome import Comparison, Gain, Mismatch, TaskComparison

_NAMED = 8
"""Tasks that are named where the same holds for several."""
_LONGEST_REASON = 600
"""Characters of what went wrong: it may quote a file or a program."""
_TOLERANCE = "If a loss is acceptable, give its task a tolerance in the gate file."
_MORE_SAMPLES = "Where there is too little data, score more samples, or widen the margin in the gate file."


def of_task(task: TaskComparison) -> list[str]:
    """What a reader must know of a task. Empty where it is fine and the table says all."""
    return list(_sentences(task))


def of_fine(comparison: Comparison) -> list[str]:
    """Why tasks are fine whose scores are not the same, each with the tasks that it is said of."""
    return [f"{names}: {said}" for names, said in _grouped(filter(is_fine, comparison.tasks))]


def remedy(task: TaskComparison) -> str:
    """What to do about the verdict, where that is the same for every task of it; else empty."""
    if task.verdict == "regressed":
        return _TOLERANCE if _is_worse(task) else ""
    return _MORE_SAMPLES if task.verdict == "inconclusive" else ""


def remedies(comparison: Comparison) -> list[str]:
    """What to do, each said once."""
    return list(dict.fromkeys(filter(None, map(remedy, worst_first(comparison)))))


def paragraphs(comparison: Comparison) -> list[tuple[str, str]]:
    """Names of tasks, and what is to be said of them; of several the same is said once."""
    return _grouped(worst_first(comparison))


def headline(comparison: Comparison) -> str:
    """The overall verdict in one line."""
    return f"{comparison.verdict.upper()}: {_why(comparison)}"


def overridden(comparison: Comparison) -> list[str]:
    """What was let pass, and of which tasks."""
    found: dict[str, list[str]] = {}
    for task in comparison.tasks:
        for line in passed_over(task):
            found.setdefault(line, []).append(title(task))
    return [f"{_listed(names)}: {line}" for line, names in found.items()]


def passed_over(task: TaskComparison) -> list[str]:
    """What was let pass of one task."""
    return [f"{told(found)} (--allow {found.kind})" for found in task.overridden]


def told(found: Mismatch) -> str:
    """In what two records differ."""
    return f"Different {found.field}: baseline {short(found.baseline)}; candidate {short(found.candidate)}"


def compared(comparison: Comparison) -> str:
    """What was compared, in one line."""
    sides = (comparison.baseline, comparison.candidate)
    before, after = (
        f"{short(side.label)} ({', '.join(map(short, side.models[:3]))}"
        f"{f' and {len(side.models) - 3:,} more' if len(side.models) > 3 else ''})"
        for side in sides
    )
    gate = f"gate file {short(comparison.gate)}" if comparison.gate else "the default gate"
    return f"Comparing candidate {after} against baseline {before}, by {gate}"


def _grouped(tasks: Iterable[TaskComparison]) -> list[tuple[str, str]]:
    found: dict[str, list[str]] = {}
    for task in tasks:
        if said := " ".join(of_task(task)):
            found.setdefault(said, []).append(title(task))
    return [(_listed(names), said) for said, names in found.items()]


def _why(comparison: Comparison) -> str:
    counts = [
        (comparison.count(name), name)
        for name in ("regressed", "not comparable", "inconclusive", "unchanged", "improved")
    ]
    said = ", ".join(f"{count:,} {name}" for count, name in counts if count)
    unmet = sum(len(task.unmet) for task in comparison.tasks)
    unchecked = sum(len(task.unchecked) for task in comparison.tasks)
    parts = [f"{len(comparison.tasks):,} task{'s' * (len(comparison.tasks) != 1)}: {said}"]
    if unmet:
        parts.append(f"{unmet:,} demand{'s' * (unmet != 1)} not met")
    if unchecked:
        parts.append(f"{unchecked:,} demand{'s' * (unchecked != 1)} that could not be checked")
    if comparison.verdict == "inconclusive" and comparison.exit_code == 0:
        parts.append("which the gate tolerates")
    return "; ".join(parts)


def _sentences(task: TaskComparison) -> Iterator[str]:
    if task.verdict == "regressed" and task.gain is not None:
        yield from _regressed(task, task.gain)
    elif task.verdict == "inconclusive" and task.gain is not None:
        yield _inconclusive(task, task.gain)
    elif task.verdict == "not comparable":
        yield from (f"{_reason(found)}{_override(found)}" for found in task.mismatches)
    if task.rounding is not None:
        yield f"Every score agrees within {task.rounding.tolerance:g}, and no decision changed: rounding."
    if task.rounding is not None or task.verdict in ("regressed", "inconclusive"):
        yield from _parts(task)
    for check in task.checks:
        if check.met is False:
            yield f"Demand not met, {check.demand}: {short(check.message, 400)}."
        elif check.met is None:
            yield f"Demand not checked, {check.demand}: {short(check.message, 400)}."


def _regressed(task: TaskComparison, gain: Gain) -> Iterator[str]:
    if not _is_worse(task):  # a class broke its floor, which says so itself
        return
    beyond = f", more than the tolerance of {amount(task, task.tolerance)}" if task.tolerance else ""
    ends = interval(task)
    unit = "ranks" if task.unit == "rank" else "points"
    spread = f", 95% interval of the change {ends[0]} to {ends[1]} {unit}" if ends else ""
    figures = f"{value(task, task.baseline)} → {value(task, task.candidate)}{spread}; p {_equals(p_text(gain.p_worse))}"
    yield f"{metric(task)} is worse by {amount(task, gain.value)}{beyond} ({figures})."
    if gain.gained is not None and gain.lost is not None:
        yield f"Of {gain.samples:,} samples {gain.lost:,} turned wrong and {gain.gained:,} turned right."


def _inconclusive(task: TaskComparison, gain: Gain) -> str:
    worst = None if gain.ci95 is None else -gain.ci95[0]
    possible = (
        f"the loss may be up to {amount(task, worst)}"
        if worst is not None
        else "how large a loss there is cannot be told"
    )
    shows = (
        f"{gain.samples:,} samples show losses of {amount(task, gain.detectable)} or more"
        if gain.detectable is not None and (task.unit == "rank" or gain.detectable < 1)
        else f"{gain.samples:,} samples show no loss at all"
    )
    enough = f"about {gain.samples_needed:,} would settle it" if gain.samples_needed else "more are needed to settle it"
    return (
        f"Too little data: {possible}, and one of {amount(task, task.margin)} or more must be ruled out. "
        f"{shows}; {enough}."
    )


def _parts(task: TaskComparison) -> Iterator[str]:
    """Which parts of the two models are the same: evidence beside the verdict, never its reason."""
    if "weights" in task.equal:
        other = f", but another {_and(task.unlike)}" if task.unlike else ""
        yield f"Both sides have the same {_and(task.equal)}{other}."
    elif task.rounding is not None and task.unlike:
        yield f"The two sides have other {_and(task.unlike)}."


def _and(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _is_worse(task: TaskComparison) -> bool:
    """Whether the metric itself is worse beyond the tolerance and chance."""
    return task.gain is not None and task.gain.p_worse <= task.significance


def _reason(found: Mismatch) -> str:
    """Why a task is not comparable; of what is missing or cannot be read there are no two values to show."""
    meaning = short(found.meaning, _LONGEST_REASON)
    if found.kind == "missing":
        return meaning
    if found.baseline == found.candidate == DASH:
        return f"The answers cannot be paired: {meaning}"
    if found.baseline == found.candidate:  # what neither has is no difference
        return f"{found.field}, on both sides: {short(found.baseline)}. {meaning}"
    return f"{told(found)}. {meaning}"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(dict.fromkeys(names[:_NAMED]))
    return f"{shown} and {len(names) - _NAMED:,} more" if len(names) > _NAMED else shown


def _override(found: Mismatch) -> str:
    return "" if found.kind in ("missing", "answers") else f" --allow {found.kind} compares them nonetheless."


def _equals(p: str) -> str:
    return p if p.startswith("<") else f"= {p}"
