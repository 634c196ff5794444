"""Computes the difference of two runs in one metric, and in the number of each class.

The gate uses it. Reports look up here how a kind of task pairs its answers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from vlmbench.answers.agreement import rounding, same_values
from vlmbench.answers.measured import ClassShares, ClassStatistics, Measured, Pairing, differ
from vlmbench.answers.rounding import Rounding
from vlmbench.answers.tables import Aligned, Answers, align, identical
from vlmbench.errors import RecordError, UnpairableError, VlmbenchError
from vlmbench.kinds import known_kind
from vlmbench.metrics.base import RESAMPLES
from vlmbench.metrics.difference import Difference, mcnemar_difference
from vlmbench.metrics.paired_bootstrap import bootstrap_difference, bootstrap_differences
from vlmbench.records import Record

_ALWAYS = ("sample", "content")
SAME_VALUE = 1e-6
"""The largest difference between a metric computed from the table and the record's value."""


@dataclass(frozen=True)
class ClassDifference:
    """One class in two runs.

    Attributes:
        index: the index of the class.
        name: its name in the baseline's record.
        n: the number of samples (in detection and segmentation: images) that its number depends on.
        value: the number's name in the class table: "recall", "iou", "ap".
        difference: the difference of that number.
    """

    index: int
    name: str
    n: int
    value: str
    difference: Difference


@dataclass(frozen=True)
class PairedMetric:
    """One metric of two runs on the samples that both answered.

    Attributes:
        record: the baseline's record.
        metric: the metric's name in both records.
        baseline: the baseline's answers.
        candidate: the candidate's answers, with the samples in the same order.
        identical: whether both have the same answers and scores, to the last bit.
        rounding: how much the scores differ, if they differ only by rounding and nothing else differs.
    """

    record: Record
    metric: str
    baseline: Measured
    candidate: Measured
    identical: bool
    rounding: Rounding | None = None

    def difference(self, *, seed: int = 0, resamples: int = RESAMPLES) -> Difference:
        """Candidate minus baseline.

        Raises:
            UnpairableError: the metric is undefined on these samples.
        """
        before, after = self.baseline, self.candidate
        if before.right is not None and after.right is not None:
            return self._told(mcnemar_difference(before.right, after.right, identical=self._is_one))
        if math.isnan(before.value) or math.isnan(after.value):
            raise UnpairableError(
                f"{self.record.task.name}: {self.metric} is undefined on the samples that both answered"
            )
        differing = differ(before.seen, after.seen)
        found = bootstrap_difference(
            before.statistic,
            after.statistic,
            before.n,
            differing=differing & (not self._is_one),
            largest=before.largest,
            identical=self._is_one,
            seed=seed,
            resamples=resamples,
            rows=before.rows,
        )
        return self._told(found)

    def class_differences(self, *, seed: int = 0, resamples: int = RESAMPLES) -> list[ClassDifference]:
        """The difference for each class, in the number that belongs to the metric: recall, average precision or IoU.

        Classes that are undefined in one of the two runs are left out. A task without classes gives an empty list.

        Raises:
            UnpairableError: only one of the two runs has classes of single-label data.
        """
        if self.baseline.classes is None or self.candidate.classes is None:
            return []
        before, after = self.baseline.classes(), self.candidate.classes()
        if isinstance(before, ClassShares) and isinstance(after, ClassShares):
            found = _of_shares(before, after, identical=self._is_one)
        elif isinstance(before, ClassStatistics) and isinstance(after, ClassStatistics):
            found = _of_statistics(before, after, self, seed, resamples)
        else:
            raise UnpairableError(
                f"{self.record.task.name}: one run has single-label classes, the other multi-label classes"
            )
        names = [row.name for row in self.record.per_class]
        return [
            ClassDifference(
                index, names[index] if index < len(names) else str(index), each.n, before.value, self._told(each)
            )
            for index, each in found
        ]

    @property
    def _is_one(self) -> bool:
        """Whether both behave the same, apart from rounding."""
        return self.identical or self.rounding is not None

    def _told(self, found: Difference) -> Difference:
        if self.rounding is None:
            return found
        interval = None if found.ci95 is None else (found.value, found.value)
        return replace(found, ci95=interval, identical=False, rounding=True)


def pair(
    baseline: Answers, candidate: Answers, metric: str, *, aligned: Aligned | None = None, exact: bool = False
) -> PairedMetric:
    """One metric of two runs, measured on the samples that both answered.

    Tables that are already ``aligned`` are not aligned again. With ``exact``, differences the size of rounding count as
    differences, for two runs that are known to have different precisions or transforms.

    Raises:
        UnpairableError: the two runs have no common sample, belong to two kinds of task, or the metric cannot be
        paired. RecordError: a table and its record give different values.
    """
    first, second = baseline.record.task, candidate.record.task
    if first.plugin != second.plugin:
        raise UnpairableError(f"{first.name} is a {first.plugin} task, {second.name} a {second.plugin} task")
    before, after = _checked(baseline, metric), _checked(candidate, metric)
    aligned = aligned or align(baseline.table, candidate.table, first.plugin)
    if pairing(first.plugin).ranked and (aligned.only_baseline or aligned.only_candidate):
        raise UnpairableError(
            f"{first.name}: ranks among different sets of images cannot be compared; {_missing(aligned)}",
            hint="Run both on the same samples.",
        )
    if aligned.baseline is not baseline.table:
        before = measured(replace(baseline, table=aligned.baseline), metric)
    if aligned.candidate is not candidate.table:
        after = measured(replace(candidate, table=aligned.candidate), metric)
    same = same_behaviour(aligned, first.plugin)
    close = None if same or exact else rounding(aligned, pairing(first.plugin))
    if close is not None and not same_values(before, after):
        close = None
    return PairedMetric(baseline.record, metric, before, after, same, close)


