"""Every column of a results frame: its name, its pandas type, its meaning, and where its values come from.

:func:`vlmbench.results_frame` makes its columns from this list, the CSV export takes its own from it, and
``docs/frames_table.py`` writes it into the documentation. Importing it imports no pandas.
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
"""As :data:`vlmbench.transfer.ZERO_SHOT`, which is not imported here: its types need torch."""
OfRecord = Callable[[Summary], object]
OfMetric = Callable[[Summary, str, MetricValue], object]
OfRemarks = Callable[[Sequence[Remark]], object]


@dataclass(frozen=True)
class ResultColumn(FrameColumn):
    """A column of a results frame.

    Attributes:
        of_record: its value for a record, the same for all its metrics.
        of_metric: its value for one metric of a record.
        of_remarks: its value for a record, from its remarks (:func:`vlmbench.asked.remarks_of`).
    """

    of_record: OfRecord | None = None
    of_metric: OfMetric | None = None
    of_remarks: OfRemarks | None = None

    def value(self, record: Summary, name: str, remarks: Sequence[Remark]) -> object:
        """What one metric of a record has in this column; None where it is missing."""
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
    # What the number is.
    ResultColumn("model", "string", "the model's name as tables show it", lambda r: r.model.name),
    ResultColumn("task", "string", "the task card's name", lambda r: r.task.name),
    ResultColumn("kind", "string", "the kind of task: classification, retrieval, …", lambda r: r.task.plugin),
    ResultColumn(
        "transfer",
        "string",
        "how the model was adapted before it answered: `zero-shot`, or the transfer method's name",
        lambda r: str(r.task.protocol.get("transfer", _ZERO_SHOT)),
    ),
    ResultColumn("metric", "string", "the metric's name; missing for a pair that failed", of_metric=lambda r, n, m: n),
    ResultColumn(
        "value",
        "float64",
        "its value in `unit`; missing where the data does not define it (`reason` says why) or the pair failed",
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
        "how many samples (or queries) the metric is over",
        of_metric=lambda r, n, m: m.n or None,
    ),
    ResultColumn(
        "chance", "float64", "what random answers would give; missing if unknown", of_metric=lambda r, n, m: m.chance
    ),
    ResultColumn("unit", "string", "`fraction` in [0, 1], or `rank` from 1", of_metric=lambda r, n, m: m.unit),
    ResultColumn("higher_is_better", "boolean", "the metric's direction", of_metric=lambda r, n, m: m.higher_is_better),
    ResultColumn(
        "main",
        "bool",
        "it is the task's main metric, the one that tables show",
        None,
        lambda r, n, m: n == r.main_metric,
    ),
    ResultColumn(
        "comparable",
        "bool",
        "it answers the task card's own question, so that rankings may use it: no remark (or flag) speaks against it",
        of_remarks=lambda remarks: not any(remark.unranked for remark in remarks),
    ),
    ResultColumn(
        "status", "string", "`done`; or `failed` or `unsupported` for a pair without a record", lambda r: "done"
    ),
    ResultColumn("origin", "string", "`measured` here, `imported` from another program's file, or `published`", origin),
    ResultColumn(
        "reason",
        "string",
        "why there is no value or no interval, or why the pair failed",
        None,
        lambda r, n, m: m.reason or None,
    ),
    ResultColumn("remarks", "string", "what a reader must know beside the number, in a few words", of_remarks=_briefs),
    ResultColumn("remark_codes", "string", "the codes of these remarks, separated by spaces", of_remarks=_codes),
    # What was asked.
    ResultColumn("task_version", "string", "version of the task card and of its kind", lambda r: r.task.version),
    ResultColumn("split", "string", "the data's split", lambda r: r.task.dataset.split),
    ResultColumn("samples", "Int64", "samples that were used", lambda r: r.task.dataset.samples or None),
    ResultColumn(
        "standard_samples", "Int64", "samples of the card's standard split", lambda r: r.task.dataset.standard_samples
    ),
    ResultColumn("bad_samples", "Int64", "samples that `--skip-bad` left out", lambda r: len(r.bad_samples)),
    ResultColumn(
        "limit",
        "Int64",
        "size of the subset that `--limit` asked for; missing if all was scored",
        lambda r: r.run.limit,
    ),
    ResultColumn("seed", "Int64", "seed of that subset and of the bootstrap", lambda r: r.run.seed),
    ResultColumn(
        "data_source",
        "string",
        "the kind of source that the data was read from",
        lambda r: r.task.dataset.source or None,
    ),
    ResultColumn("data_location", "string", "where the data was found", lambda r: r.task.dataset.location or None),
    ResultColumn(
        "data_fingerprint",
        "string",
        "hash over content and label of every sample used: equal fingerprints are equal data",
        lambda r: r.task.dataset.fingerprint or None,
    ),
    ResultColumn(
        "train_samples",
        "Int64",
        "samples of the support set that the model was adapted with",
        lambda r: _train(r, "samples"),
    ),
    ResultColumn("train_fingerprint", "string", "the same hash of the support set", lambda r: _train(r, "fingerprint")),
    ResultColumn(
        "prompts_sha256", "string", "hash of the class names and templates", lambda r: r.task.prompts_sha256 or None
    ),
    ResultColumn("protocol", "string", "the protocol, a JSON object", lambda r: _json(r.task.protocol)),
    ResultColumn(
        "settings",
        "string",
        "what the user set of it, a JSON object; missing if nothing",
        lambda r: _json(r.run.settings),
    ),
    # Of which model.
    ResultColumn("adapter", "string", "the adapter that loaded the model", lambda r: r.model.adapter or None),
    ResultColumn("spec", "string", "what the adapter loaded", lambda r: r.model.spec or None),
    ResultColumn("weights_sha256", "string", "hash of the weights", lambda r: r.model.weights_sha256 or None),
    ResultColumn("model_revision", "string", "commit of the hub repository of the weights", lambda r: r.model.revision),
    ResultColumn(
        "architecture", "string", "the architecture, as the adapter names it", lambda r: r.model.architecture or None
    ),
    ResultColumn("parameters", "Int64", "how many parameters the model has", lambda r: r.model.parameters or None),
    ResultColumn(
        "embedding_dim", "Int64", "length of its embeddings; missing of models without", lambda r: r.model.embedding_dim
    ),
    ResultColumn("image_encoder", "string", "image encoder, of the model card or of the paper's row"),
    ResultColumn("text_encoder", "string", "text encoder, likewise"),
    ResultColumn("data_size", "string", "pre-training pairs, likewise, as papers print it: `400M`"),
    ResultColumn("objective", "string", "pre-training objective, of the model card"),
    # How it was computed.
    ResultColumn("precision", "string", "`fp32`, `fp16` or `bf16`", lambda r: r.run.precision or None),
    ResultColumn("device", "string", "the device: `cpu`, `cuda:0`", lambda r: r.run.device or None),
    ResultColumn("processor", "string", "the GPU's or the processor's name", lambda r: r.run.processor),
    ResultColumn("batch_size", "Int64", "images a batch", lambda r: r.run.batch_size or None),
    ResultColumn("workers", "Int64", "threads that decode", lambda r: r.run.workers),
    ResultColumn("started", "datetime64[us, UTC]", "when the run began", lambda r: r.run.started),
    ResultColumn("seconds", "float64", "wall-clock seconds from the question to the answer", _stage("total")),
    ResultColumn("seconds_text", "float64", "of them for texts", _stage("text")),
    ResultColumn("seconds_images", "float64", "of them for images: read, decode, encode", _stage("images")),
    ResultColumn("seconds_metrics", "float64", "of them for metrics and their intervals", _stage("metrics")),
    ResultColumn("seconds_by_stage", "string", "all stages, a JSON object", lambda r: _json(r.run.seconds)),
    ResultColumn(
        "images_per_second",
        "float64",
        "over the image stage; missing where images came from the cache",
        lambda r: r.run.images_per_second,
    ),
    ResultColumn("peak_memory_bytes", "Int64", "the most memory in use", lambda r: r.run.peak_memory_bytes),
    # With which versions, and where it is kept.
    ResultColumn("vlmbench", "string", "version of vlmbench", lambda r: r.environment.vlmbench or None),
    ResultColumn("python", "string", "version of Python", lambda r: r.environment.python or None),
    ResultColumn("platform", "string", "the operating system", lambda r: r.environment.platform or None),
    ResultColumn("packages", "string", "versions of packages, a JSON object", lambda r: _json(r.environment.packages)),
    ResultColumn("git", "string", "commit of the working directory", lambda r: r.environment.git),
    ResultColumn(
        "imported_from", "string", "the program whose file was imported", lambda r: r.imported and r.imported.program
    ),
    ResultColumn(
        "source",
        "string",
        "of a published number where it was read; of an imported one the file",
        lambda r: r.imported and r.imported.file,
    ),
    ResultColumn("published_table", "string", "of a published number its table: `survey-6`, `open_clip`, …"),
    ResultColumn("setup", "string", "of a published number how the model was set up: `w/o Transfer`, `supervised`, …"),
    ResultColumn("note", "string", "of a published number what a reader must know"),
    ResultColumn("flag", "string", "of a published number why it must not be used as it is; missing if it may be"),
    ResultColumn("results", "string", "the folder or file that the row was read from; missing for records in memory"),
    ResultColumn("run_id", "string", "the record's id; missing for a pair that failed", lambda r: r.id),
)
"""All columns, in the order of the frame. Columns without a function are filled from elsewhere: from model cards,
published numbers, or the place of a record."""

OF_FAILURE: Mapping[str, Callable[[Failure], object]] = {
    "model": lambda failure: failure.model,
    "task": lambda failure: failure.task,
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
"""What is known of a pair that failed. All other columns are missing; ``main`` and ``comparable`` are False."""

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
"""What is known of a published number. All other columns are missing."""
