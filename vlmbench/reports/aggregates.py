"""Many tasks as one order of models: over common tasks only, with ties where the data cannot tell models apart.

A task that a model lacks is never counted as zero: either the task is left out, or the model is.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

Z95 = 1.959964
"""Standard errors to each side of a 95% interval."""


@dataclass(frozen=True)
class Answer:
    """One model's number on one task.

    Attributes:
        value: the main metric.
        interval: its 95% interval; without one the number counts as exact.
        higher_is_better: the direction.
        averaged: it is a fraction, so that a mean over tasks means something.
    """

    value: float
    interval: tuple[float, float] | None = None
    higher_is_better: bool = True
    averaged: bool = True

    @property
    def ends(self) -> tuple[float, float]:
        """The interval with the better side up."""
        low, high = self.interval or (self.value, self.value)
        return (low, high) if self.higher_is_better else (-high, -low)

    @property
    def height(self) -> float:
        """The value with the better side up."""
        return self.value if self.higher_is_better else -self.value


Answers = Mapping[str, Mapping[str, Answer]]
"""Task to model to answer."""
Errors = Mapping[tuple[str, str], float]
"""Standard errors of the difference between two models that answered the same samples, in both orders."""


@dataclass(frozen=True)
class Place:
    """Where a model stands among others on one task.

    Attributes:
        better: models that are better beyond doubt.
        tied: models that cannot be told apart from it.
        worse: models that are worse beyond doubt.
    """

    better: int
    tied: int
    worse: int

    @property
    def rank(self) -> float:
        """From 1; a tie counts half."""
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
        """ "2", or "1–3" where ties leave it open."""
        return str(self.first) if self.tied == 0 else f"{self.first}–{self.last}"


@dataclass(frozen=True)
class Standing:
    """One model over the common tasks.

    Attributes:
        model: its name.
        mean: of the tasks' main metrics, those that are fractions; None where there are none.
        interval: its 95% interval.
        by_kind: the mean over each kind of task.
        average_rank: over all common tasks, ties counting half.
        borda: the share of other models it beats, over all tasks; a tie is half a win. None where it is alone.
        place: by its mean.
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
        tasks: over which they are compared: every model has all of them.
        models: best mean first.
        left_out: models that lack some of the tasks: their names to what they lack.
    """

    tasks: Sequence[str]
    models: Sequence[Standing]
    left_out: Mapping[str, Sequence[str]] = field(default_factory=dict)


def common_tasks(answers: Answers, models: Iterable[str] | None = None) -> list[str]:
    """The tasks that each of these models has, or else every model that has any, in their order."""
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
        tasks: over which; models that lack one are left out. None: the tasks that all models have.
        errors: by task, for models that answered the same samples.
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
    """Where each model stands on one task.

    Two models are told apart where the 95% interval of their difference on the same samples leaves out zero, or, where
    they have no samples in common, where their intervals do not overlap. No correction for many comparisons is made.
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
    """The 95% interval of a mean over tasks with samples of their own; None where one has no interval.

    Half-widths add in squares to each side of the mean, which keeps lopsided intervals lopsided.
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
    """1 where the answer is better beyond doubt, -1 where it is worse, else 0."""
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
    """Places by the mean; two models' difference has an error where they share samples on every task."""
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