def pairing(plugin: str) -> Pairing:
    """The pairing of a kind of task: what its tables state for each sample.

    Raises:
        UnpairableError: the kind is not installed, or has no pairing.
    """
    kind = known_kind(plugin)
    try:
        found = kind.load_paired() if kind else None
    except VlmbenchError as error:
        raise UnpairableError(f"answers of {plugin} tasks cannot be compared: {error.message}") from error
    if not isinstance(found, Pairing):
        raise UnpairableError(f"answers of {plugin} tasks cannot be compared sample by sample")
    return found


def measured(answers: Answers, metric: str) -> Measured:
    """What a comparison needs of a metric.

    Raises:
        UnpairableError: the metric is unknown, or is not a function of the single samples' answers.
        RecordError: this kind of task does not write such a table.
    """
    task = answers.record.task
    try:
        found = pairing(task.plugin).measured(answers.record, answers.table, metric)
    except RecordError as error:
        raise RecordError(f"{answers.where}: {error.message}", hint=error.hint) from error
    except (ValueError, IndexError) as error:  # values that a run never writes
        raise RecordError(f"{answers.where}: {metric} cannot be computed from it: {error}") from error
    if found is None:
        raise UnpairableError(
            f"{task.name}: {metric} cannot be compared sample by sample: a {task.plugin} task does not state how "
            "samples contribute to it"
        )
    return found


def pairing_columns(plugin: str) -> tuple[str, ...]:
    """The columns of a kind's tables that comparisons read if they exist. Comparisons need no other column.

    Raises:
        UnpairableError: its answers cannot be paired.
    """
    own, kind = pairing(plugin), known_kind(plugin)
    return tuple(dict.fromkeys((*_ALWAYS, *(kind.truth if kind else ()), *own.columns, *own.answers)))


def same_behaviour(aligned: Aligned, plugin: str) -> bool:
    """Whether two tables of a kind of task have the same answers and scores."""
    own = pairing(plugin)
    return identical(aligned, own.answers, own.columns)


def _missing(aligned: Aligned) -> str:
    sides = (("candidate", aligned.only_baseline), ("baseline", aligned.only_candidate))
    return ", ".join(f"the {side} lacks {len(ids):,} (e.g. {ids[0]!r})" for side, ids in sides if ids)


def _checked(answers: Answers, metric: str) -> Measured:
    """A metric of a whole table, checked against the record.

    Raises:
        UnpairableError: the record has no such metric, or the metric is undefined.
        RecordError: the table and the record give different values.
    """
    record = answers.record
    stated = record.metrics.get(metric)
    if stated is None:
        raise UnpairableError(f"{answers.where}: {record.model.name} on {record.task.name} has no {metric}")
    if stated.value is None:
        why = f": {stated.reason}" if stated.reason else ""
        raise UnpairableError(
            f"{answers.where}: {metric} is undefined for {record.model.name} on {record.task.name}{why}"
        )
    found = measured(answers, metric)
    try:
        value = found.value
    except ValueError as error:  # values that a run never writes, such as an image without captions
        raise RecordError(f"{answers.where}: {metric} cannot be computed from it: {error}") from error
    if not abs(value - stated.value) <= SAME_VALUE:
        raise RecordError(
            f"{answers.where}: predictions and record do not belong together: {metric} is {value:.6f} by the "
            f"predictions, {stated.value:.6f} by the record",
            hint="Run the pair again with --force.",
        )
    return found


def _of_shares(before: ClassShares, after: ClassShares, *, identical: bool) -> list[tuple[int, Difference]]:
    order = np.argsort(before.labels, kind="stable")
    classes, starts = np.unique(before.labels[order], return_index=True)
    return [
        (int(label), mcnemar_difference(before.right[own], after.right[own], identical=identical))
        for label, own in zip(classes, np.split(order, starts[1:]), strict=True)
    ]


def _of_statistics(
    before: ClassStatistics, after: ClassStatistics, pair: PairedMetric, seed: int, resamples: int
) -> list[tuple[int, Difference]]:
    differing = differ(before.seen, after.seen, kept=2) & (pair.rounding is None)
    found = bootstrap_differences(
        before.statistics,
        after.statistics,
        pair.baseline.n,
        differing=differing,
        sizes=np.maximum(np.maximum(before.sizes, after.sizes), differing.sum(axis=0)).tolist(),
        identical=pair.identical or pair.rounding is not None,
        seed=seed,
        resamples=resamples,
        rows=before.rows,
    )
    return [(index, each) for index, each in enumerate(found) if each is not None]
