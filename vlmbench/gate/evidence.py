"""Collects the evidence for one task: how two records differ, and the measured difference of their answers.

:mod:`~vlmbench.gate.judge` makes verdicts from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from vlmbench.answers.columns import column
from vlmbench.answers.paired_metric import PairedMetric
from vlmbench.answers.paired_metric import pair as pair_answers
from vlmbench.answers.rounding import Rounding
from vlmbench.answers.tables import Aligned, Answers, align
from vlmbench.errors import RecordError, UnpairableError
from vlmbench.gate.entry import Entry
from vlmbench.gate.flips import flipped_samples
from vlmbench.gate.mismatches import asked_alike, covered_alike, mismatch, mismatches, model_parts
from vlmbench.gate.outcome import Kind, Mismatch, SampleFlip
from vlmbench.gate.policy import Settings
from vlmbench.metrics.difference import Difference
from vlmbench.records import MetricValue, Record
from vlmbench.storage.shown import with_urls
from vlmbench.wording import counted

if TYPE_CHECKING:
    import pyarrow as pa

NO_IMAGES = (
    "The content of the images could not be compared, because one side had no images. The ids and labels of the "
    "samples were compared."
)
_NAMED = 3
"""The number of samples to name if one side lacks samples."""


@dataclass(frozen=True)
class Evidence:
    """A task's answers, measured.

    Attributes:
        baseline: the baseline's record.
        candidate: the candidate's record.
        metric: the compared metric.
        unit: the metric's unit.
        higher_is_better: the metric's direction.
        difference: candidate minus baseline, on the samples of both.
        same_samples: whether both sides have the same samples.
        flips: the samples that changed most.
        overridden: differences that ``allow`` permits.
        rounding: how much scores differ, if they differ only by rounding and no decision differs.
        equal: parts of the two models that are equal.
        unlike: parts of the two models that differ.
        not_compared: what could not be compared; "" if everything was.
        classes: names, samples and differences; None if they were not asked for or are not available.
        no_classes: why they are not available.
    """

    baseline: Record
    candidate: Record
    metric: str
    unit: Literal["fraction", "rank"]
    higher_is_better: bool
    difference: Difference
    same_samples: bool
    flips: Sequence[SampleFlip]
    overridden: Sequence[Mismatch]
    rounding: Rounding | None = None
    equal: Sequence[str] = ()
    unlike: Sequence[str] = ()
    not_compared: str = ""
    classes: Sequence[tuple[str, int, Difference]] | None = None
    no_classes: str = ""


class Incomparable(Exception):
    """Two records cannot be compared.

    Args:
        mismatches: the reasons.
        overridden: differences that ``allow`` permits.
    """

    def __init__(self, mismatches: Sequence[Mismatch], overridden: Sequence[Mismatch] = ()) -> None:
        super().__init__("; ".join(found.field for found in mismatches))
        self.mismatches = mismatches
        self.overridden = overridden


def gather_evidence(baseline: Entry, candidate: Entry, settings: Settings, allow: Sequence[Kind]) -> Evidence:
    """Compare two records, then their answers.

    Raises:
        Incomparable: they differ in something that ``allow`` does not permit, or their answers cannot be paired.
    """
    before, after = baseline.record, candidate.record
    found = mismatches(before, after, settings.metric)
    metric = settings.metric or before.main_metric
    found += _lacking(metric, before, after)
    if any(each.kind not in (*allow, "dataset") for each in found):
        raise _incomparable(found, allow)  # the answers need not be read
    sides, aligned, unlike = _answers(baseline, candidate, found)
    found = [each for each in found if each.kind != "dataset"] + unlike
    reasons = _incomparable(found, allow)
    if reasons.mismatches:
        raise reasons
    equal, unlike_parts = model_parts(before, after)
    exact = bool(reasons.overridden) or not asked_alike(unlike_parts)
    try:
        paired = pair_answers(*sides, metric, aligned=aligned, exact=exact)
        measured = paired.difference()
    except (UnpairableError, RecordError) as error:
        raise Incomparable([_unpaired(error)], reasons.overridden) from error
    value = before.metrics[metric]
    evidence = Evidence(
        baseline=before,
        candidate=after,
        metric=metric,
        unit=value.unit,
        higher_is_better=value.higher_is_better,
        difference=measured,
        same_samples=not (aligned.only_baseline or aligned.only_candidate),
        flips=flipped_samples(
            aligned.baseline, aligned.candidate, before.task.plugin, [result.name for result in before.per_class]
        ),
        overridden=reasons.overridden,
        rounding=paired.rounding,
        equal=equal,
        unlike=unlike_parts,
        not_compared="" if covered_alike(before, after) else NO_IMAGES,
    )
    return evidence if settings.max_class_drop is None else _with_classes(evidence, paired)


def _lacking(metric: str, before: Record, after: Record) -> list[Mismatch]:
    """The mismatch of a metric that a side lacks, or that has no value on a side."""
    old, new = before.metrics.get(metric), after.metrics.get(metric)
    if old is not None and old.value is not None and new is not None and new.value is not None:
        return []
    both = ", ".join(sorted(before.metrics.keys() & after.metrics.keys())) or "none"
    remedy = f"The metric must have a value on both sides. Metrics of both sides: {both}."
    return [mismatch("answers", f"metrics.{metric}", _value(old), _value(new), remedy)]


def _value(found: MetricValue | None) -> str:
    if found is None:
        return "not measured"
    if found.value is None:
        return f"undefined: {found.reason}" if found.reason else "undefined"
    return f"{found.value:.4f}"


def _incomparable(found: Sequence[Mismatch], allow: Sequence[Kind]) -> Incomparable:
    return Incomparable(
        [each for each in found if each.kind not in allow], [each for each in found if each.kind in allow]
    )


def _answers(
    baseline: Entry, candidate: Entry, found: Sequence[Mismatch]
) -> tuple[tuple[Answers, Answers], Aligned, list[Mismatch]]:
    """The two tables with their samples aligned, and how the samples differ.

    The records' fingerprints show only that the data differs. The tables show whether the samples or their labels
    differ.
    """
    try:
        old, new = (Answers(entry.record, entry.table(), with_urls(entry.where)) for entry in (baseline, candidate))
        aligned = _aligned(old, new)
    except (UnpairableError, RecordError) as error:
        others = [each for each in found if each.kind != "dataset"]
        raise Incomparable([*others, _unpaired(error)]) from error
    return (old, new), aligned, _of_samples(old.table, new.table, aligned, found)


def _aligned(old: Answers, new: Answers) -> Aligned:
    """The tables with their samples in one order. If only one side had the images, samples are paired by their ids."""
    before, after = old.table, new.table
    if not covered_alike(old.record, new.record):
        before, after = (table.set_column(*_ids_as_content(table)) for table in (before, after))
    return align(before, after, old.record.task.plugin)


def _ids_as_content(table: pa.Table) -> tuple[int, str, pa.ChunkedArray]:
    for name in ("content", "sample"):
        column(table, name)  # raises if it is missing
    return table.column_names.index("content"), "content", table["sample"]


def _of_samples(old: pa.Table, new: pa.Table, aligned: Aligned, found: Sequence[Mismatch]) -> list[Mismatch]:
    differ = [each for each in found if each.kind == "dataset"]
    if not (aligned.only_baseline or aligned.only_candidate):
        return differ
    if differ and set(old["content"].to_pylist()) == set(new["content"].to_pylist()):
        return differ  # the same files with different labels
    before, after = (_lone(names) for names in (aligned.only_baseline, aligned.only_candidate))
    return [mismatch("samples", "samples", f"{_count(old)}, {before}", f"{_count(new)}, {after}")]


def _with_classes(evidence: Evidence, paired: PairedMetric) -> Evidence:
    try:
        found = paired.class_differences()
    except (UnpairableError, RecordError) as error:
        return replace(evidence, no_classes=error.message)
    return replace(evidence, classes=[(each.name, each.n, each.difference) for each in found])


def _unpaired(error: UnpairableError | RecordError) -> Mismatch:
    remedy = f" {error.hint}" if error.hint else ""
    return mismatch("answers", "predictions", "–", "–", f"{error.message.rstrip('. ')}.{remedy}")


def _count(table: pa.Table) -> str:
    return counted(table.num_rows, "sample")


def _lone(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")
    return f"{len(names):,} of them only on this side ({shown})" if names else "all of them on both sides"
