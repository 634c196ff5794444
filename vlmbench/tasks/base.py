"""The protocols of task plugins and their questions, and the functions that plugins share.

A plugin makes a question from a task card and its data. The question asks a model through the feature engine and
returns an :class:`Outcome`. Each ``tasks/<kind>/plugin.py`` implements these protocols, :mod:`vlmbench.run` calls them,
and :mod:`vlmbench.testing` checks them. In ``ask`` and ``answer``, a plugin makes remarks for the readers of its
numbers with :func:`vlmbench.remarks.base.say`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeVar, cast, runtime_checkable

import pyarrow as pa
from pydantic import BaseModel, ValidationError

from vlmbench.cards import Role, TaskCard, check_templates
from vlmbench.data.base import Chosen, ClipDataset, ImageDataset, TargetKind
from vlmbench.data.contents import ContentHashes
from vlmbench.errors import CardError, DataError, UnknownNameError, UsageError, VlmbenchError
from vlmbench.features.engine import FeatureEngine
from vlmbench.markup import is_blank
from vlmbench.metrics.base import Estimate
from vlmbench.models.base import Model
from vlmbench.record_parts.transfer import TransferInfo
from vlmbench.records import ClassResult, MetricValue
from vlmbench.registry import did_you_mean
from vlmbench.transfer.asked import TransferAsked
from vlmbench.transfer.base import Reads


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


@dataclass(frozen=True)
class TaskOptions:
    """The user's choices for a task.

    Attributes:
        limit: the number of samples to score, a seeded random subset; None: all samples.
        stratified: draw the subset with every class in its proportion, if each sample has exactly one class.
        seed: the seed of the subset and of the bootstrap.
        class_names: class names that replace the card's, in label order.
        templates: prompt templates that replace the card's.
        protocol: values that replace fields of the card's protocol.
        visuals: the number of samples whose answers are drawn as pictures. It changes no metric.
        transfer: how the model is adapted before it answers.

    Raises:
        UsageError: a limit below 1, a negative seed or number of pictures, an empty list, an entry that is empty or not
            text, or a template without a place for the class name.
    """

    limit: int | None = None
    stratified: bool = False
    seed: int = 0
    class_names: tuple[str, ...] | None = None
    templates: tuple[str, ...] | None = None
    protocol: Mapping[str, Any] = field(default_factory=dict)
    visuals: int = 0
    transfer: TransferAsked = field(default_factory=TransferAsked)

    def __post_init__(self) -> None:
        if self.limit is not None and (not _whole(self.limit) or self.limit < 1):
            raise UsageError(f"--limit must be a whole number above 0, not {self.limit!r}")
        if not _whole(self.seed) or self.seed < 0:
            raise UsageError(f"--seed must be a whole number, 0 or above, not {self.seed!r}")
        if not _whole(self.visuals) or self.visuals < 0:
            raise UsageError(f"--save-visuals must be a whole number, 0 or above, not {self.visuals!r}")
        for what, texts in (("class names", self.class_names), ("templates", self.templates)):
            if texts is not None and not texts:
                raise UsageError(f"the list of {what} is empty")
            for number, text in enumerate(texts or (), 1):
                if not isinstance(text, str) or is_blank(text):
                    raise UsageError(f"the list of {what}: entry {number} is empty or not text: {text!r}")
        try:
            check_templates(list(self.templates) if self.templates is not None else None)
        except ValueError as error:
            raise UsageError(str(error)) from error


def nothing_scored() -> DataError:
    """The error that a plugin raises if no sample could be scored."""
    return DataError("no sample could be scored", hint="Every sample was unreadable or left out.")


DrawPictures = Callable[[], Mapping[str, bytes]]
"""A function that draws pictures. Returns file names and PNG contents."""


@dataclass(frozen=True)
class Outcome:
    """A model's answer to a question, before it becomes a record.

    Attributes:
        metrics: each metric's name and value.
        per_class: the results of each class; empty if the task has no classes.
        predictions: one row for each sample, in the dataset's order.
        contents: for every scored sample, its index and its content hash
            (:func:`vlmbench.data.base.content_sha256`).
        visuals: a function that draws the pictures after the metrics are computed. Another thread may call it, and it
            keeps no reference to the model. None if the user asked for no pictures.
        other_contents: the same as ``contents``, for the samples of each other role that the answer used.
        transfer: how the model was adapted; None: it was not.
        support: the ids of the images that it was adapted with, by role.
        main_metric: the metric that tables show; None: the card's.
        images_absent: whether no image was on this machine, so that ``contents`` has hashes of ids
            (:func:`vlmbench.data.base.id_sha256`).
    """

    metrics: Mapping[str, MetricValue]
    per_class: Sequence[ClassResult]
    predictions: pa.Table
    contents: Mapping[int, str]
    visuals: DrawPictures | None = None
    other_contents: Mapping[Role, Mapping[int, str]] = field(default_factory=dict)
    transfer: TransferInfo | None = None
    support: Mapping[Role, Sequence[str]] = field(default_factory=dict)
    main_metric: str | None = None
    images_absent: bool = False


Datasets = Mapping[Role, ImageDataset]
"""The opened data of a question, by role."""


MadeT = TypeVar("MadeT")


class SharedDatasets(dict[Role, ImageDataset]):
    """Data that several questions on one task share.

    Attributes:
        contents: the content hashes of their samples.
    """

    def __init__(self, datasets: Mapping[Role, ImageDataset], contents: ContentHashes | None = None) -> None:
        super().__init__(datasets)
        self.contents = contents or ContentHashes()
        self._made: dict[Hashable, Any] = {}

    def once(self, key: Hashable, make: Callable[[], MadeT]) -> MadeT:
        """What ``make`` makes of the data. It is called at the first time, and not again if it raised no error.

        Args:
            key: what ``make`` depends on besides the data, with a word that no other kind of thing has.
        """
        if key not in self._made:
            self._made[key] = make()
        return cast(MadeT, self._made[key])


class Question(Protocol):
    """What a task card asks about its data: the prompts and the samples. It is the same for every model."""

    card: TaskCard
    dataset: ImageDataset
    indices: Sequence[int]
    prompts_sha256: str

    def protocol(self, model: Model) -> Mapping[str, Any]:
        """All other settings that can change a number, as plain values for the record. Some depend on the model."""

    def unsupported(self, model: Model) -> str | None:
        """Why this model cannot answer, and what would change that; None if it can. This check must be fast."""

    def answer(self, engine: FeatureEngine) -> Outcome:
        """Ask the engine's model, and compute the metrics of its answers."""


