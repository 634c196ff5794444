"""Makes the sentences about a comparison: the verdict, its reasons, and what to do.

The terminal and every format for people use them.
"""

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
from vlmbench.gate.outcome import Comparison, Gain, Mismatch, OverDraws, TaskComparison
from vlmbench.wording import counted, listed

_NAMED = 8
"""The most tasks to name in one sentence."""
_LONGEST_REASON = 600
"""The most characters of a failure's message, which may quote a file or a program."""
_TOLERANCE = "If a loss is acceptable, give its task a tolerance in the gate file."
_MORE_SAMPLES = "If there is too little data, score more samples, or widen the margin in the gate file."


def of_task(task: TaskComparison) -> list[str]:
    """What a reader must know about a task. Empty if the task is fine and the table shows everything."""
    return list(_sentences(task))


def of_fine(comparison: Comparison) -> list[str]:
    """Why tasks with different scores are fine: each reason with its tasks."""
    return [f"{names}: {said}" for names, said in _grouped(filter(is_fine, comparison.tasks))]


def remedy(task: TaskComparison) -> str:
    """What to do about the verdict, if it is the same for every task with it; else empty."""
    if task.verdict == "regressed":
        return _TOLERANCE if _is_worse(task) else ""
    return _MORE_SAMPLES if task.verdict == "inconclusive" else ""


def remedies(comparison: Comparison) -> list[str]:
    """What to do, without repetition."""
    return list(dict.fromkeys(filter(None, map(remedy, worst_first(comparison)))))


def paragraphs(comparison: Comparison) -> list[tuple[str, str]]:
    """Groups of tasks with the same sentences: their names, and the sentences once."""
    return _grouped(worst_first(comparison))


def of_draws(comparison: Comparison) -> list[str]:
    """A sentence for each adapted model with several draws."""
    return [_of_draws(each) for each in comparison.over_draws if each.draws > 1]


def _of_draws(each: OverDraws) -> str:
    def signed(number: float) -> str:
        shown = 100 * number if each.unit == "fraction" else number
        return f"{round(shown, 2) + 0.0:+.2f}".replace("-", "−")

    low, high = map(signed, each.ci95 or (each.gain, each.gain))
    learnt = f", {each.learnt}" if each.learnt else ""
    method = f"{each.method} ({each.detail})" if each.detail else each.method
    name = f"{each.task} with {method}, {each.shots}-shot, {each.track}{learnt}"
    several = (
        each.baseline_model
        if each.baseline_model == each.candidate_model
        else (f"{each.baseline_model} → {each.candidate_model}")
    )
    unit = "points" if each.unit == "fraction" else "ranks"
    return (
        f"{short(several)} on {short(name)}: over {counted(each.draws, 'draw')} {signed(each.gain)} {unit} of "
        f"{each.metric} [{low}, {high}], worse in {each.worse}"
    )


def headline(comparison: Comparison) -> str:
    """The overall verdict in one line."""
    return f"{comparison.verdict.upper()}: {_why(comparison)}"


def overridden(comparison: Comparison) -> list[str]:
    """The differences that --allow permits, with their tasks."""
    found: dict[str, list[str]] = {}
    for task in comparison.tasks:
        for line in passed_over(task):
            found.setdefault(line, []).append(title(task))
    return [f"{_listed(names)}: {line}" for line, names in found.items()]


def passed_over(task: TaskComparison) -> list[str]:
    """The differences of one task that --allow permits."""
    return [f"{told(found)} (--allow {found.kind})" for found in task.overridden]


def told(found: Mismatch) -> str:
    """How two records differ in one field."""
    return f"Different {found.field}: baseline {short(found.baseline)}; candidate {short(found.candidate)}"


