"""Gathers records of adapted models into curves: one for each model, task, method, track and settings.

A curve has a point for each K. Records of other settings, samples, prompts or weights are another curve. The table
``fewshot`` shows them. A point is a mean over draws, with an interval that covers draws and samples.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from vlmbench.asked import remarks_of
from vlmbench.record_parts.transfer import TransferCost, TransferInfo
from vlmbench.records import Summary
from vlmbench.remarks.codes import TRANSFER
from vlmbench.reports.draws import mean_over_draws
from vlmbench.transfer.asked import TRACKS
from vlmbench.wording import counted


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
        found = (remark for record in self.records for remark in remarks_of(record))
        return tuple(dict.fromkeys(each.brief for each in found if each.unranked and each.code != TRANSFER.name))

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
        return f"{self.method} ({self.detail})" if self.detail else self.method

    @property
    def zero_shot(self) -> float | None:
        """Where all points start; None if it is unknown, or if points have several starts."""
        starts = {round(start, 12) for point in self.points for start in point.starts.values()}
        return starts.pop() if len(starts) == 1 else None


def curves_of(records: Iterable[Summary]) -> list[Curve]:
    """Every curve of some records, in the order of their first record.

    Left out are zero-shot records, and those of the setting base-to-new or learnt from another task.
    """
    found: dict[Hashable, list[Summary]] = {}
    for record in records:
        info = record.transfer
        if info is None or record.main.value is None or info.setting != "all-classes" or info.source is not None:
            continue
        found.setdefault(_asked(record), []).append(record)
    alike: dict[Hashable, list[Summary]] = {}
    for group in found.values():
        alike.setdefault(_shown(group[0]), []).append(group[0])
    return [_curve(group, alike[_shown(group[0])]) for group in found.values()]


def _shown(record: Summary) -> Hashable:
    """What a row of a table says of a curve."""
    info = record.transfer
    assert info is not None  # ``curves_of`` asks for no other
    return record.model.name, record.task.name, info.method, info.track, record.main_metric


def _asked(record: Summary) -> Hashable:
    """Everything that makes the numbers of one curve: all but K and the draw."""
    info, task = record.transfer, record.task
    assert info is not None
    protocol = {name: value for name, value in task.protocol.items() if name not in ("shots", "draw")}
    return (
        *(_shown(record), record.model.weights_sha256, info.version, record.run.precision),
        *(task.version, task.prompts_sha256, task.dataset.fingerprint),
        json.dumps(protocol, sort_keys=True, default=str),
    )


def _curve(records: Sequence[Summary], others: Sequence[Summary]) -> Curve:
    """The curve of some records.

    Args:
        others: a record of each curve, this one included, of which tables say the same.
    """
    first = records[0]
    assert first.transfer is not None
    shots: dict[int, list[tuple[TransferInfo, Summary]]] = {}
    for record in records:
        if record.transfer is not None:
            shots.setdefault(record.transfer.shots, []).append((record.transfer, record))
    points = [_point(k, shots[k]) for k in sorted(shots)]
    how, detail = first.transfer, _detail(first, others)
    return Curve(first.model.name, first.task.name, how.method, how.track, first.main_metric, points, detail)


def _detail(record: Summary, others: Sequence[Summary]) -> str:
    """What tells a curve from others: the settings that differ, and names of anything else that does."""
    if len(others) < 2:
        return ""
    settings = [_settings(other) for other in others]
    own = _settings(record)
    told = [f"{name}={own[name]}" for name in own if len({str(each.get(name)) for each in settings}) > 1]
    for says in _DIFFERENCES:
        if len({says(other) for other in others}) > 1:
            told.append(says(record))
    return ", ".join(told) or "another protocol"


_DIFFERENCES: Sequence[Callable[[Summary], str]] = (
    lambda record: f"weights {record.model.weights_sha256[:6]}",
    lambda record: f"{counted(record.task.dataset.samples, 'sample')}, data {record.task.dataset.fingerprint[:6]}",
    lambda record: f"prompts {record.task.prompts_sha256[:6]}",
    lambda record: f"task version {record.task.version}",
    lambda record: f"method version {record.transfer.version if record.transfer else 0}",
    lambda record: record.run.precision,
)
"""What may tell two curves apart, beside the settings of their method."""


def _settings(record: Summary) -> dict[str, Any]:
    """The settings of a method that were fixed before validation."""
    found = record.task.protocol.get("method_options")
    return dict(found) if isinstance(found, Mapping) else {}


def in_order(curves: Iterable[Curve]) -> list[Curve]:
    """Curves by model, task, track (in the order of :data:`~vlmbench.transfer.asked.TRACKS`) and method."""
    places: dict[str, int] = {track: place for place, track in enumerate(TRACKS)}
    return sorted(
        curves,
        key=lambda curve: (curve.model, curve.task, places.get(curve.track, len(places)), curve.track, curve.named),
    )


def _point(shots: int, records: Sequence[tuple[TransferInfo, Summary]]) -> Point:
    """The newest record of each draw."""
    newest = {info.draw: (info, record) for info, record in sorted(records, key=lambda each: each[1].run.started)}
    starts, last = dict[int, float](), dict[int, float]()
    for draw, (info, record) in newest.items():
        start = info.zero_shot.get(record.main_metric)
        if start is not None:
            starts[draw] = start
        end = info.last_step.get(record.main_metric) if info.last_step else record.main.value
        if end is not None and (info.steps or info.last_step):
            last[draw] = end
    return Point(
        shots,
        {draw: record.main.value for draw, (_, record) in sorted(newest.items()) if record.main.value is not None},
        starts,
        last,
        min(record.main.n for _, record in newest.values()),
        [record for _, record in newest.values()],
    )