@runtime_checkable
class UsesOtherRoles(Protocol):
    """Implemented by questions that use other samples besides the scored ones."""

    other_data: Mapping[Role, Chosen]
    """The samples of each other role."""


@runtime_checkable
class UsesOtherModels(Protocol):
    """Implemented by questions whose answer uses other models beside the one that is asked."""

    other_models: Sequence[str]
    """Their names, as ``-m`` takes them."""


@runtime_checkable
class EncodesImages(Protocol):
    """Implemented by questions that encode whole images one by one, so that several workers can share this work."""

    def encoded(self, model: Model) -> Chosen | None:
        """The samples whose features the answer takes from ``engine.images``; None if this model is asked otherwise."""


@runtime_checkable
class NamesSettings(Protocol):
    """Implemented by questions whose ``protocol`` does not list exactly the settings that the answer depends on.

    For example, detection lists the hash of a proposals file, and the user sets the file's name.
    """

    def settings_in_use(self, model: Model) -> frozenset[str]:
        """The names of the settings that this model's answer depends on."""


def settings_in_use(question: Question, model: Model) -> frozenset[str]:
    """The names of the settings that a model's answer depends on.

    A question that implements :class:`NamesSettings` states them. For other questions, they are the fields of the
    question's ``protocol``.
    """
    if isinstance(question, NamesSettings):
        return question.settings_in_use(model)
    return frozenset(question.protocol(model))


def question_data(question: Question) -> dict[Role, Chosen]:
    """All samples that a question uses, by role. The test role comes first; its samples are scored."""
    scored = Chosen(question.dataset, question.indices)
    return {"test": scored, **(question.other_data if isinstance(question, UsesOtherRoles) else {})}


