"""The schema of a record: the answer of one model to one task, and everything that can change the answer.

Runs write records; reports, the gate, exports and the site read them. Values are fractions in [0, 1].
:mod:`vlmbench.store` keeps records on disk.
"""

from __future__ import annotations

import math
import re
from hashlib import sha256
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    PrivateAttr,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)
from pydantic_core import core_schema
from typing_extensions import Self

from vlmbench.errors import RecordError
from vlmbench.markup import one_line
from vlmbench.remarks.base import Remark, bounded

SCHEMA: Literal["vlmbench.record/2"] = "vlmbench.record/2"
REMARKLESS: Literal["vlmbench.record/1"] = "vlmbench.record/1"
"""The schema before remarks: its records hold only warnings, which tell less."""
FAILURE_SCHEMA: Literal["vlmbench.failure/1"] = "vlmbench.failure/1"


Count: TypeAlias = Annotated[int, Field(ge=0, le=2**53)]
"""A count that every program can hold exactly."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, protected_namespaces=(), populate_by_name=True)


class ModelInfo(_Part):
    """The model as it was loaded."""

    name: str
    adapter: str
    spec: str
    options: dict[str, Any] = {}
    weights_sha256: str
    parameters: Count
    architecture: str
    preprocess: str
    tokenizer: str
    libraries: dict[str, str] = {}
    """Version of each package whose code makes the features."""
    capabilities: list[str]
    embedding_dim: Count | None = None
    """This, the scale and the bias are None if the model is not a dual encoder, for example a detector."""
    logit_scale: float | None = None
    logit_bias: float | None = None
    revision: str | None = None
    """The commit of the hub repository from which the weights were downloaded."""

    @model_serializer(mode="wrap")
    def _without_revision(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave an empty revision out, so that records of local weights stay as older versions wrote them."""
        return {name: value for name, value in dump(self).items() if value is not None or name != "revision"}

    @property
    def key(self) -> tuple[str, ...]:
        """The identity of the model without its name: weights, architecture, image transform, tokenizer. Models with
        equal
        keys give equal features for equal inputs."""
        return self.weights_sha256, self.architecture, self.preprocess, self.tokenizer

    _saved_as: str = PrivateAttr(default="")

    @property
    def saved_as(self) -> str:
        """The name in the record's file, which gives its place in a results folder."""
        return self._saved_as or self.name

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that a user may use for the model."""
        return tuple(dict.fromkeys((self.name, self.saved_as)))

    def renamed(self, name: str) -> Self:
        """The same model under another name, for a table."""
        copy = self.model_copy(update={"name": name})
        copy._saved_as = self.saved_as
        return copy


class DatasetInfo(_Part):
    """The data that was read."""

    source: str
    location: str
    revision: str | None = None
    split: str | None = None
    samples: Count
    """Samples used: after ``--limit``, without the bad ones that were skipped."""
    drawn_from: Count | None = None
    """Samples of the data before ``--limit``; None in older records."""
    standard_samples: Count | None = None
    """Samples of the card's standard split."""
    fingerprint: str
    """A hash over the content and the label of every sample used."""
    reading_rules: Count = 1
    """The version of the rules that turned files into samples and pixels, see
    :data:`vlmbench.data.base.READING_RULES`."""


