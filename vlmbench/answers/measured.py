"""What a table of predictions gives a comparison: a metric of any draw of its samples, and of each class."""

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
    """Each class's share of right answers among its own samples.

    Attributes:
        value: what it is called in the record's class table.
        labels: (n,) the class of each sample.
        right: (n,) whether it was answered rightly.
    """

    value: str
    labels: NDArray[np.int64]
    right: NDArray[np.bool_]


@dataclass(frozen=True)
class ClassStatistics:
    """A number of each of C classes on any draw of the samples.

    Attributes:
        value: what it is called in the record's class table.
        statistics: (B, n) counts to (B, C) values.
        seen: (n, C, ...) what each class's number depends on, of every sample.
        sizes: (C,) samples with a say in each class's number: those that show it.
        rows: resamples a block; None: as many as fit into the cache.
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
        n: how many.
        statistic: (B, n) counts to (B,) values.
        seen: (n, ...) what the metric depends on, of every sample.
        right: (n,) whether each was answered rightly, where the metric is the share that were.
        largest: how much the metric changes, at most, if every answer does.
        rows: resamples a block; None: as many as fit into the cache.
        classes: makes the same of each class; None where there are none.
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
        """The metric itself, nan where it is undefined."""
        return float(self.statistic(np.ones((1, self.n), dtype=np.int32))[0])


@dataclass(frozen=True)
class FromColumns(Generic[T]):
    """Something that a table of predictions holds, and the columns that it takes.

    Attributes:
        columns: those that are read.
        compute: makes it of them. Raises :class:`~vlmbench.errors.RecordError` where one is missing.
    """

    columns: tuple[str, ...]
    compute: Callable[[pa.Table], T]


@dataclass(frozen=True)
class SampleChanges:
    """How the answers to N samples changed from one run to another.

    Attributes:
        gain: (N,) how much better each answer became; a loss is negative, and 0 is no change worth a line.
        baseline: a row's answer in words.
        candidate: likewise.
        truth: what the right answer was; "" where the others say it.
    """

    gain: NDArray[np.float64]
    baseline: Callable[[int], str]
    candidate: Callable[[int], str]
    truth: Callable[[int], str] = lambda row: ""


Contributions = FromColumns[NDArray[np.float64]]
"""(N,) each sample's contribution to a metric that is their mean."""
Decisions: TypeAlias = Callable[[pa.Table], Sequence[NDArray[Any]]]
"""Of a table what was decided in each sample: arrays with a row a sample."""
Confidences = FromColumns[tuple[NDArray[np.float64], NDArray[np.bool_]]]
"""(N,) how sure the model was of each answer, a probability; and (N,) whether it was right."""


@dataclass(frozen=True)
class Pairing:
    """What the tables of one kind of task say sample by sample, of one run and of two.

    Attributes:
        measured: of a record, its table and a metric's name what a comparison needs of that metric; None where the
            metric is unknown. Raises UnpairableError where the metric is no function of the samples' answers.
        columns: columns of the tables that ``measured`` reads, where they are there.
        answers: columns that hold the answers. Where they all agree, so does the models' behaviour.
        scores: columns that rounding may move. Two runs are of one behaviour if their scores agree within its
            tolerance and their decisions are the same. Empty: only if all answers are the same to the last bit.
        decisions: what was decided in each sample, of tables that both have the same columns; None: all of
            ``answers`` and ``columns`` that are no scores.
        rearranged: of two tables of the same samples in the same order the second, items of its lists in the order
            that they have in the first, if rounding may have changed it.
        ranked: answers are places among all the other samples, so that both runs need the very same samples.
        contributions: of a metric's name each sample's contribution to it, by which tables tell models apart; None
            where the metric is no mean over samples.
        changes: of two tables of the same samples in the same order, and the classes' names, how each sample changed;
            None where their columns do not say it.
        confidences: for a reliability curve beside the metric ``ece``; None: the answers have no confidences.
        inspected: of one table and the classes' names how wrong each answer is, for the worst samples of ``vlmbench
            show``; None where its columns do not tell.
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
    """Where two arrays of one shape have other values, over all but the first ``kept`` axes."""
    other = np.asarray(first != second)
    return np.asarray(other.any(axis=tuple(range(kept, other.ndim))), dtype=bool)


def objects(values: Sequence[bytes]) -> NDArray[np.object_]:
    """(n,) bytes of any length."""
    result = np.empty(len(values), dtype=object)
    result[:] = values
    return result
