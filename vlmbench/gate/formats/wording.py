"""What every format says of a comparison, in plain words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vlmbench.gate.outcome import Comparison, Gain, Mismatch, TaskComparison
from vlmbench.markup import printable

DASH = "–"
HEADINGS = ("task", "verdict", "metric", "baseline", "candidate", "change in points [95%]", "p", "flips")
"""Of the columns that :func:`cells` fills. The verdict stands beside the task: it is what is asked."""
LEGEND = (
    "p: how often chance alone would show such a loss beyond the tolerance, or such a gain, adjusted for the number of "
    "tasks (Holm). "
    "flips: samples that turned right (+) and wrong (−)."
)
_ORDER = ("regressed", "not comparable", "inconclusive", "improved", "unchanged")
_LONGEST = 160
"""Characters of a foreign name that are shown: a name may be anything."""
_NAMED = 8
"""Tasks that are named of those of which the same is said."""
_SMALLEST_P = 0.001
_LONGEST_REASON = 600
"""Characters of what went wrong: it may quote a file or a program."""
_TOLERANCE = "If a loss is acceptable, give its task a tolerance in the gate file."
_MORE_SAMPLES = "Where there is too little data, score more samples, or widen the margin in the gate file."


def short(text: str, most: int = _LONGEST) -> str:
    """A foreign name on one line, without control codes, cut where it is too long to be one."""
    line = " ".join(printable(text).encode("utf-8", "replace").decode().split())  # a file's name may be no text
    return line if len(line) <= most else f"{line[: most - 1]}…"


def title(task: TaskComparison) -> str:
    """The task's name."""
    return short(task.task)


def models(task: TaskComparison) -> str:
    """The model, or both where they differ."""
    before, after = short(task.baseline_model), short(task.candidate_model)
    return before if before == after else f"{before} → {after}"


def value(task: TaskComparison, number: float | None) -> str:
    """A value in percent, or as a rank."""
    if number is None:
        return DASH
    return f"{100 * number:.2f}%" if task.unit == "fraction" else f"rank {number:,.2f}"


def change(task: TaskComparison, number: float | None) -> str:
    """A signed difference in points, or ranks."""
    if number is None:
        return DASH
    return f"{number * _scale(task) + 0.0:+.2f}".replace("-", "−")


def amount(task: TaskComparison, number: float) -> str:
    """An unsigned amount with its unit."""
    shown = abs(number) * _scale(task)
    digits = 2 if shown >= 0.1 or shown == 0 else 3
    figure = f"{shown:.{digits}f}"
    unit = "point" if task.unit == "fraction" else "rank"
    return f"{figure} {unit}{'' if float(figure) == 1 else 's'}"


def difference(task: TaskComparison) -> str:
    """The candidate's value minus the baseline's, with its 95 % interval; a loss of a rank is a larger number."""
    if task.gain is None:
        return DASH
    low_high = interval(task)
    shown = change(task, _raw(task, task.gain.value))
    unit = " ranks" if task.unit == "rank" else ""  # the heading says points
    return f"{shown}{unit}" if low_high is None else f"{shown}{unit} [{low_high[0]}, {low_high[1]}]"


def interval(task: TaskComparison) -> tuple[str, str] | None:
    """The ends of the difference's interval."""
    if task.gain is None or task.gain.ci95 is None:
        return None
    low, high = sorted(_raw(task, end) for end in task.gain.ci95)
    return change(task, low), change(task, high)


def p_value(task: TaskComparison) -> str:
    """The adjusted p-value of what is seen: of a loss beyond the tolerance, or of a gain."""
    if task.gain is None:
        return DASH
    return _p(told_p(task.gain))


def told_p(gain: Gain) -> float:
    """Of a loss where there is one, else of a gain."""
    return gain.p_worse if gain.value < 0 else gain.p_better


def flips(task: TaskComparison) -> str:
    """Samples gained and lost; where a metric knows no right and wrong, samples that differ."""
    gain = task.gain
    if gain is None:
        return DASH
    if gain.gained is None or gain.lost is None:
        return f"{gain.differing:,} differ"
    return f"+{gain.gained:,} −{gain.lost:,}"


def metric(task: TaskComparison) -> str:
    """The metric's name, with a sign where lower is better."""
    name = short(task.metric or DASH)
    return name if task.higher_is_better else f"{name} ↓"


def verdict(task: TaskComparison) -> str:
    """The verdict in a cell: with what else failed, or passed by leave."""
    if task.unmet and task.verdict != "regressed":
        return f"{task.verdict}, demand not met"
    return f"{task.verdict} (tolerated)" if task.tolerated and task.verdict == "inconclusive" else task.verdict


def cells(task: TaskComparison) -> list[str]:
    """A task's row, under :data:`HEADINGS`."""
    return [
        title(task),
        verdict(task),
        metric(task),
        value(task, task.baseline),
        value(task, task.candidate),
        difference(task),
        p_value(task),
        flips(task),
    ]


def of_several_models(comparison: Comparison) -> bool:
    """Whether a row must say of which model it is."""
    return len({models(task) for task in comparison.tasks}) > 1


def worst_first(comparison: Comparison) -> list[TaskComparison]:
    """The tasks in the order in which one wants to read of them."""
    return sorted(comparison.tasks, key=lambda task: (is_fine(task), _ORDER.index(task.verdict)))


def is_fine(task: TaskComparison) -> bool:
    """Whether nothing needs to be said of a task."""
    return task.verdict in ("improved", "unchanged") and not (task.unmet or task.unchecked or task.overridden)


def sentences(task: TaskComparison) -> list[str]:
    """What a reader must know of a task. Empty where it is fine."""
    return list(_sentences(task))


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
    found: dict[str, list[str]] = {}
    for task in worst_first(comparison):
        if said := " ".join(sentences(task)):
            found.setdefault(said, []).append(title(task))
    return [(_listed(names), said) for said, names in found.items()]


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
    figures = f"{value(task, task.baseline)} → {value(task, task.candidate)}{spread}; p {_equals(_p(gain.p_worse))}"
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


def _scale(task: TaskComparison) -> float:
    return 100.0 if task.unit == "fraction" else 1.0


def _raw(task: TaskComparison, gained: float) -> float:
    return gained if task.higher_is_better else -gained


def _p(p: float) -> str:
    return f"<{_SMALLEST_P}" if p < _SMALLEST_P else f"{p:.3f}".rstrip("0").rstrip(".")


def _equals(p: str) -> str:
    return p if p.startswith("<") else f"= {p}"