class TaskPlugin(Protocol):
    """One kind of task."""

    version: int
    """The version of the plugin's numbers. It rises when they can no longer be compared with older ones."""

    class_prompts: bool
    """Whether the questions use class names and templates, so that the user may replace them."""
    protocol_fields: frozenset[str]
    """The names of the settings in a card's ``protocol`` and in ``--set``; see :func:`settle_protocol`."""

    def target(self, card: TaskCard) -> TargetKind:
        """What the card's question needs to know about each sample."""

    def check(self, card: TaskCard, options: TaskOptions) -> None:
        """Refuse a card or options that can never work, before any data is read.

        Raises:
            CardError, UsageError, UnknownNameError: the card or the options are wrong; the message says how.
        """

    def ask(self, card: TaskCard, datasets: Datasets, options: TaskOptions) -> Question:
        """Make the question from the card and its data.

        Args:
            datasets: the opened data of each role that :func:`needed_roles` names.

        Raises:
            LabelError, DataError: the prompts, labels and data do not fit together.
        """


@runtime_checkable
class NeedsRoles(Protocol):
    """Implemented by plugins whose questions need other data besides the scored samples."""

    def roles(self, card: TaskCard, options: TaskOptions) -> tuple[Role, ...]:
        """All roles whose data a question needs with these options, including the test role."""


def needed_roles(plugin: TaskPlugin, card: TaskCard, options: TaskOptions) -> tuple[Role, ...]:
    """The roles whose data is opened for a question: those that the plugin names, or else only the test role."""
    return plugin.roles(card, options) if isinstance(plugin, NeedsRoles) else ("test",)


@runtime_checkable
class TakesTransfer(Protocol):
    """Implemented by plugins whose kind of task supports transfer methods."""

    transfer_reads: frozenset[Reads]
    """The forms of an image that a question can give to a transfer method."""


P = TypeVar("P", bound=BaseModel)


def settle_protocol(schema: type[P], card: TaskCard, options: TaskOptions) -> P:
    """The settings of a task: the schema's defaults, replaced by the card's fields, and then by the user's.

    The user's fields that the schema does not have are ignored, because they may belong to another task of the run. The
    plan checks that every field belongs to at least one task.

    Raises:
        CardError: the card sets a field that does not exist, or a value that is not allowed.
        UsageError: the user sets a value that is not allowed.
    """
    _validated(schema, card.protocol, lambda message: CardError(f"task {card.name!r}: protocol: {message}"))
    own = {name: value for name, value in options.protocol.items() if name in schema.model_fields}
    return _validated(schema, {**card.protocol, **own}, lambda message: UsageError(f"task {card.name!r}: {message}"))


def _validated(schema: type[P], fields: Mapping[str, Any], problem: Callable[[str], VlmbenchError]) -> P:
    try:
        return schema.model_validate(dict(fields))
    except ValidationError as error:
        misfits = [
            ": ".join(filter(None, (".".join(map(str, found["loc"])), found["msg"].removeprefix("Value error, "))))
            for found in error.errors()
        ]
        raise problem("; ".join(misfits)) from error


def check_known_metrics(names: Iterable[str], known: Collection[str], *, where: str) -> None:
    """Refuse metrics that do not exist.

    Args:
        where: the beginning of the message, such as the task's name.

    Raises:
        UnknownNameError: a name is not in ``known``.
    """
    for name in names:
        if name not in known:
            raise UnknownNameError(f"{where}: unknown metric {name!r}", hint=did_you_mean(name, known) or None)


def metric_value(
    estimate: Estimate,
    *,
    chance: float | None = None,
    higher_is_better: bool = True,
    n: int | None = None,
    unit: Literal["fraction", "rank"] = "fraction",
) -> MetricValue:
    """An estimate in the form of a record. An undefined value is None, never nan, and has a reason.

    Args:
        chance: the value that random answers would have.
        higher_is_better: False for errors and ranks.
        n: the number of answers behind the value; None: the number of samples behind the interval.
        unit: the unit of the value, of its interval and of ``chance``.
    """
    return MetricValue(
        value=None if math.isnan(estimate.value) else estimate.value,
        ci95=None if estimate.low is None or estimate.high is None else (estimate.low, estimate.high),
        n=estimate.n if n is None else n,
        higher_is_better=higher_is_better,
        unit=unit,
        chance=None if chance is None else round(chance, 12),  # removes rounding errors, as in 1 - 0.95
        reason=estimate.reason,
    )


def reasons(found: Mapping[str, bool]) -> str:
    """Join the texts whose condition is true. Each text says why a class lacks a value."""
    return "; ".join(words for words, true in found.items() if true)


def clip_protocol(dataset: ImageDataset) -> dict[str, Any]:
    """The protocol field of questions about clips: the number of frames that each clip gives. Empty for images."""
    return {"frames_per_clip": dataset.frames_per_clip} if isinstance(dataset, ClipDataset) else {}