def compared(comparison: Comparison) -> str:
    """The compared sides in one line."""
    sides = (comparison.baseline, comparison.candidate)
    before, after = (
        f"{short(side.label)} ({', '.join(map(short, side.models[:3]))}"
        f"{f' and {len(side.models) - 3:,} more' if len(side.models) > 3 else ''})"
        for side in sides
    )
    gate = f"gate file {short(comparison.gate)}" if comparison.gate else "the default gate"
    return f"Comparing candidate {after} with baseline {before}, by {gate}"


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
    parts = [f"{counted(len(comparison.tasks), 'task')}: {said}"]
    if unmet:
        parts.append(f"{counted(unmet, 'demand')} not met")
    if unchecked:
        parts.append(f"{counted(unchecked, 'demand')} could not be checked")
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
    if task.not_compared:
        yield task.not_compared
    for check in task.checks:
        if check.met is False:
            yield f"Demand not met, {check.demand}: {short(check.message, 400)}."
        elif check.met is None:
            yield f"Demand not checked, {check.demand}: {short(check.message, 400)}."


def _regressed(task: TaskComparison, gain: Gain) -> Iterator[str]:
    if not _is_worse(task):  # a class broke its floor; the demand's message states it
        return
    beyond = f", more than the tolerance of {amount(task, task.tolerance)}" if task.tolerance else ""
    ends = interval(task)
    unit = "ranks" if task.unit == "rank" else "points"
    spread = f", 95% interval of the change {ends[0]} to {ends[1]} {unit}" if ends else ""
    figures = f"{value(task, task.baseline)} → {value(task, task.candidate)}{spread}; p {_equals(p_text(gain.p_worse))}"
    yield f"{metric(task)} is worse by {amount(task, gain.value)}{beyond} ({figures})."
    if gain.gained is not None and gain.lost is not None:
        yield f"Of {gain.samples:,} samples, {gain.lost:,} became wrong and {gain.gained:,} became right."


def _inconclusive(task: TaskComparison, gain: Gain) -> str:
    worst = None if gain.ci95 is None else -gain.ci95[0]
    possible = (
        f"the loss may be up to {amount(task, worst)}"
        if worst is not None
        else "the size of a possible loss is unknown"
    )
    shows = (
        f"{gain.samples:,} samples detect losses of {amount(task, gain.detectable)} or more"
        if gain.detectable is not None and (task.unit == "rank" or gain.detectable < 1)
        else f"{gain.samples:,} samples cannot detect any loss"
    )
    enough = f"about {gain.samples_needed:,} would settle it" if gain.samples_needed else "more samples are needed"
    return (
        f"Too little data: {possible}, and a loss of {amount(task, task.margin)} or more must be excluded. "
        f"{shows}; {enough}."
    )


def _parts(task: TaskComparison) -> Iterator[str]:
    """The parts of the two models that are equal and those that differ: evidence, never the reason of a verdict."""
    if "weights" in task.equal:
        other = f", but not the same {listed(task.unlike)}" if task.unlike else ""
        yield f"Both sides have the same {listed(task.equal)}{other}."
    elif task.rounding is not None and task.unlike:
        yield f"The two sides have different {listed(task.unlike)}."


def _is_worse(task: TaskComparison) -> bool:
    """Whether the metric itself is worse, beyond tolerance and chance."""
    return task.gain is not None and task.gain.p_worse <= task.significance


def _reason(found: Mismatch) -> str:
    """Why a task is not comparable. If a record is missing or cannot be read, there are no two values to show."""
    meaning = short(found.meaning, _LONGEST_REASON)
    if found.kind == "missing":
        return meaning
    if found.baseline == found.candidate == DASH:
        return f"The answers cannot be paired: {meaning}"
    if found.baseline == found.candidate:  # both sides lack it, so it is not a difference
        return f"{found.field}, on both sides: {short(found.baseline)}. {meaning}"
    return f"{told(found)}. {meaning}"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(dict.fromkeys(names[:_NAMED]))
    return f"{shown} and {len(names) - _NAMED:,} more" if len(names) > _NAMED else shown


def _override(found: Mismatch) -> str:
    return "" if found.kind in ("missing", "answers") else f" --allow {found.kind} compares them anyway."


def _equals(p: str) -> str:
    return p if p.startswith("<") else f"= {p}"
