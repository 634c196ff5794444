"""Defines what a kind of task tells a comparison: each metric, for any draw of the samples and for each class.

Each kind of task states it in its ``paired.py``. The gate, rankings and reliability curves use it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vlmbench.answers.inspected import Inspected
from vlmbench.answers.rounding import Scores
from vlmbench.metrics.intervals import WeightedStatistic, WeightedStatistics
from vlmbench.records import Record

T = TypeVar("T")


@dataclass(frozen=True)
class ClassShares:
    """The share of right answers among the samples of each class.

    Attributes:
        value: its name in the record's class table.
        labels: (n,) the class of each sample.
        right: (n,) whether the answer to each sample is right.
    """

    value: str
    labels: NDArray[np.int64]
    right: NDArray[np.bool_]


@dataclass(frozen=True)
class ClassStatistics:
    """A number for each of C classes, for any draw of the samples.

    Attributes:
        value: its name in the record's class table.
        statistics: (B, n) counts to (B, C) values.
        seen: (n, C, ...) the part of each sample that each class's number depends on.
        sizes: (C,) the number of samples that each class's number depends on: those that show the class.
        rows: the resamples in a block; None: as many as fit into the cache.
    """

    value: str
    statistics: WeightedStatistics
    seen: NDArray[Any]
    sizes: NDArray[np.int64]
    rows: int | None = None


@dataclass(frozen=True)
class Measured:
    """One metric of n samples (rows of a table).

    Attributes:
        n: the number of samples.
        statistic: (B, n) counts to (B,) values.
        seen: (n, ...) the part of each sample that the metric depends on.
        right: (n,) whether each answer is right, if the metric is the share of right answers; else None.
        largest: the largest possible change of the metric, if every answer changes.
        rows: the resamples in a block; None: as many as fit into the cache.
        classes: a function that makes the same for each class; None if there are no classes.
    """

    n: int
    statistic: WeightedStatistic
    seen: NDArray[Any]
    right: NDArray[np.bool_] | None = None
    largest: float = 1.0
    rows: int | None = None
    classes: Callable[[], ClassShares | ClassStatistics] | None = None

    @property
    def value(self) -> float:
        """The metric of all samples; nan if it is undefined."""
        return float(self.statistic(np.ones((1, self.n), dtype=np.int32))[0])


@dataclass(frozen=True)
class FromColumns(Generic[T]):
    """Something computed from columns of a table of predictions.

    Attributes:
        columns: the columns that it reads.
        compute: computes it. Raises :class:`~vlmbench.errors.RecordError` if a column is missing.
    """

    columns: tuple[str, ...]
    compute: Callable[[pa.Table], T]


@dataclass(frozen=True)
class SampleChanges:
    """How the answers to N samples changed from one run to another.

    Attributes:
        gain: (N,) how much better each answer became. A loss is negative; 0 is a change too small to list.
        baseline: the baseline's answer to a row, in words.
        candidate: the candidate's answer to a row, in words.
        truth: the right answer; "" if the other two state it.
    """

    gain: NDArray[np.float64]
    baseline: Callable[[int], str]
    candidate: Callable[[int], str]
    truth: Callable[[int], str] = lambda row: ""


Contributions = FromColumns[NDArray[np.float64]]
"""(N,) the contribution of each sample to a metric, which is their mean."""
Decisions: TypeAlias = Callable[[pa.Table], Sequence[NDArray[Any]]]
"""From a table to the decisions: arrays with one row for each sample."""
Confidences = FromColumns[tuple[NDArray[np.float64], NDArray[np.bool_]]]
"""(N,) the model's probability of each answer, and (N,) whether the answer is right."""


@dataclass(frozen=True)
class Pairing:
    """What the tables of one kind of task state for each sample, in one run and in two runs.

    Attributes:
        measured: from a record, its table and a metric's name to what a comparison needs of that metric; None if the
            metric is unknown. Raises UnpairableError if the metric is not a function of the samples' answers.
        columns: the columns of the tables that ``measured`` reads if they exist.
        answers: the columns that contain the answers. If they are all equal, the models behave the same.
        scores: the columns that rounding may change. Two runs behave the same if their scores agree within the
            tolerance and their decisions are equal. Empty: only if all answers are equal to the last bit.
        decisions: the decisions in each sample, for tables that have the same columns; None: all of ``answers`` and
            ``columns`` except scores.
        rearranged: for two tables with the same samples in the same order: the second table, with the items of its
            lists in the order of the first. Rounding may have changed their order.
        ranked: whether answers are places among all other samples, so that both runs need exactly the same samples.
        contributions: from a metric's name to each sample's contribution, by which rankings tell models apart; None if
            the metric is not a mean over samples.
        changes: for two tables with the same samples in the same order, and the names of the classes: how each sample
            changed; None if the columns do not show it.
        confidences: for a reliability curve beside the metric ``ece``; None if there are no confidences.
        inspected: from one table and the names of the classes to how wrong each answer is, for the worst samples of
            ``vlmbench show``; None if the columns do not show it.
    """

    measured: Callable[[Record, pa.Table, str], Measured | None]
    columns: tuple[str, ...]
    answers: tuple[str, ...]
    scores: tuple[Scores, ...] = ()
    decisions: Decisions | None = None
    rearranged: Callable[[pa.Table, pa.Table], pa.Table] = lambda baseline, candidate: candidate
    ranked: bool = False
    contributions: Callable[[str], Contributions | None] = lambda metric: None
    changes: Callable[[pa.Table, pa.Table, Sequence[str]], SampleChanges | None] = lambda *tables: None
    confidences: Confidences | None = None
    inspected: Callable[[pa.Table, Sequence[str]], Inspected | None] = lambda *table: None


def differ(first: NDArray[Any], second: NDArray[Any], kept: int = 1) -> NDArray[np.bool_]:
    """Whether two arrays of one shape differ, reduced over all axes but the first ``kept``."""
    other = np.asarray(first != second)
    return np.asarray(other.any(axis=tuple(range(kept, other.ndim))), dtype=bool)


def objects(values: Sequence[bytes]) -> NDArray[np.object_]:
    """An (n,) array of bytes of any length."""
    result = np.empty(len(values), dtype=object)
    result[:] = values
    return result
