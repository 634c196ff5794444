"""Averages metrics over draws of support sets and over tasks, with intervals that cover draws and samples.

The tables ``base-to-new`` and ``cross-dataset`` use it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import mean

from vlmbench.metrics.draws import half_of_draws
from vlmbench.metrics.harmonic import harmonic_interval, harmonic_mean
from vlmbench.records import MetricValue, Summary


@dataclass(frozen=True)
class Mean:
    """A mean with its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def interval(self) -> tuple[float, float]:
        """Both ends."""
        return self.low, self.high


def newest_of_draws(records: Iterable[Summary]) -> dict[int, Summary]:
    """The newest record of each draw, by the draw."""
    found: dict[int, Summary] = {}
    for record in sorted(records, key=lambda record: record.run.started):
        if record.transfer is not None:
            found[record.transfer.draw] = record
    return dict(sorted(found.items()))


def mean_over_draws(metrics: Sequence[MetricValue]) -> Mean | None:
    """The mean of one metric over draws, for other draws and other samples of the same kind; None without values.

    All draws share the samples, so their part is the mean of the draws' own intervals. To it is added, as a square,
    the part of the draws: Student's factor times s / sqrt(R), which is 0 for one draw.

    >>> found = mean_over_draws([MetricValue(value=v, ci95=(v - 0.1, v + 0.1), n=9) for v in (0.4, 0.5, 0.6)])
    >>> [round(number, 3) for number in (found.value, *found.interval)]
    [0.5, 0.232, 0.768]
    """
    known = [metric for metric in metrics if metric.value is not None]
    values = [metric.value for metric in known if metric.value is not None]
    if not values:
        return None
    centre = mean(values)
    of_draws = half_of_draws(values)
    ends = [
        (value - metric.ci95[0], metric.ci95[1] - value)
        for value, metric in zip(values, known, strict=True)
        if metric.ci95
    ]
    below, above = (mean(part) for part in zip(*ends, strict=True)) if ends else (0.0, 0.0)
    return Mean(centre, max(0.0, centre - math.hypot(below, of_draws)), min(1.0, centre + math.hypot(above, of_draws)))


def mean_over_tasks(means: Sequence[Mean]) -> Mean:
    """The mean over tasks, whose samples and draws are independent. The tasks are fixed.

    >>> mean_over_tasks([Mean(0.5, 0.2, 0.9), Mean(0.7, 0.3, 0.7)])
    Mean(value=0.6, low=0.35, high=0.8)
    """
    centre, count = mean(each.value for each in means), len(means)
    below = math.hypot(*(each.value - each.low for each in means)) / count
    above = math.hypot(*(each.high - each.value for each in means)) / count
    return Mean(centre, max(0.0, centre - below), min(1.0, centre + above))


def harmonic_of(base: Mean, new: Mean) -> Mean:
    """H of two averages."""
    low, high = harmonic_interval(base.value, base.interval, new.value, new.interval)
    return Mean(harmonic_mean(base.value, new.value), low, high)
