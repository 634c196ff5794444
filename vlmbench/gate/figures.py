"""Makes the text of a comparison's table: names, values, differences and p-values.

The terminal and every format for people use it.
"""

from __future__ import annotations

from vlmbench.gate.outcome import Comparison, Gain, TaskComparison
from vlmbench.markup import one_line

DASH = "–"
HEADINGS = ("task", "verdict", "metric", "baseline", "candidate", "change in points [95%]", "p", "flips")
"""The headings of the columns of :func:`cells`. The verdict comes next to the task, because readers look for it."""
LEGEND = (
    "p: the probability that chance alone shows such a loss beyond the tolerance, or such a gain, adjusted for the "
    "number of tasks (Holm). "
    "flips: samples that became right (+) and wrong (−)."
)
_ORDER = ("regressed", "not comparable", "inconclusive", "improved", "unchanged")
_LONGEST = 160
"""The most characters of a foreign name to show."""
_SMALLEST_P = 0.001


def short(text: str, most: int = _LONGEST) -> str:
    """A foreign name on one line, without control characters, cut if it is too long."""
    return one_line(text.encode("utf-8", "replace").decode(), most)  # a file's name may not be valid text


def title(task: TaskComparison) -> str:
    """The task's name."""
    return short(task.task)


def models(task: TaskComparison) -> str:
    """The model, or both models if they differ."""
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
    return f"{round(number * _scale(task), 2) + 0.0:+.2f}".replace("-", "−")  # rounding may give -0


def amount(task: TaskComparison, number: float) -> str:
    """An unsigned amount with its unit."""
    shown = abs(number) * _scale(task)
    digits = 2 if shown >= 0.1 or shown == 0 else 3
    figure = f"{shown:.{digits}f}"
    unit = "point" if task.unit == "fraction" else "rank"
    return f"{figure} {unit}{'' if float(figure) == 1 else 's'}"


def difference(task: TaskComparison) -> str:
    """The candidate's value minus the baseline's, with its 95% interval. For ranks, a loss is a larger number."""
    if task.gain is None:
        return DASH
    low_high = interval(task)
    shown = change(task, _raw(task, task.gain.value))
    unit = " ranks" if task.unit == "rank" else ""  # the heading states the unit, points
    return f"{shown}{unit}" if low_high is None else f"{shown}{unit} [{low_high[0]}, {low_high[1]}]"


def interval(task: TaskComparison) -> tuple[str, str] | None:
    """The ends of the difference's interval."""
    if task.gain is None or task.gain.ci95 is None:
        return None
    low, high = sorted(_raw(task, end) for end in task.gain.ci95)
    return change(task, low), change(task, high)


def p_value(task: TaskComparison) -> str:
    """The adjusted p-value of the observed change: of a loss beyond the tolerance, or of a gain."""
    if task.gain is None:
        return DASH
    return p_text(told_p(task.gain))


def told_p(gain: Gain) -> float:
    """The p-value of a loss if the value fell, else of a gain."""
    return gain.p_worse if gain.value < 0 else gain.p_better


def flips(task: TaskComparison) -> str:
    """The samples gained and lost; for a metric without right and wrong, the number of samples that differ."""
    gain = task.gain
    if gain is None:
        return DASH
    if gain.gained is None or gain.lost is None:
        return f"{gain.differing:,} differ"
    return f"+{gain.gained:,} −{gain.lost:,}"


def metric(task: TaskComparison) -> str:
    """The metric's name, with a mark if lower is better."""
    name = short(task.metric or DASH)
    return name if task.higher_is_better else f"{name} ↓"


def verdict(task: TaskComparison) -> str:
    """The verdict in a cell, with a note if a demand failed or the gate tolerates the verdict."""
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
    """Whether rows must name their model."""
    return len({models(task) for task in comparison.tasks}) > 1


def worst_first(comparison: Comparison) -> list[TaskComparison]:
    """The tasks in reading order: the worst first."""
    return sorted(comparison.tasks, key=lambda task: (is_fine(task), _ORDER.index(task.verdict)))


def is_fine(task: TaskComparison) -> bool:
    """Whether a task needs no comment."""
    return task.verdict in ("improved", "unchanged") and not (task.unmet or task.unchecked or task.overridden)


def p_text(p: float) -> str:
    """A p-value as text; below a thousandth as "<0.001"."""
    return f"<{_SMALLEST_P}" if p < _SMALLEST_P else f"{p:.3f}".rstrip("0").rstrip(".")


def _scale(task: TaskComparison) -> float:
    return 100.0 if task.unit == "fraction" else 1.0


def _raw(task: TaskComparison, gained: float) -> float:
    return gained if task.higher_is_better else -gained
