"""Gathers records of adapted models into curves: one for each model, task, method, track and settings.

A curve has a point for each K. Records of other settings, samples, prompts or weights are another curve. The tables
``fewshot`` and ``transfer`` show them. A point is a mean over draws, with an interval that covers draws and samples.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import mean

from vlmbench.record_parts.transfer import USUAL_SETTING, TransferCost
from vlmbench.records import Summary
from vlmbench.reports.adapted_groups import Group, groups_of, how, named
from vlmbench.reports.draws import mean_over_draws, newest_of_draws
from vlmbench.reports.standing import unranked_of
from vlmbench.transfer.asked import TRACKS


@dataclass(frozen=True)
class Point:
    """One number of shots.

    Attributes:
        shots: K.
        values: the main metric of each draw, by the draw.
        starts: zero-shot's with the same prompts and samples, by the draw.
        last: the last step's, by the draw; without draws of which it is not known.
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
        """The 95 % interval of the mean, see :func:`~vlmbench.reports.draws.mean_over_draws`."""
        found = mean_over_draws([record.main for record in self.records])
        assert found is not None  # records without a value make no point
        return found.interval

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
        """The mean of the last steps; None if validation chose no other step in any draw."""
        moved = any(record.transfer and record.transfer.last_step for record in self.records)
        return mean(self.last.values()) if self.last and moved else None

    @property
    def unranked(self) -> tuple[str, ...]:
        """Remarks that leave draws out of rankings, beyond the one that says that the model was adapted."""
        return unranked_of(self.records)

    @property
    def by_draw(self) -> dict[int, Summary]:
        """The records by their draw."""
        return {record.transfer.draw: record for record in self.records if record.transfer}


@dataclass(frozen=True)
class Curve:
    """One model on one task with one method.

    Attributes:
        points: by K, smallest first.
        detail: what tells it from the other curves of the same model, task, method and track, such as "alpha=0".
    """

    model: str
    task: str
    method: str
    track: str
    metric: str
    points: Sequence[Point]
    detail: str = ""

    @property
    def named(self) -> str:
        """The method, with what tells this curve from others."""
        return named(self.method, self.detail)

    @property
    def zero_shot(self) -> float | None:
        """Where all points start; None if it is unknown, or if points have several starts."""
        starts = {round(start, 12) for point in self.points for start in point.starts.values()}
        return starts.pop() if len(starts) == 1 else None


def curves_of(records: Iterable[Summary]) -> list[Curve]:
    """Every curve of some records, in the order of their first record.

    Left out are zero-shot records, and those of the setting base-to-new or learnt from another task.
    """
    usual = (
        record
        for record in records
        if (info := record.transfer) is not None
        and record.main.value is not None
        and info.setting == USUAL_SETTING
        and info.source is None
    )
    return [_curve(group) for group in groups_of(usual)]


def _curve(group: Group) -> Curve:
    shots: dict[int, list[Summary]] = {}
    for record in group.records:
        shots.setdefault(how(record).shots, []).append(record)
    points = [_point(k, shots[k]) for k in sorted(shots)]
    first, info = group.records[0], group.how
    return Curve(first.model.name, first.task.name, info.method, info.track, first.main_metric, points, group.detail)


def in_order(curves: Iterable[Curve]) -> list[Curve]:
    """Curves by model, task, track (in the order of :data:`~vlmbench.transfer.asked.TRACKS`) and method."""
    places: dict[str, int] = {track: place for place, track in enumerate(TRACKS)}
    return sorted(
        curves,
        key=lambda curve: (curve.model, curve.task, places.get(curve.track, len(places)), curve.track, curve.named),
    )


def _point(shots: int, records: Sequence[Summary]) -> Point:
    """The newest record of each draw."""
    newest = newest_of_draws(records)
    starts, last = dict[int, float](), dict[int, float]()
    for draw, record in newest.items():
        info = how(record)
        start = info.zero_shot.get(record.main_metric)
        if start is not None:
            starts[draw] = start
        end = info.last_step.get(record.main_metric) if info.last_step else record.main.value
        if end is not None and (info.steps or info.last_step):
            last[draw] = end
    return Point(
        shots,
        {draw: record.main.value for draw, record in newest.items() if record.main.value is not None},
        starts,
        last,
        min(record.main.n for record in newest.values()),
        list(newest.values()),
    )
