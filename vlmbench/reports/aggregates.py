"""Ranks models over several tasks. Models share a rank if the data cannot tell them apart.

``vlmbench report ranking``, ``report task`` and the leaderboard use it. Only tasks that all ranked models have count. A
task that a model lacks is never counted as zero: either the task or the model is left out.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

Z95 = 1.959964
"""A 95% interval reaches this many standard errors to each side."""


@dataclass(frozen=True)
class Answer:
    """One model's number on one task.

    Attributes:
        value: the main metric.
        interval: its 95% interval; without one the number counts as exact.
        higher_is_better: the direction.
        averaged: it goes into means over tasks: it is a fraction, and higher is better.
    """

    value: float
    interval: tuple[float, float] | None = None
    higher_is_better: bool = True
    averaged: bool = True

    @property
    def ends(self) -> tuple[float, float]:
        """The interval, turned so that higher is better."""
        low, high = self.interval or (self.value, self.value)
        return (low, high) if self.higher_is_better else (-high, -low)

    @property
    def height(self) -> float:
        """The value, turned so that higher is better."""
        return self.value if self.higher_is_better else -self.value


Answers = Mapping[str, Mapping[str, Answer]]
"""Task to model to answer."""
Errors = Mapping[tuple[str, str], float]
"""Two models that answered the same samples to the standard error of their difference; each pair in both orders."""


@dataclass(frozen=True)
class Place:
    """A model's place among others on one task.

    Attributes:
        better: how many models are significantly better.
        tied: how many models cannot be told apart from it.
        worse: how many models are significantly worse.
    """

    better: int
    tied: int
    worse: int

    @property
    def rank(self) -> float:
        """The rank, from 1; a tie counts half."""
        return 1 + self.better + self.tied / 2

    @property
    def first(self) -> int:
        """The best rank it may have."""
        return 1 + self.better

    @property
    def last(self) -> int:
        """The worst rank it may have."""
        return 1 + self.better + self.tied

    @property
    def text(self) -> str:
        """ "2", or "1–3" if ties leave it open."""
        return str(self.first) if self.tied == 0 else f"{self.first}–{self.last}"


@dataclass(frozen=True)
class Standing:
    """One model over the common tasks.

    Attributes:
        model: its name.
        mean: the mean of the tasks' main metrics that are fractions; None if no metric is one.
        interval: the mean's 95% interval.
        by_kind: the mean over each kind of task.
        average_rank: over all common tasks, ties counting half.
        borda: the share of other models that it beats, over all tasks; a tie is half a win. None for a single model.
        place: its place by the mean.
    """

    model: str
    mean: float | None
    interval: tuple[float, float] | None
    by_kind: Mapping[str, float]
    average_rank: float
    borda: float | None
    place: Place | None = None


@dataclass(frozen=True)
class Standings:
    """Models in the order of their means.

    Attributes:
        tasks: the tasks that are compared; every model has all of them.
        models: best mean first.
        left_out: models that lack some of the tasks, with the tasks that they lack.
    """

    tasks: Sequence[str]
    models: Sequence[Standing]
    left_out: Mapping[str, Sequence[str]] = field(default_factory=dict)


def common_tasks(answers: Answers, models: Iterable[str] | None = None) -> list[str]:
    """The tasks that all these models have, in the order of the answers. Without ``models``: those of all models."""
    wanted = set(models) if models is not None else {model for own in answers.values() for model in own}
    return [task for task, own in answers.items() if wanted and wanted <= own.keys()]


def standings(
    answers: Answers,
    kinds: Mapping[str, str],
    *,
    tasks: Sequence[str] | None = None,
    errors: Mapping[str, Errors] | None = None,
) -> Standings:
    """Compare models over common tasks.

    Args:
        answers: by task and model; main metrics only.
        kinds: a task's kind, for the means by kind.
        tasks: the tasks to compare; models that lack one are left out. None: the tasks that all models have.
        errors: by task, the errors of models that answered the same samples.
    """
    errors = errors or {}
    everyone = dict.fromkeys(model for own in answers.values() for model in own)
    chosen = common_tasks(answers) if tasks is None else list(tasks)
    lacking = {m: [t for t in chosen if m not in answers.get(t, {})] for m in everyone}
    models = [model for model in everyone if not lacking[model]] if chosen else []
    own = {task: {model: answers[task][model] for model in models} for task in chosen}
    ranks = {task: places(own[task], errors.get(task)) for task in chosen}
    averaged = [task for task in chosen if all(answer.averaged for answer in own[task].values())]
    rows = [_standing(model, own, averaged, kinds, ranks) for model in models]
    means = _mean_places(rows, averaged, errors)
    rows.sort(key=lambda row: (row.mean is None, -(row.mean or 0.0), row.average_rank))
    ordered = [Standing(**{**row.__dict__, "place": means.get(row.model)}) for row in rows]
    return Standings(chosen, ordered, {model: gaps for model, gaps in lacking.items() if gaps})


def places(answers: Mapping[str, Answer], errors: Errors | None = None) -> dict[str, Place]:
    """Each model's place on one task.

    Two models that answered the same samples are told apart if the 95% interval of their difference leaves out zero.
    Two models without common samples are told apart if their intervals do not overlap. There is no correction for many
    comparisons.
    """
    if not errors:
        return _places_by_intervals({model: answer.ends for model, answer in answers.items()})
    found = {}
    for model, answer in answers.items():
        better = worse = 0
        for other, rival in answers.items():
            if other == model:
                continue
            error = errors.get((model, other))
            ahead = _ahead(answer, rival, error)
            better += ahead < 0
            worse += ahead > 0
        found[model] = Place(better, len(answers) - 1 - better - worse, worse)
    return found


def mean_interval(answers: Sequence[Answer]) -> tuple[float, float] | None:
    """The 95% interval of a mean over tasks whose samples differ; None if one task has no interval.

    The squares of the half-widths add up on each side of the mean, so that an asymmetric interval stays asymmetric.
    Source: G. Y. Zou, A. Donner, "Construction of confidence limits about effect measures: a general approach",
    Statistics in Medicine 27 (2008), equation 3.

    >>> low, high = mean_interval([Answer(0.5, (0.4, 0.7)), Answer(0.5, (0.4, 0.7))])
    >>> round(low, 4), round(high, 4)
    (0.4293, 0.6414)
    """
    if not answers or any(answer.interval is None for answer in answers):
        return None
    ends = [answer.interval for answer in answers if answer.interval is not None]
    mean = math.fsum(answer.value for answer in answers) / len(answers)
    below = math.fsum((answer.value - end[0]) ** 2 for answer, end in zip(answers, ends, strict=True))
    above = math.fsum((end[1] - answer.value) ** 2 for answer, end in zip(answers, ends, strict=True))
    return mean - math.sqrt(below) / len(answers), mean + math.sqrt(above) / len(answers)


def _ahead(answer: Answer, rival: Answer, error: float | None) -> int:
    """1 if the answer is significantly better, -1 if it is significantly worse, else 0."""
    if error is not None:
        difference = answer.height - rival.height
        return 0 if abs(difference) <= Z95 * error else (1 if difference > 0 else -1)
    (low, high), (rival_low, rival_high) = answer.ends, rival.ends
    return 1 if low > rival_high else -1 if high < rival_low else 0


def _places_by_intervals(ends: Mapping[str, tuple[float, float]]) -> dict[str, Place]:
    lows, highs = sorted(low for low, _ in ends.values()), sorted(high for _, high in ends.values())
    found = {}
    for model, (low, high) in ends.items():
        better, worse = len(lows) - bisect_right(lows, high), bisect_left(highs, low)
        found[model] = Place(better, len(ends) - 1 - better - worse, worse)
    return found


def _standing(
    model: str,
    answers: Answers,
    averaged: Sequence[str],
    kinds: Mapping[str, str],
    ranks: Mapping[str, Mapping[str, Place]],
) -> Standing:
    own = [answers[task][model] for task in averaged]
    by_kind: dict[str, list[float]] = {}
    for task in averaged:
        by_kind.setdefault(kinds.get(task, "other"), []).append(answers[task][model].value)
    places_of = [ranks[task][model] for task in answers]
    others = len(next(iter(ranks.values()))) - 1 if ranks else 0
    wins = math.fsum(place.worse + place.tied / 2 for place in places_of)
    return Standing(
        model=model,
        mean=_mean([answer.value for answer in own]),
        interval=mean_interval(own),
        by_kind={kind: math.fsum(values) / len(values) for kind, values in by_kind.items()},
        average_rank=math.fsum(place.rank for place in places_of) / len(places_of),
        borda=wins / (len(places_of) * others) if others else None,
    )


def _mean_places(rows: Sequence[Standing], tasks: Sequence[str], errors: Mapping[str, Errors]) -> dict[str, Place]:
    """Places by the mean. The difference of two models has an error if they share samples on every task."""
    known = {row.model: Answer(row.mean, row.interval) for row in rows if row.mean is not None}
    joint: dict[tuple[str, str], float] = {}
    if tasks and all(task in errors for task in tasks):
        for first in known:
            for second in known:
                parts = [errors[task].get((first, second)) for task in tasks]
                if first != second and None not in parts:
                    squares = math.fsum(part * part for part in parts if part is not None)
                    joint[first, second] = math.sqrt(squares) / len(tasks)
    return places(known, joint)


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None