class TaskInfo(_Part):
    """The question that was asked."""

    name: str
    plugin: str
    version: str
    """``card.plugin``: the card's version, then the plugin's. Numbers of two versions are not comparable."""
    dataset: DatasetInfo
    """The data that was scored (the test role)."""
    other_data: dict[str, DatasetInfo] = {}
    """Other data that was used for the answer, by role ("train", "val"). Empty in a zero-shot record."""
    prompts_sha256: str
    protocol: dict[str, Any] = {}

    @model_serializer(mode="wrap")
    def _without_empty_roles(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave empty roles out, so that records of the test role stay as older versions wrote them."""
        return {name: value for name, value in dump(self).items() if value or name != "other_data"}


_LONGEST_REASON = 200
Reason: TypeAlias = Annotated[str, AfterValidator(lambda text: one_line(text, _LONGEST_REASON))]
"""A reason that tables show. A record's file may come from anywhere, so the text is kept short and on one line."""


def _reasoned(dumped: dict[str, Any]) -> dict[str, Any]:
    return dumped if dumped["reason"] else {name: value for name, value in dumped.items() if name != "reason"}


class MetricValue(_Part):
    """One number.

    ``value`` is None if the data cannot define it (no positive sample, or only one class). ``ci95`` is None if the
    samples do not tell how far other samples would differ (there are too few, or a few decide everything).
    ``docs/intervals.md`` says what each interval covers.
    """

    value: float | None
    ci95: tuple[float, float] | None = None
    n: Count
    higher_is_better: bool = True
    unit: Literal["fraction", "rank"] = "fraction"
    """A rank counts from 1."""
    chance: float | None = None
    """The value of random answers; None if it is unknown."""
    reason: Reason = ""
    """Why there is no value, or no interval, in plain words. It is empty in records of older versions."""

    @model_serializer(mode="wrap")
    def _without_reason(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave an empty reason out, so that complete metrics stay as older versions wrote them."""
        return _reasoned(dump(self))


class _FiniteInFiles:
    """A number that may not be NaN or infinite in a file. A run writes null for such a number."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.json_or_python_schema(
            core_schema.float_schema(allow_inf_nan=False), core_schema.float_schema()
        )


_Number: TypeAlias = Annotated[float, _FiniteInFiles]


class ClassResult(_Part):
    """The result of one class."""

    name: str
    n: Count
    values: dict[str, _Number | None]
    ci95: tuple[_Number, _Number] | None = None
    """The interval of the first value."""
    reason: Reason = ""
    """Why values are None, in plain words."""

    @model_serializer(mode="wrap")
    def _without_reason(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return _reasoned(dump(self))


class Predictions(_Part):
    """The Parquet file beside the record."""

    file: str
    rows: Count
    sha256: str
    """The hash of the file. It shows whether the file belongs to the record."""


class Imported(_Part):
    """The result file of another program from which a record was made."""

    program: str = Field(alias="from")
    """The program: "clip_benchmark" or "open_clip"."""
    file: str
    """The name of the file, without its folder."""
    sha256: str
    """The hash of its content."""


class CacheUse(_Part):
    """How many features came from the cache (hits), and how many were computed (misses). For clips, each frame
    counts."""

    image_hits: Count = 0
    image_misses: Count = 0
    text_hits: Count = 0
    text_misses: Count = 0


class RunInfo(_Part):
    """How the answer was computed. Times are wall-clock seconds."""

    started: str
    seconds: dict[str, float]
    """Seconds by stage. ``total`` is the time from the question to the answer. ``record`` comes after it: the time to
    bring
    the answer into the form of a record. Stages of the main thread, one after the other: ``text`` (tokens, forward,
    cache), ``image_wait`` for the workers, ``image_forward`` (to the device and back), ``crop_preprocess``,
    ``cache_write``, ``ranking``, ``metrics``, and in older records ``pictures``, which are now drawn later. Stages of
    the worker threads, summed over the threads: ``read``, ``hash``, ``cache_lookup``, ``decode``, ``preprocess``, and
    ``truth`` (what a task loads beside each image, its preprocessing included). ``images`` is the whole image stage,
    with the work between two batches."""
    images_per_second: float | None
    """Over the whole image stage (read, decode, encode); frames if samples are clips. None if the cache gave any image
    that
    was not computed for this pair."""
    peak_memory_bytes: Count | None = None
    """The highest memory use while the pair was answered. On a CUDA device, the memory of tensors; elsewhere, the
    memory of
    the process, with the model and everything loaded before. None if the system does not tell."""
    device: str
    processor: str | None = None
    """The name of the GPU, or of the processor with the number of cores to use. None in older records."""
    precision: str
    batch_size: Count
    workers: Count | None = None
    """Decoding threads; None in older records."""
    limit: Count | None = None
    """The size of the random subset; None if everything was scored."""
    drawn: Literal["at random", "by class"] | None = None
    """How the subset was drawn. By class: each class keeps its proportion. None in older records."""
    seed: int = Field(ge=0)
    settings: dict[str, Any] = {}
    """The fields of the task's protocol that the user set."""
    cache: CacheUse


def speed_text(images_per_second: float) -> str:
    """A speed as text, with three significant digits.

    >>> speed_text(0.012345), speed_text(9.999), speed_text(57.0), speed_text(1234.5)
    ('0.0123', '10.0', '57.0', '1,230')
    """
    rounded = float(f"{images_per_second:.3g}")
    decimals = max(0, 2 - math.floor(math.log10(rounded))) if rounded > 0 else 0
    return f"{rounded:,.{decimals}f}"


class Environment(_Part):
    """The software that computed the answer."""

    vlmbench: str
    python: str
    platform: str
    packages: dict[str, str]
    git: str | None = None


class BadSample(_Part):
    """A sample left out under ``--skip-bad``."""

    id: str
    reason: str
    content: str | None = None
    """The hex SHA-256 of its file; None if the file could not be read."""


class Summary(_Part):
    """A record without its classes. They are nine tenths of the file, and most tables do not need them."""

    schema_: Literal["vlmbench.record/2", "vlmbench.record/1"] = Field(default=SCHEMA, alias="schema")
    id: str
    model: ModelInfo
    task: TaskInfo
    metrics: dict[str, MetricValue]
    main_metric: str
    predictions: Predictions | None
    """None if the record was imported: it cannot be compared sample by sample."""
    imported: Imported | None = None
    """Set if another program asked the question. What its file does not state is empty, zero or unknown here."""
    run: RunInfo
    environment: Environment
    remarks: Annotated[tuple[Remark, ...], AfterValidator(bounded)] = ()
    """How the question was asked, then what happened. Empty in records from before remarks and in imported ones: read
    remarks with :func:`vlmbench.asked.remarks_of`."""
    warnings: list[str] = []
    """What happened, as sentences, for programs that do not know remarks."""
    bad_samples: list[BadSample] = []

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


class Failure(_Part):
    """A pair without an answer, and the reason. It is not a record: it holds nothing else."""

    schema_: Literal["vlmbench.failure/1"] = Field(default=FAILURE_SCHEMA, alias="schema")
    model: str
    task: str
    status: Literal["failed", "unsupported"]
    error: str
    """The exception's class name."""
    message: str
    hint: str | None = None
    started: str
    environment: Environment


def safe_name(name: str) -> str:
    """A file name for any string: readable, without separators, and different for different names.

    Names of plain characters stay as they are. A name that had to be changed gets a hash of the original.
    """
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", name).lstrip(".-")[:80]
    return plain if plain and plain == name else f"{plain or 'name'}-{sha256(name.encode()).hexdigest()[:8]}"


_PLAIN = re.compile(r"(?!\.{0,2}$)[^/\\\0]+")


def lies_beside(file: str) -> bool:
    """Whether a name in a record is a file in the record's own folder. A record may come from anywhere, so this is
    checked."""
    return _PLAIN.fullmatch(file) is not None
