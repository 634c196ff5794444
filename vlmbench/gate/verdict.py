"""From a difference to a verdict: one rule for every metric, whatever its unit and direction."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from vlmbench.gate.outcome import EXIT_CODES, Gain, TaskComparison, TaskVerdict, Verdict
from vlmbench.metrics.base import CONFIDENCE
from vlmbench.metrics.difference import Difference, holm

POWER = 0.8
"""A drop counts as detectable where a test finds it four times out of five."""
_DIGITS = 2
"""Of a number of samples that would do: more would be false precision."""


@dataclass(frozen=True)
class Contest:
    """One task's difference, and what it is held against.

    Attributes:
        difference: candidate minus baseline.
        higher_is_better: the metric's direction.
        tolerance: the loss that is accepted, in the metric's unit.
        margin: the loss that must be excluded before the task counts as unchanged; not below the tolerance.
        significance: what an adjusted p-value must not exceed.
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
        """The gain's interval."""
        found = self.difference.ci95
        if found is None or self.higher_is_better:
            return found
        return 0.0 - found[1], 0.0 - found[0]

    @property
    def p_worse(self) -> float:
        """Of a loss beyond the tolerance."""
        if self.higher_is_better:
            return self.difference.p_below(0.0 - self.tolerance)
        return self.difference.p_above(self.tolerance)

    @property
    def p_better(self) -> float:
        """Of a gain."""
        return self.difference.p_above(0.0) if self.higher_is_better else self.difference.p_below(0.0)


def judge(contest: Contest, p_worse: float, p_better: float) -> TaskVerdict:
    """The verdict of one task.

    Regressed where a loss beyond the tolerance is no chance; improved where a gain is none; unchanged where a loss of
    the margin or more is excluded by the 95 % interval, or every answer is the same but for rounding; inconclusive
    otherwise.
    Both p-values are adjusted for the other tasks.
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

    Losses and gains are two families, each of tests whose p-value is doubled: without any true difference, the chance
    that one task or more is called regressed is at most half the significance, and regressed or improved, all of it.
    """
    worse = holm([contest.p_worse for contest in contests])
    better = holm([contest.p_better for contest in contests])
    return [
        _judged(contest, p_worse, p_better, len(contests))
        for contest, p_worse, p_better in zip(contests, worse, better, strict=True)
    ]


def overall(tasks: Iterable[TaskComparison]) -> tuple[Verdict, int]:
    """One verdict over all tasks, the worst there is, and the exit code it stands for.

    A demand that could not be checked counts as inconclusive does. What is inconclusive passes where the gate lets it.
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
    """Whether the data leaves a question of this task open."""
    return task.verdict == "inconclusive" or bool(task.unchecked)


def _judged(contest: Contest, p_worse: float, p_better: float, tests: int) -> tuple[TaskVerdict, Gain]:
    difference = contest.difference
    verdict = judge(contest, p_worse, p_better)
    # The least that Holm grants a test: that of the most telling task.
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
    """About how many samples would settle the task, four times out of five, if the difference stays as it is.

    Either the loss turns out to be below the margin, or above the tolerance, whichever takes fewer.

    Args:
        contest: the task's.
        tests: of how many tasks it is one: a regression has to show beside them, a margin is the task's own.

    Returns:
        None where no number would do.
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
    """How many samples tell a difference from one that lies this far off."""
    detectable = difference.detectable(significance, POWER)
    if not math.isfinite(detectable):
        return math.inf
    quantiles = NormalDist().inv_cdf(1 - significance / 2) + NormalDist().inv_cdf(POWER)
    by_error = difference.n * (quantiles * difference.error / gap) ** 2
    by_count = difference.n * detectable / gap  # a fixed number of samples has to differ, however many there are
    return max(by_error, by_count, difference.n + 1.0)
