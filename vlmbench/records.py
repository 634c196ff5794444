"""The record: what one (model, task) pair answered, and everything that can change the answer.

Values are fractions in [0, 1]. Where records are kept is :mod:`vlmbench.store`'s matter.
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
"""The schema before remarks: a record of it holds warnings alone, which say less."""
FAILURE_SCHEMA: Literal["vlmbench.failure/1"] = "vlmbench.failure/1"


Count: TypeAlias = Annotated[int, Field(ge=0, le=2**53)]
"""How many there are of something: every program can hold it."""


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
    """This, scale and bias are None of a model that is no dual encoder, such as a detector."""
    logit_scale: float | None = None
    logit_bias: float | None = None
    revision: str | None = None
    """The commit of the hub repository from which the weights were fetched."""

    @model_serializer(mode="wrap")
    def _without_revision(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Records of local weights are written as they were before it was kept."""
        return {name: value for name, value in dump(self).items() if value is not None or name != "revision"}

    @property
    def key(self) -> tuple[str, ...]:
        """What the model is, whatever its name: weights, architecture, image transform, tokenizer. With equal keys,
        equal inputs give equal features."""
        return self.weights_sha256, self.architecture, self.preprocess, self.tokenizer

    _saved_as: str = PrivateAttr(default="")

    @property
    def saved_as(self) -> str:
        """The name in the record's file, by which its place in a results folder is found."""
        return self._saved_as or self.name

    @property
    def names(self) -> tuple[str, ...]:
        """Every name by which a user may ask for it."""
        return tuple(dict.fromkeys((self.name, self.saved_as)))

    def renamed(self, name: str) -> Self:
        """The same under another name, for a table."""
        copy = self.model_copy(update={"name": name})
        copy._saved_as = self.saved_as
        return copy


class DatasetInfo(_Part):
    """The data as it was read."""

    source: str
    location: str
    revision: str | None = None
    split: str | None = None
    samples: Count
    """Samples used: after ``--limit``, without the bad ones that were skipped."""
    drawn_from: Count | None = None
    """Samples that the data has, of which ``--limit`` drew those; None in older records."""
    standard_samples: Count | None = None
    """How many the card's standard split has."""
    fingerprint: str
    """Over the content and label of every sample used."""
    reading_rules: Count = 1
    """Which rules turned files into samples and pixels, see :data:`vlmbench.data.base.READING_RULES`."""


