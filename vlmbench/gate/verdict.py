"""Turns a difference into a verdict: one rule for all metrics, in any unit and direction.

``vlmbench compare`` judges every task by it, and then all tasks together.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from vlmbench.gate.outcome import EXIT_CODES, Gain, TaskComparison, TaskVerdict, Verdict
from vlmbench.metrics.base import CONFIDENCE
from vlmbench.metrics.difference import Difference, holm

POWER = 0.8
"""A drop counts as detectable if a test finds it with this probability."""
_DIGITS = 2
"""The digits of a sufficient number of samples: more would be false precision."""


@dataclass(frozen=True)
class Contest:
    """One task's difference, and what it is compared with.

    Attributes:
        difference: candidate minus baseline.
        higher_is_better: the metric's direction.
        tolerance: the largest accepted loss, in the metric's unit.
        margin: the loss that must be excluded before the task counts as unchanged. It is not below the tolerance.
        significance: the largest significant adjusted p-value.
    """

    difference: Difference
    higher_is_better: bool
    tolerance: float
    margin: float
    significance: float

    @property
    def gain(self) -> float:
        """How much better the candidate is."""
        return self.difference.value if self.higher_is_better else 0.0 - self.difference.value

    @property
    def ci95(self) -> tuple[float, float] | None:
        """The 95% interval of the gain."""
        found = self.difference.ci95
        if found is None or self.higher_is_better:
            return found
        return 0.0 - found[1], 0.0 - found[0]

    @property
    def p_worse(self) -> float:
        """The p-value of a loss beyond the tolerance."""
        if self.higher_is_better:
            return self.difference.p_below(0.0 - self.tolerance)
        return self.difference.p_above(self.tolerance)

    @property
    def p_better(self) -> float:
        """The p-value of a gain."""
        return self.difference.p_above(0.0) if self.higher_is_better else self.difference.p_below(0.0)


def judge(contest: Contest, p_worse: float, p_better: float) -> TaskVerdict:
    """The verdict of one task.

    Regressed: a loss beyond the tolerance is significant. Improved: a gain is significant. Unchanged: the 95% interval
    excludes a loss of the margin or more, or all answers are equal apart from rounding. Otherwise inconclusive. Both
    p-values are adjusted for the number of tasks.
    """
    if p_worse <= contest.significance and contest.gain < 0.0 - contest.tolerance:
        return "regressed"
    if p_better <= contest.significance and contest.gain > 0:
        return "improved"
    interval = contest.ci95
    same = contest.difference.identical or contest.difference.rounding
    if same or (interval is not None and interval[0] > -contest.margin):
        return "unchanged"
    return "inconclusive"


def judge_all(contests: Sequence[Contest]) -> list[tuple[TaskVerdict, Gain]]:
    """The verdict of every task, p-values adjusted over all of them (Holm).

    Losses and gains are two families of tests, and each p-value is doubled. Without any true difference, the
    probability that at least one task is called regressed is at most half the significance. The probability that one is
    called regressed or improved is at most the significance.
    """
    worse = holm([contest.p_worse for contest in contests])
    better = holm([contest.p_better for contest in contests])
    return [
        _judged(contest, p_worse, p_better, len(contests))
        for contest, p_worse, p_better in zip(contests, worse, better, strict=True)
    ]


def overall(tasks: Iterable[TaskComparison]) -> tuple[Verdict, int]:
    """One verdict over all tasks, which is the worst of them, and its exit code.

    A demand that could not be checked counts as inconclusive. Inconclusive tasks pass if the gate tolerates them.
    """
    known = list(tasks)
    if any(task.verdict == "regressed" for task in known):
        verdict: Verdict = "regressed"
    elif any(task.unmet for task in known):
        verdict = "failed"
    elif any(task.verdict == "not comparable" for task in known):
        verdict = "not comparable"
    elif open_ended := [task for task in known if is_open(task)]:
        return "inconclusive", 0 if all(task.tolerated for task in open_ended) else EXIT_CODES["inconclusive"]
    else:
        verdict = "passed"
    return verdict, EXIT_CODES[verdict]


def is_open(task: TaskComparison) -> bool:
    """Whether the data does not settle this task."""
    return task.verdict == "inconclusive" or bool(task.unchecked)


def _judged(contest: Contest, p_worse: float, p_better: float, tests: int) -> tuple[TaskVerdict, Gain]:
    difference = contest.difference
    verdict = judge(contest, p_worse, p_better)
    # Holm's smallest limit: that of the task with the smallest p-value.
    detectable = difference.detectable(contest.significance / tests, POWER)
    return verdict, Gain(
        value=contest.gain,
        ci95=contest.ci95,
        p_value=difference.p_value,
        p_worse=p_worse,
        p_better=p_better,
        error=None if math.isnan(difference.error) else difference.error,
        method=difference.method,
        identical=difference.identical,
        samples=difference.n,
        differing=difference.differing,
        gained=difference.gained if contest.higher_is_better else difference.lost,
        lost=difference.lost if contest.higher_is_better else difference.gained,
        detectable=contest.tolerance + detectable if math.isfinite(detectable) else None,
        samples_needed=samples_needed(contest, tests) if verdict == "inconclusive" else None,
    )


def samples_needed(contest: Contest, tests: int = 1) -> int | None:
    """About how many samples would settle the task with a probability of 80%, if the difference stays the same.

    Settled means: the loss is shown to be below the margin, or above the tolerance. The smaller number is returned.

    Args:
        contest: the task's difference and limits.
        tests: the number of tasks. A regression is adjusted for it; a margin is not.

    Returns:
        None if no number is sufficient.
    """
    ways = (
        (contest.gain + contest.margin, 1 - CONFIDENCE),
        (0.0 - contest.gain - contest.tolerance, contest.significance / tests),
    )
    numbers = [_needed(contest.difference, gap, significance) for gap, significance in ways if gap > 0]
    needed = min(numbers, default=math.inf)
    if not math.isfinite(needed):
        return None
    unit = 10.0 ** max(math.floor(math.log10(needed)) + 1 - _DIGITS, 0)
    return int(math.ceil(needed / unit) * unit)


def _needed(difference: Difference, gap: float, significance: float) -> float:
    """The number of samples that distinguish the difference from one at this distance."""
    detectable = difference.detectable(significance, POWER)
    if not math.isfinite(detectable):
        return math.inf
    quantiles = NormalDist().inv_cdf(1 - significance / 2) + NormalDist().inv_cdf(POWER)
    by_error = difference.n * (quantiles * difference.error / gap) ** 2
    by_count = difference.n * detectable / gap  # a fixed number of samples must differ, for any number of samples
    return max(by_error, by_count, difference.n + 1.0)
