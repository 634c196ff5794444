"""Defines the schema of a record: what one model answered to one task, and everything that can change the answer.

Values are fractions in [0, 1]. :mod:`vlmbench.run` makes records, :mod:`vlmbench.store` keeps them, and all tables and
comparisons read them. The texts below the fields are shown in the documentation.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    Field,
    PrivateAttr,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)
from typing_extensions import Self

from vlmbench.errors import RecordError
from vlmbench.markup import one_line
from vlmbench.record_parts.base import Count, FiniteNumber, Part
from vlmbench.record_parts.failure import Environment as Environment
from vlmbench.record_parts.failure import Failure as Failure
from vlmbench.record_parts.transfer import TransferInfo
from vlmbench.remarks.base import Remark, bounded

SCHEMA: Literal["vlmbench.record/2"] = "vlmbench.record/2"
REMARKLESS: Literal["vlmbench.record/1"] = "vlmbench.record/1"
"""The schema before remarks: its records hold only warnings, which tell less."""


_LATER_OF_MODELS = ("revision", "answers", "card")


class GivenFile(Part):
    """The file or folder from which answers were read that another program made."""

    file: str
    """Its name, without the folder."""
    sha256: str
    """The hash of its content; for a folder, of the names and contents of all files in it."""


class ModelInfo(Part):
    """The model as it was loaded."""

    name: str
    """The name of the model card, or ``ADAPTER:SPEC``."""
    adapter: str
    """The adapter that loaded the model, such as "open_clip"."""
    spec: str
    """What the adapter loaded: an architecture with its weights, a folder or a hub repository."""
    options: dict[str, Any] = {}
    """The options of the model card."""
    weights_sha256: str
    """The hash of all weights as they were loaded, whatever file they came from."""
    parameters: Count
    """The number of parameters."""
    architecture: str
    """The class of the network and its whole configuration."""
    preprocess: str
    """The image transform, with every number in it."""
    tokenizer: str
    """The tokenizer, with its vocabulary's hash and its context length, if it has them."""
    libraries: dict[str, str] = {}
    """Version of each package whose code makes the features."""
    capabilities: list[str]
    """What the model can do besides encoding whole images and texts, such as "DenseEncoder"."""
    embedding_dim: Count | None = None
    """The length of an embedding, or of each of several vectors. It is None for a model that has none of whole images
    and texts, such as a detector."""
    logit_scale: float | None = None
    """The factor by which cosines, or similarities, are multiplied to give logits; None as for ``embedding_dim``."""
    logit_bias: float | None = None
    """The number that is added to logits. It is None for a model that is no dual encoder."""
    revision: str | None = None
    """The commit of the hub repository from which the weights were downloaded."""
    answers: GivenFile | None = None
    """The file of the answers, if they were made elsewhere. The fields about weights and inputs then say nothing."""
    card: dict[str, Any] = {}
    """What a card beside such answers says about the system."""

    @model_serializer(mode="wrap")
    def _without_empty(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave later fields out if they are empty, so that other records stay as older versions wrote them."""
        return {name: value for name, value in dump(self).items() if value or name not in _LATER_OF_MODELS}

    @property
    def key(self) -> tuple[str, ...]:
        """What identifies the model besides its name: weights, architecture, image transform, tokenizer. With equal
        keys, equal inputs give equal features."""
        return self.weights_sha256, self.architecture, self.preprocess, self.tokenizer

    _saved_as: str = PrivateAttr(default="")

    @property
    def saved_as(self) -> str:
        """The name in the record's file, which gives its place in a results folder."""
        return self._saved_as or self.name

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that a user may write for it."""
        return tuple(dict.fromkeys((self.name, self.saved_as)))

    def renamed(self, name: str) -> Self:
        """The same model under another name, for a table."""
        copy = self.model_copy(update={"name": name})
        copy._saved_as = self.saved_as
        return copy


class DatasetInfo(Part):
    """The data that was read."""

    source: str
    """The kind of source that read the data, such as "imagefolder"."""
    location: str
    """The place that the source was given: a path, a hub repository or a name."""
    revision: str | None = None
    """The commit of a hub dataset."""
    split: str | None = None
    """The split that was read, if the layout has splits."""
    samples: Count
    """Samples used: after ``--limit``, without the bad ones that were skipped."""
    drawn_from: Count | None = None
    """The number of samples in the data, before ``--limit``; None in older records."""
    standard_samples: Count | None = None
    """The number of samples in the card's standard split."""
    fingerprint: str
    """A hash of the content and label of every sample used."""
    reading_rules: Count = 1
    """The version of the rules from files to samples and pixels, see :data:`vlmbench.data.base.READING_RULES`."""

    images: Literal["absent"] | None = None
    """``absent`` if the answers were made elsewhere and no image was there. The fingerprint is then a hash of ids and
    labels."""

    @model_serializer(mode="wrap")
    def _without_images(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave an empty ``images`` out, so that other records stay as older versions wrote them."""
        return {name: value for name, value in dump(self).items() if value is not None or name != "images"}


class TaskInfo(Part):
    """The question that was asked."""

    name: str
    """The name of the task card, or ``KIND:PATH``."""
    plugin: str
    """The kind of task, such as "classification"."""
    version: str
    """The version of the card, a dot, and the version of the kind. Numbers of two versions are not comparable."""
    dataset: DatasetInfo
    """The data that was scored."""
    other_data: dict[str, DatasetInfo] = {}
    """Other data that the answer was made with, by role ("train", "val"). It is empty in a zero-shot record."""
    prompts_sha256: str
    """The hash of class names, templates and all that makes prompts of them."""
    protocol: dict[str, Any] = {}
    """How the task was carried out: the card's protocol with what the user set."""

    @model_serializer(mode="wrap")
    def _without_empty_roles(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave empty roles out, so that records of the test role stay as older versions wrote them."""
        return {name: value for name, value in dump(self).items() if value or name != "other_data"}


_LONGEST_REASON = 200
Reason: TypeAlias = Annotated[str, AfterValidator(lambda text: one_line(text, _LONGEST_REASON))]
"""Text that tables show. A record's file may come from anyone, so the text is cut and kept on one line."""


def _reasoned(dumped: dict[str, Any]) -> dict[str, Any]:
    return dumped if dumped["reason"] else {name: value for name, value in dumped.items() if name != "reason"}


class MetricValue(Part):
    """The value of one metric, with its interval.

    ``value`` is None if the data cannot define it (no positive sample, only one class). ``ci95`` is None if the samples
    do not tell how far the value would differ on other samples: they are too few, or a few of them decide everything.
    ``docs/intervals.md`` says what each interval means.
    """

    value: float | None
    """The number; a fraction between 0 and 1 unless ``unit`` says otherwise."""
    ci95: tuple[float, float] | None = None
    """The two ends of the 95 % interval."""
    n: Count
    """The number of samples that the value is computed from."""
    higher_is_better: bool = True
    """Whether a larger value is a better one. For ranks it is false."""
    unit: Literal["fraction", "rank"] = "fraction"
    """A rank counts from 1."""
    chance: float | None = None
    """The value of random answers; None if it is unknown."""
    reason: Reason = ""
    """Why there is no value, or no interval, in plain words. Older records do not say."""

    @model_serializer(mode="wrap")
    def _without_reason(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave an empty reason out, so that complete metrics stay as older versions wrote them."""
        return _reasoned(dump(self))


class ClassResult(Part):
    """The result of one class."""

    name: str
    """The name of the class."""
    n: Count
    """The number of its samples, boxes or images, as the kind of task counts them."""
    values: dict[str, FiniteNumber | None]
    """Each value by the name of its metric."""
    ci95: tuple[FiniteNumber, FiniteNumber] | None = None
    """The 95 % interval of the first value."""
    reason: Reason = ""
    """Why values are None, in plain words."""

    @model_serializer(mode="wrap")
    def _without_reason(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return _reasoned(dump(self))


class Predictions(Part):
    """The Parquet file beside the record."""

    file: str
    """Its name, in the folder of the record."""
    rows: Count
    """The number of its rows."""
    sha256: str
    """The hash of the file. It shows whether the record and the file belong together."""


class Imported(Part):
    """The result file of another program from which a record was made."""

    program: str = Field(alias="from")
    """The program: "clip_benchmark" or "open_clip"."""
    file: str
    """The name of the file, without the folder."""
    sha256: str
    """The hash of its content."""


class CacheUse(Part):
    """How many features came from the cache, and how many were computed. For clips, frames are counted."""

    image_hits: Count = 0
    """Images whose features came from the cache."""
    image_misses: Count = 0
    """Images whose features were computed."""
    text_hits: Count = 0
    """Texts whose features came from the cache."""
    text_misses: Count = 0
    """Texts whose features were computed."""


class RunInfo(Part):
    """How the answer was computed. Times are wall-clock seconds."""

    started: str
    """When the question was asked: date and time with the time zone (ISO 8601)."""
    seconds: dict[str, float]
    """The time of each stage. ``total`` is the time from the question to the answer. ``record`` comes after it and
    brings the answer into the form that is kept.

    The main thread does these one after the other: ``text`` (tokens, forward, cache), ``image_wait`` for the workers,
    ``image_forward`` (to the device and back), ``crop_preprocess``, ``cache_write``, ``ranking`` and ``metrics``. Older
    records have ``pictures`` too, which are now drawn later. The worker threads do these at the same time, and the
    times of all threads are added: ``read``, ``hash``, ``cache_lookup``, ``decode``, ``preprocess`` and ``truth`` (what
    a task loads beside each image, with its preprocessing). ``images`` is the whole image stage, with everything that
    was done between two batches."""
    images_per_second: float | None
    """The speed of the whole image stage (read, decode, encode); for clips, frames are counted. It is None if features
    of an image came from the cache and were not computed for this pair."""
    peak_memory_bytes: Count | None = None
    """The largest amount of memory in use while the pair was answered: of tensors on a CUDA device, otherwise of the
    process, with the model and everything loaded before. None if the system does not tell."""
    device: str
    """The device of torch, such as "cpu" or "cuda:0"."""
    processor: str | None = None
    """The name of the GPU, or of the processor with the number of cores to use; None in older records."""
    machine: str | None = None
    """The kind of machine: its GPUs, cores and memory. Older records do not have it."""
    precision: str
    """The precision of the forward passes: "fp32", "bf16" or "fp16"."""
    batch_size: Count
    """Images in one forward pass, as asked for; batches that do not fit are halved."""
    workers: Count | None = None
    """The number of threads that decode images; None in older records."""
    limit: Count | None = None
    """The size of the random subset; None if everything was scored."""
    drawn: Literal["at random", "by class"] | None = None
    """How that subset was drawn; by class: each class in its proportion. None in older records."""
    seed: int = Field(ge=0)
    """The seed of the subset and of everything else that is drawn."""
    settings: dict[str, Any] = {}
    """The fields of the protocol that the user set."""
    cache: CacheUse
    """How many features came from the cache."""

    @model_serializer(mode="wrap")
    def _without_machine(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave an unknown machine out, so that older records stay as they were written."""
        return {name: value for name, value in dump(self).items() if value is not None or name != "machine"}


class BadSample(Part):
    """A sample left out under ``--skip-bad``."""

    id: str
    """The name of the sample, such as its path."""
    reason: str
    """Why it could not be used."""
    content: str | None = None
    """The hex SHA-256 of its file; None if the file could not be read."""


class Summary(Part):
    """A record without its classes. They are nine tenths of the file, and most tables do not need them."""

    schema_: Literal["vlmbench.record/2", "vlmbench.record/1"] = Field(default=SCHEMA, alias="schema")
    """The version of the schema."""
    id: str
    """The run id: a hash of all that a number depends on. The same question has the same id on any machine."""
    model: ModelInfo
    """The model."""
    task: TaskInfo
    """The question and its data."""
    metrics: dict[str, MetricValue]
    """Every metric by its name."""
    main_metric: str
    """The name of the metric that tables show."""
    predictions: Predictions | None
    """The file of answers. It is None for an imported record, whose answers cannot be paired."""
    imported: Imported | None = None
    """The file of another program, if that program computed the number. What it lacks is empty, zero or unknown."""
    run: RunInfo
    """How the answer was computed."""
    environment: Environment
    """Where it was computed."""
    remarks: Annotated[tuple[Remark, ...], AfterValidator(bounded)] = ()
    """How the question was asked, then what happened. Empty in records from before remarks and in imported ones: read
    remarks with :func:`vlmbench.asked.remarks_of`."""
    warnings: list[str] = []
    """What happened, as sentences, for programs that do not know remarks."""
    bad_samples: list[BadSample] = []
    """The samples that were left out, because they could not be used."""
    transfer: TransferInfo | None = None
    """How the model was adapted; None: it was not."""

    @model_serializer(mode="wrap")
    def _without_transfer(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave transfer out of zero-shot records, which stay as older versions wrote them."""
        return {name: value for name, value in dump(self).items() if value or name not in ("transfer", "support")}

    @property
    def asked(self) -> str:
        """The name of the question: the task, with the method, shots, draw, track and setting of an adapted model.

        Comparisons pair records by it, and baselines name files by it.
        """
        return self.task.name if self.transfer is None else self.transfer.named(self.task.name)

    @property
    def main(self) -> MetricValue:
        """The metric that tables show."""
        return self.metrics[self.main_metric]

    @model_validator(mode="after")
    def _has_its_main_metric(self) -> Summary:
        """Every reader needs the main metric. :mod:`vlmbench.record_checks` has the other checks of a file."""
        if self.main_metric not in self.metrics:
            raise RecordError(f"main_metric {self.main_metric!r} is not among its metrics {', '.join(self.metrics)}")
        return self


class Record(Summary):
    """The answer of one model to one task."""

    per_class: list[ClassResult] = []
    """The result of each class, in label order."""
    support: dict[str, list[str]] = {}
    """The ids of the images that the model was adapted with, by role ("train", "val")."""
