"""Lists every column of a results frame: its name, its pandas type, its meaning, and the source of its values.

:func:`vlmbench.results_frame` and the CSV export make their columns from this list. ``docs/frames_table.py`` writes it
into the documentation. This module does not import pandas.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from vlmbench.answers.frame_columns import FrameColumn
from vlmbench.records import Failure, MetricValue, Summary
from vlmbench.remarks.base import Remark
from vlmbench.reports.entries import origin
from vlmbench.reports.published import Published

_ZERO_SHOT = "zero-shot"
"""The value of :data:`vlmbench.transfer.ZERO_SHOT`. That module is not imported here, because its types need torch."""
OfRecord = Callable[[Summary], object]
OfMetric = Callable[[Summary, str, MetricValue], object]
OfRemarks = Callable[[Sequence[Remark]], object]


@dataclass(frozen=True)
class ResultColumn(FrameColumn):
    """A column of a results frame.

    Attributes:
        of_record: returns the column's value for a record. It is the same for all metrics of the record.
        of_metric: returns the column's value for one metric of a record.
        of_remarks: returns the column's value for the remarks of a record (:func:`vlmbench.asked.remarks_of`).
    """

    of_record: OfRecord | None = None
    of_metric: OfMetric | None = None
    of_remarks: OfRemarks | None = None

    def value(self, record: Summary, name: str, remarks: Sequence[Remark]) -> object:
        """The value of this column for one metric of a record; None if it is missing."""
        if self.of_metric is not None:
            return self.of_metric(record, name, record.metrics[name])
        if self.of_remarks is not None:
            return self.of_remarks(remarks)
        return None if self.of_record is None else self.of_record(record)


def _codes(remarks: Sequence[Remark]) -> str | None:
    return " ".join(dict.fromkeys(remark.code for remark in remarks)) or None


def _briefs(remarks: Sequence[Remark]) -> str | None:
    return ", ".join(dict.fromkeys(remark.brief for remark in remarks)) or None


def _json(value: Mapping[str, object]) -> str | None:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str) if value else None


def _train(record: Summary, field: str) -> object:
    role = record.task.other_data.get("train")
    return None if role is None else getattr(role, field)


def _stage(name: str) -> OfRecord:
    return lambda record: record.run.seconds.get(name)


RESULT_COLUMNS: tuple[ResultColumn, ...] = (
    # The number and what it means.
    ResultColumn("model", "string", "the model's name as tables show it", lambda r: r.model.name),
    ResultColumn("task", "string", "the task card's name", lambda r: r.task.name),
    ResultColumn("kind", "string", "the kind of task: classification, retrieval, …", lambda r: r.task.plugin),
    ResultColumn(
        "transfer",
        "string",
        "how the model was adapted before it answered: `zero-shot`, or the transfer method's name",
        lambda r: str(r.task.protocol.get("transfer", _ZERO_SHOT)),
    ),
    ResultColumn(
        "shots",
        "Int64",
        "K, the number of images of each class that the model was adapted with; missing for zero-shot",
        lambda r: r.transfer.shots if r.transfer else None,
    ),
    ResultColumn(
        "draw",
        "Int64",
        "the seed of the support set; missing for zero-shot",
        lambda r: r.transfer.draw if r.transfer else None,
    ),
    ResultColumn(
        "track",
        "string",
        "which images chose the method's settings; missing for zero-shot",
        lambda r: r.transfer.track if r.transfer else None,
    ),
    ResultColumn(
        "setting",
        "string",
        "which classes were learnt: `all-classes`, or `base-to-new`; missing for zero-shot",
        lambda r: r.transfer.setting if r.transfer else None,
    ),
    ResultColumn(
        "learnt_from",
        "string",
        "the task whose train data was learnt, if it is not the record's own; missing otherwise",
        lambda r: r.transfer.source if r.transfer else None,
    ),
    ResultColumn(
        "transfer_options",
        "string",
        "every option of the method, as a JSON object; missing for zero-shot, and if the method has none",
        lambda r: _json(r.transfer.options) if r.transfer else None,
    ),
    ResultColumn("metric", "string", "the metric's name; missing for a pair that failed", of_metric=lambda r, n, m: n),
    ResultColumn(
        "value",
        "float64",
        "its value in `unit`; missing if it cannot be computed from the data (`reason` says why) or if the pair failed",
        None,
        lambda r, n, m: m.value,
    ),
    ResultColumn(
        "ci95_low",
        "float64",
        "lower end of its 95% interval",
        of_metric=lambda r, n, m: m.ci95 and m.ci95[0],
    ),
    ResultColumn(
        "ci95_high",
        "float64",
        "upper end of its 95% interval",
        of_metric=lambda r, n, m: m.ci95 and m.ci95[1],
    ),
    ResultColumn(
        "n",
        "Int64",
        "the number of samples (or queries) that the metric is computed from",
        of_metric=lambda r, n, m: m.n or None,
    ),
    ResultColumn(
        "chance",
        "float64",
        "the value that random answers would have; missing if unknown",
        of_metric=lambda r, n, m: m.chance,
    ),
    ResultColumn("unit", "string", "`fraction` in [0, 1], or `rank` from 1", of_metric=lambda r, n, m: m.unit),
    ResultColumn(
        "higher_is_better",
        "boolean",
        "whether a higher value of the metric is better",
        of_metric=lambda r, n, m: m.higher_is_better,
    ),
    ResultColumn(
        "main",
        "bool",
        "whether this is the task's main metric, which tables show",
        None,
        lambda r, n, m: n == r.main_metric,
    ),
    ResultColumn(
        "comparable",
        "bool",
        "whether rankings may use it: it answers the task card's own question, and no remark or flag forbids it",
        of_remarks=lambda remarks: not any(remark.unranked for remark in remarks),
    ),
    ResultColumn(
        "status", "string", "`done`, or for a pair without a record `failed` or `unsupported`", lambda r: "done"
    ),
    ResultColumn("origin", "string", "`measured` here, `imported` from another program's file, or `published`", origin),
    ResultColumn(
        "reason",
        "string",
        "the reason why there is no value or no interval, or why the pair failed",
        None,
        lambda r, n, m: m.reason or None,
    ),
    ResultColumn("remarks", "string", "the remarks on the record, in a few words each", of_remarks=_briefs),
    ResultColumn("remark_codes", "string", "the codes of these remarks, separated by spaces", of_remarks=_codes),
    # The question that was asked.
    ResultColumn("task_version", "string", "the version of the task card and of its kind", lambda r: r.task.version),
    ResultColumn("split", "string", "the data's split", lambda r: r.task.dataset.split),
    ResultColumn("samples", "Int64", "the number of samples that were used", lambda r: r.task.dataset.samples or None),
    ResultColumn(
        "standard_samples",
        "Int64",
        "the number of samples in the card's standard split",
        lambda r: r.task.dataset.standard_samples,
    ),
    ResultColumn(
        "bad_samples", "Int64", "the number of samples that `--skip-bad` left out", lambda r: len(r.bad_samples)
    ),
    ResultColumn(
        "limit",
        "Int64",
        "the size of the subset that `--limit` asked for; missing if all samples were scored",
        lambda r: r.run.limit,
    ),
    ResultColumn("seed", "Int64", "the seed of that subset and of the bootstrap", lambda r: r.run.seed),
    ResultColumn(
        "data_source",
        "string",
        "the kind of source from which the data was read",
        lambda r: r.task.dataset.source or None,
    ),
    ResultColumn("data_location", "string", "where the data was found", lambda r: r.task.dataset.location or None),
    ResultColumn(
        "data_fingerprint",
        "string",
        "a hash of the content and label of every sample that was used; equal data has equal fingerprints",
        lambda r: r.task.dataset.fingerprint or None,
    ),
    ResultColumn(
        "train_samples",
        "Int64",
        "the number of samples in the support set, with which the model was adapted",
        lambda r: _train(r, "samples"),
    ),
    ResultColumn(
        "train_fingerprint", "string", "the same hash for the support set", lambda r: _train(r, "fingerprint")
    ),
    ResultColumn(
        "prompts_sha256", "string", "a hash of the class names and templates", lambda r: r.task.prompts_sha256 or None
    ),
    ResultColumn("protocol", "string", "the protocol as a JSON object", lambda r: _json(r.task.protocol)),
    ResultColumn(
        "settings",
        "string",
        "the fields of the protocol that the user changed, as a JSON object; missing if there are no such fields",
        lambda r: _json(r.run.settings),
    ),
    # The model.
    ResultColumn("adapter", "string", "the adapter that loaded the model", lambda r: r.model.adapter or None),
    ResultColumn(
        "spec", "string", "what the adapter loaded, such as `ViT-B-32/openai`", lambda r: r.model.spec or None
    ),
    ResultColumn("weights_sha256", "string", "a hash of the weights", lambda r: r.model.weights_sha256 or None),
    ResultColumn(
        "model_revision", "string", "the commit of the hub repository that has the weights", lambda r: r.model.revision
    ),
    ResultColumn(
        "architecture", "string", "the architecture, as the adapter names it", lambda r: r.model.architecture or None
    ),
    ResultColumn("parameters", "Int64", "the number of the model's parameters", lambda r: r.model.parameters or None),
    ResultColumn(
        "embedding_dim",
        "Int64",
        "the length of its embeddings; missing if it has none",
        lambda r: r.model.embedding_dim,
    ),
    ResultColumn("image_encoder", "string", "the image encoder, from the model card or from the paper's row"),
    ResultColumn("text_encoder", "string", "the text encoder, from the same places"),
    ResultColumn(
        "data_size", "string", "the number of pre-training pairs, from the same places, as papers print it: `400M`"
    ),
    ResultColumn("objective", "string", "the pre-training objective, from the model card"),
    # The computation.
    ResultColumn("precision", "string", "`fp32`, `fp16` or `bf16`", lambda r: r.run.precision or None),
    ResultColumn("device", "string", "the device, such as `cpu` or `cuda:0`", lambda r: r.run.device or None),
    ResultColumn("processor", "string", "the GPU's or the processor's name", lambda r: r.run.processor),
    ResultColumn("machine", "string", "the machine's GPUs, cores and memory", lambda r: r.run.machine),
    ResultColumn("batch_size", "Int64", "the number of images in a batch", lambda r: r.run.batch_size or None),
    ResultColumn("workers", "Int64", "the number of threads that decode images", lambda r: r.run.workers),
    ResultColumn("started", "datetime64[us, UTC]", "when the run began", lambda r: r.run.started),
    ResultColumn("seconds", "float64", "wall-clock seconds from the question to the answer, in all", _stage("total")),
    ResultColumn("seconds_text", "float64", "the seconds for texts", _stage("text")),
    ResultColumn(
        "seconds_images", "float64", "the seconds for images: to read, decode and encode them", _stage("images")
    ),
    ResultColumn("seconds_metrics", "float64", "the seconds for metrics and their intervals", _stage("metrics")),
    ResultColumn(
        "seconds_by_stage", "string", "the seconds of every stage, as a JSON object", lambda r: _json(r.run.seconds)
    ),
    ResultColumn(
        "images_per_second",
        "float64",
        "the speed of the image stage; missing if all images came from the cache",
        lambda r: r.run.images_per_second,
    ),
    ResultColumn(
        "peak_memory_bytes", "Int64", "the largest amount of memory in use, in bytes", lambda r: r.run.peak_memory_bytes
    ),
    # The versions, and where the row comes from.
    ResultColumn("vlmbench", "string", "the version of vlmbench", lambda r: r.environment.vlmbench or None),
    ResultColumn("python", "string", "the version of Python", lambda r: r.environment.python or None),
    ResultColumn("platform", "string", "the operating system", lambda r: r.environment.platform or None),
    ResultColumn(
        "packages", "string", "the versions of packages, as a JSON object", lambda r: _json(r.environment.packages)
    ),
    ResultColumn("git", "string", "the commit of the working directory", lambda r: r.environment.git),
    ResultColumn(
        "imported_from", "string", "the program whose file was imported", lambda r: r.imported and r.imported.program
    ),
    ResultColumn(
        "source",
        "string",
        "for a published number, the place where it was read; for an imported one, its file",
        lambda r: r.imported and r.imported.file,
    ),
    ResultColumn("published_table", "string", "for a published number, its table: `survey-6`, `open_clip`, …"),
    ResultColumn("setup", "string", "for a published number, the setup of the model: `w/o Transfer`, `supervised`, …"),
    ResultColumn("note", "string", "for a published number, what a reader must know"),
    ResultColumn(
        "flag", "string", "for a published number, why it must not be used unchanged; missing if it may be used"
    ),
    ResultColumn("results", "string", "the folder or file from which the row was read; missing for records in memory"),
    ResultColumn("run_id", "string", "the record's id; missing for a pair that failed", lambda r: r.id),
)
"""All columns, in the order of the frame. A column without a function gets its values from model cards, from published
numbers, or from the place of a record."""

OF_FAILURE: Mapping[str, Callable[[Failure], object]] = {
    "model": lambda failure: failure.model,
    "task": lambda failure: failure.task,
    "transfer": lambda failure: failure.transfer.method if failure.transfer else _ZERO_SHOT,
    "shots": lambda failure: failure.transfer and failure.transfer.shots,
    "draw": lambda failure: failure.transfer and failure.transfer.draw,
    "track": lambda failure: failure.transfer and failure.transfer.track,
    "setting": lambda failure: failure.transfer and failure.transfer.setting,
    "learnt_from": lambda failure: failure.transfer and failure.transfer.source,
    "status": lambda failure: failure.status,
    "reason": lambda failure: failure.message or failure.error,
    "origin": lambda failure: "measured",
    "started": lambda failure: failure.started,
    "vlmbench": lambda failure: failure.environment.vlmbench or None,
    "python": lambda failure: failure.environment.python or None,
    "platform": lambda failure: failure.environment.platform or None,
    "packages": lambda failure: _json(failure.environment.packages),
    "git": lambda failure: failure.environment.git,
}
"""The columns that a failed pair has, with their values. Other columns are missing, but ``main`` and ``comparable`` are
False."""

OF_PUBLISHED: Mapping[str, Callable[[Published], object]] = {
    "model": lambda number: number.model,
    "task": lambda number: number.task,
    "metric": lambda number: number.metric,
    "value": lambda number: number.value,
    "unit": lambda number: "fraction",
    "comparable": lambda number: not number.flag,
    "status": lambda number: "done",
    "origin": lambda number: "published",
    "source": lambda number: number.source,
    "published_table": lambda number: number.table or None,
    "setup": lambda number: number.variant.get("setup"),
    "note": lambda number: number.note or None,
    "flag": lambda number: number.flag or None,
}
"""The columns that a published number has, with their values. Other columns are missing."""