class TaskInfo(_Part):
    """The question as it was asked."""

    name: str
    plugin: str
    version: str
    """``card.plugin``: the card's version, then the plugin's; numbers of two versions are not comparable."""
    dataset: DatasetInfo
    """What was scored: the test role."""
    other_data: dict[str, DatasetInfo] = {}
    """By role ("train", "val"), what else the answer was made with. Nothing in a zero-shot record."""
    prompts_sha256: str
    protocol: dict[str, Any] = {}

    @model_serializer(mode="wrap")
    def _without_empty_roles(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Records of the test role alone are written as they were before there were roles."""
        return {name: value for name, value in dump(self).items() if value or name != "other_data"}


_LONGEST_REASON = 200
Reason: TypeAlias = Annotated[str, AfterValidator(lambda text: one_line(text, _LONGEST_REASON))]
"""Words that tables show: a record's file may come from anybody, so they stay on their line, in bounds."""


def _reasoned(dumped: dict[str, Any]) -> dict[str, Any]:
    return dumped if dumped["reason"] else {name: value for name, value in dumped.items() if name != "reason"}


class MetricValue(_Part):
    """One number.

    ``value`` is None where the data cannot define it (no positive sample, one class only), ``ci95`` where nothing
    honest can be said of other samples (too few of them, or a few that decide all). What each interval is of:
    ``docs/intervals.md``.
    """

    value: float | None
    ci95: tuple[float, float] | None = None
    n: Count
    higher_is_better: bool = True
    unit: Literal["fraction", "rank"] = "fraction"
    """A rank counts from 1."""
    chance: float | None = None
    """What answering at random would give; None where that is unknown."""
    reason: Reason = ""
    """In plain words, why there is no value, or else no interval. Records from before it was kept say nothing."""

    @model_serializer(mode="wrap")
    def _without_reason(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What lacks nothing is written as it was before there were reasons."""
        return _reasoned(dump(self))


class _FiniteInFiles:
    """A number that JSON may not have as NaN or infinity; what a run computes is written as null then."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.json_or_python_schema(
            core_schema.float_schema(allow_inf_nan=False), core_schema.float_schema()
        )


_Number: TypeAlias = Annotated[float, _FiniteInFiles]


class ClassResult(_Part):
    """One class's share of the result."""

    name: str
    n: Count
    values: dict[str, _Number | None]
    ci95: tuple[_Number, _Number] | None = None
    """Of the first value."""
    reason: Reason = ""
    """In plain words, why values are None."""

    @model_serializer(mode="wrap")
    def _without_reason(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return _reasoned(dump(self))


class Predictions(_Part):
    """The Parquet file beside the record."""

    file: str
    rows: Count
    sha256: str
    """Of the file: a record and a file that do not belong together are told apart."""


class Imported(_Part):
    """Another program's result file that a record was made of."""

    program: str = Field(alias="from")
    """Whose it is: "clip_benchmark", "open_clip"."""
    file: str
    """Its name, without the folder."""
    sha256: str
    """Of its content."""


class CacheUse(_Part):
    """How many features came from the cache, and how many were computed; of clips, those of their frames."""

    image_hits: Count = 0
    image_misses: Count = 0
    text_hits: Count = 0
    text_misses: Count = 0


class RunInfo(_Part):
    """How the answer was computed. Times are wall-clock seconds."""

    started: str
    seconds: dict[str, float]
    """By stage. ``total`` is the time from the question to the answer; ``record`` comes after it, to bring the answer
    into the form it is kept in. Of the main thread, one after the other: ``text`` (tokens, forward, cache),
    ``image_wait`` for the workers, ``image_forward`` (to the device and back), ``crop_preprocess``, ``cache_write``,
    ``ranking``, ``metrics``, and in older records ``pictures``, which are now drawn later. Beside it, summed over the
    worker threads: ``read``, ``hash``, ``cache_lookup``, ``decode``, ``preprocess``, and ``truth`` (what a task loads
    beside each image, its preprocessing included). ``images`` is the whole image stage, with whatever was done between
    two batches."""
    images_per_second: float | None
    """Over the whole image stage (read, decode, encode), frames where samples are clips; None where any image came
    from the cache that was not computed for this very pair."""
    peak_memory_bytes: Count | None = None
    """The most memory in use while the pair was answered: on a CUDA device what its tensors took, else the process' own
    (the model and all that was loaded before included). None where the system does not tell."""
    device: str
    processor: str | None = None
    """The GPU's name, or the processor's with the cores that were to be used; None in records from before it was
    written down."""
    precision: str
    batch_size: Count
    workers: Count | None = None
    """Decoding threads; None in records from before it was written down."""
    limit: Count | None = None
    """The size of the random subset; None where everything was scored."""
    drawn: Literal["at random", "by class"] | None = None
    """How that subset was drawn: by class, each is in its proportion. None in older records."""
    seed: int = Field(ge=0)
    settings: dict[str, Any] = {}
    """What the user set of the task's protocol."""
    cache: CacheUse


def speed_text(images_per_second: float) -> str:
    """A speed as people read it, with three significant digits.

    >>> speed_text(0.012345), speed_text(9.999), speed_text(57.0), speed_text(1234.5)
    ('0.0123', '10.0', '57.0', '1,230')
    """
    rounded = float(f"{images_per_second:.3g}")
    decimals = max(0, 2 - math.floor(math.log10(rounded))) if rounded > 0 else 0
    return f"{rounded:,.{decimals}f}"


class Environment(_Part):
    """Where it ran."""

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
    """The hex SHA-256 of its file; None where that could not be read."""


class Summary(_Part):
    """A record without its classes: nine tenths of the file, for which most tables have no use."""

    schema_: Literal["vlmbench.record/2", "vlmbench.record/1"] = Field(default=SCHEMA, alias="schema")
    id: str
    model: ModelInfo
    task: TaskInfo
    metrics: dict[str, MetricValue]
    main_metric: str
    predictions: Predictions | None
    """None where the record was imported: nothing can be paired with it."""
    imported: Imported | None = None
    """Set where another program asked the question; what it did not write down is empty, zero or unknown here."""
    run: RunInfo
    environment: Environment
    remarks: Annotated[tuple[Remark, ...], AfterValidator(bounded)] = ()
    """How the question was asked, then what happened. Empty in records from before remarks, and in imported ones: read
    them with :func:`vlmbench.asked.remarks_of`."""
    warnings: list[str] = []
    """What happened, in sentences, for programs that read records and know no remarks."""
    bad_samples: list[BadSample] = []

    @property
    def main(self) -> MetricValue:
        """The metric that tables show."""
        return self.metrics[self.main_metric]

    @model_validator(mode="after")
    def _has_its_main_metric(self) -> Summary:
        """Every reader asks for it. What else a file must hold to be read: :mod:`vlmbench.record_checks`."""
        if self.main_metric not in self.metrics:
            raise RecordError(f"main_metric {self.main_metric!r} is not among its metrics {', '.join(self.metrics)}")
        return self


class Record(Summary):
    """One (model, task) pair's answer."""

    per_class: list[ClassResult] = []


class Failure(_Part):
    """A pair that gave no answer, and why. It is no record: nothing can be read from it but the reason."""

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

    Names of plain characters stay as they are; whatever had to change carries a hash of the original.
    """
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", name).lstrip(".-")[:80]
    return plain if plain and plain == name else f"{plain or 'name'}-{sha256(name.encode()).hexdigest()[:8]}"


_PLAIN = re.compile(r"(?!\.{0,2}$)[^/\\\0]+")


def lies_beside(file: str) -> bool:
    """Whether a name, as a record has it, is a file's in the record's own folder: records come from anybody."""
    return _PLAIN.fullmatch(file) is not None
