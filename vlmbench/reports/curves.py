"""Gathers records of adapted models into curves: one for each model, task, method and track.

A curve has a point for each K.
The table ``fewshot`` shows them. A point is a mean over draws, with an interval that covers draws and samples.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import mean

from vlmbench.metrics.draws import NORMAL, half_of_draws
from vlmbench.record_parts.transfer import TransferCost, TransferInfo
from vlmbench.records import Summary
from vlmbench.transfer.asked import TRACKS


@dataclass(frozen=True)
class Point:
    """One number of shots.

    Attributes:
        shots: K.
        values: the main metric of each draw, by the draw.
        starts: zero-shot's with the same prompts and samples, by the draw.
        last: the last step's, by the draw; only of draws whose step or settings were chosen by validation.
        samples: how many samples were scored.
        records: one for each draw.
    """

    shots: int
    values: dict[int, float]
    starts: dict[int, float]
    last: dict[int, float]
    samples: int
    records: Sequence[Summary]

    @property
    def mean(self) -> float:
        """Over the draws."""
        return mean(self.values.values())

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the mean, see :func:`interval_of_mean`."""
        return interval_of_mean(list(self.values.values()), self.samples)

    @property
    def worst(self) -> float:
        """Of the draws."""
        return min(self.values.values())

    @property
    def below(self) -> int:
        """How many draws are below zero-shot."""
        return sum(value < self.starts[draw] for draw, value in self.values.items() if draw in self.starts)

    @property
    def gain(self) -> float | None:
        """The mean minus zero-shot's; None: zero-shot's is not known."""
        known = [value - self.starts[draw] for draw, value in self.values.items() if draw in self.starts]
        return mean(known) if known else None

    @property
    def costs(self) -> list[TransferCost]:
        """What each draw cost."""
        return [record.transfer.cost for record in self.records if record.transfer]

    @property
    def fit_seconds(self) -> float:
        """The mean time to learn."""
        return mean(cost.fit_seconds for cost in self.costs)

    @property
    def last_mean(self) -> float | None:
        """The mean of the last steps, over the draws that have one; None if no draw has one."""
        return mean(self.last.values()) if self.last else None

    @property
    def by_draw(self) -> dict[int, Summary]:
        """The records by their draw."""
        return {record.transfer.draw: record for record in self.records if record.transfer}


@dataclass(frozen=True)
class Curve:
    """One model on one task with one method.

    Attributes:
        points: by K, smallest first.
    """

    model: str
    task: str
    method: str
    track: str
    metric: str
    points: Sequence[Point]

    @property
    def zero_shot(self) -> float | None:
        """Where all points start; None if it is unknown, or if points have several starts."""
        starts = {round(start, 12) for point in self.points for start in point.starts.values()}
        return starts.pop() if len(starts) == 1 else None


def interval_of_mean(values: Sequence[float], samples: int) -> tuple[float, float]:
    """The 95 % interval of a mean over draws, for other draws and other samples of the same kind.

    The variance is that of the draws' mean, s²/R, with Student's factor for R - 1 degrees of freedom, plus that of the
    samples, which all draws share: p (1 - p) / n. The second is an upper bound for a mean over draws. Of one draw, only
    the samples' is known.

    >>> low, high = interval_of_mean([0.6, 0.62, 0.64], 1000)
    >>> round(low, 3), round(high, 3)
    (0.562, 0.678)
    """
    centre = mean(values)
    of_samples = (NORMAL * math.sqrt(centre * (1 - centre) / samples)) if 0 <= centre <= 1 and samples else 0.0
    half = math.hypot(of_samples, half_of_draws(values))
    return max(0.0, centre - half), min(1.0, centre + half)


def curves_of(records: Iterable[Summary]) -> list[Curve]:
    """Every curve of some records, in the order of their first record.

    Left out are zero-shot records, and those of the setting base-to-new or learnt from another task.
    """
    found: dict[tuple[str, str, str, str, str], dict[int, list[tuple[TransferInfo, Summary]]]] = {}
    for record in records:
        info = record.transfer
        if info is None or record.main.value is None or info.setting != "all-classes" or info.source is not None:
            continue
        key = (record.model.name, record.task.name, info.method, info.track, record.main_metric)
        found.setdefault(key, {}).setdefault(info.shots, []).append((info, record))
    return [Curve(*key, [_point(k, shots[k]) for k in sorted(shots)]) for key, shots in found.items()]


def in_order(curves: Iterable[Curve]) -> list[Curve]:
    """Curves by model, task, track (in the order of :data:`~vlmbench.transfer.asked.TRACKS`) and method."""
    places: dict[str, int] = {track: place for place, track in enumerate(TRACKS)}
    return sorted(
        curves,
        key=lambda curve: (curve.model, curve.task, places.get(curve.track, len(places)), curve.track, curve.method),
    )


def _point(shots: int, records: Sequence[tuple[TransferInfo, Summary]]) -> Point:
    """The newest record of each draw."""
    newest = {info.draw: (info, record) for info, record in sorted(records, key=lambda each: each[1].run.started)}
    starts, last = dict[int, float](), dict[int, float]()
    for draw, (info, record) in newest.items():
        start = info.zero_shot.get(record.main_metric)
        if start is not None:
            starts[draw] = start
        end = (info.last_step or {}).get(record.main_metric)
        if end is not None:
            last[draw] = end
    return Point(
        shots,
        {draw: record.main.value for draw, (_, record) in sorted(newest.items()) if record.main.value is not None},
        starts,
        last,
        min(record.main.n for _, record in newest.values()),
        [record for _, record in newest.values()],
    )
