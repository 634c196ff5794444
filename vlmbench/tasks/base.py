"""What a task plugin is: it turns a card and its data into a question, and a question and an engine into an outcome.

What a reader of the numbers must know, a plugin says with :func:`vlmbench.remarks.base.say` in ``ask`` or ``answer``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeVar, runtime_checkable

import pyarrow as pa
from pydantic import BaseModel, ValidationError

from vlmbench.cards import Role, TaskCard, check_templates
from vlmbench.data.base import Chosen, ClipDataset, ImageDataset, TargetKind
from vlmbench.errors import CardError, DataError, UnknownNameError, UsageError, VlmbenchError
from vlmbench.features.engine import FeatureEngine
from vlmbench.markup import is_blank
from vlmbench.metrics.base import Estimate
from vlmbench.models.base import Model
from vlmbench.records import ClassResult, MetricValue
from vlmbench.registry import did_you_mean
from vlmbench.transfer import METHODS, ZERO_SHOT
from vlmbench.transfer.base import Reads


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


@dataclass(frozen=True)
class TaskOptions:
    """What the user may change of a card.

    Attributes:
        limit: score a seeded random subset of this size; None: everything.
        stratified: that subset has every class in its proportion, where each sample has one class.
        seed: of that subset and of the bootstrap.
        class_names: used instead of the card's, in label order.
        templates: used instead of the card's.
        protocol: fields of the card's protocol to replace.
        visuals: how many samples' answers to draw. Changes no number.
        transfer: how the model is adapted before it answers, see :data:`vlmbench.transfer.METHODS`.

    Raises:
        UsageError: a limit below 1, a negative seed, an empty list, or a template without a place for the class name.
    """

    limit: int | None = None
    stratified: bool = False
    seed: int = 0
    class_names: tuple[str, ...] | None = None
    templates: tuple[str, ...] | None = None
    protocol: Mapping[str, Any] = field(default_factory=dict)
    visuals: int = 0
    transfer: str = ZERO_SHOT

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
    """The error of a plugin if there is no sample to score."""
    return DataError("no sample could be scored", hint="Every sample was unreadable or left out.")


DrawPictures = Callable[[], Mapping[str, bytes]]
"""Draws pictures: file name to PNG."""


@dataclass(frozen=True)
class Outcome:
    """A pair's answer, before it becomes a record.

    Attributes:
        per_class: each class's share; empty where a task has no classes.
        predictions: one row a sample, in the dataset's order.
        contents: sample index to its content hash (:func:`vlmbench.data.base.content_sha256`), for every sample scored.
        visuals: draws the pictures that were asked for, after the numbers are done: file name to content (PNG). It may
            be called in another thread, and holds nothing of the model. None where none were asked for.
        other_contents: as ``contents``, of the samples of each other role that the answer was made with.
    """

    metrics: Mapping[str, MetricValue]
    per_class: Sequence[ClassResult]
    predictions: pa.Table
    contents: Mapping[int, str]
    visuals: DrawPictures | None = None
    other_contents: Mapping[Role, Mapping[int, str]] = field(default_factory=dict)


Datasets = Mapping[Role, ImageDataset]
"""A question's data, opened, by role."""


class Question(Protocol):
    """A card made concrete: these prompts about these samples. The same for every model."""

    card: TaskCard
    dataset: ImageDataset
    indices: Sequence[int]
    prompts_sha256: str

    def protocol(self, model: Model) -> Mapping[str, Any]:
        """Everything else that can change a number, in plain values for the record; the model settles what is open."""

    def unsupported(self, model: Model) -> str | None:
        """Why this model cannot answer, and what would change that; None if it can. It must be cheap."""

    def answer(self, engine: FeatureEngine) -> Outcome:
        """Ask the engine's model."""


@runtime_checkable
class UsesOtherRoles(Protocol):
    """The capability of questions that use more data than the scored samples."""

    other_data: Mapping[Role, Chosen]
    """The samples of each other role."""


@runtime_checkable
class NamesSettings(Protocol):
    """The capability of questions whose protocol has a setting under another name than the user sets it by."""

    def settings_in_use(self, model: Model) -> frozenset[str]:
        """The fields of the kind's protocol that play a part in this model's answer."""


def settings_in_use(question: Question, model: Model) -> frozenset[str]:
    """The fields that play a part in a model's answer: those that its protocol names, unless the question says it."""
    if isinstance(question, NamesSettings):
        return question.settings_in_use(model)
    return frozenset(question.protocol(model))


def question_data(question: Question) -> dict[Role, Chosen]:
    """All samples that a question uses, by role; the test role, which is scored, first."""
    scored = Chosen(question.dataset, question.indices)
    return {"test": scored, **(question.other_data if isinstance(question, UsesOtherRoles) else {})}


class TaskPlugin(Protocol):
    """One kind of task."""

    version: int
    """Raised whenever the plugin's numbers stop being comparable with older ones."""

    class_prompts: bool
    """Whether it asks with class names and templates, so that the user's own have a meaning."""
    protocol_fields: frozenset[str]
    """What a card's ``protocol``, and the user, may set; see :func:`settle_protocol`."""

    def target(self, card: TaskCard) -> TargetKind:
        """What the card's question needs to know of each sample."""

    def check(self, card: TaskCard, options: TaskOptions) -> None:
        """Refuse a card or options that can never work, before any data is touched.

        Raises:
            CardError, UsageError, UnknownNameError: what is wrong.
        """

    def ask(self, card: TaskCard, datasets: Datasets, options: TaskOptions) -> Question:
        """Make the card concrete on its data, of which there is the test role and what :func:`needed_roles` names.

        Raises:
            LabelError, DataError: prompts, labels and data do not fit together.
        """


@runtime_checkable
class NeedsRoles(Protocol):
    """The capability of plugins that need more than the data that is scored."""

    def roles(self, card: TaskCard, options: TaskOptions) -> tuple[Role, ...]:
        """Every role whose data a question needs with these options, the test role among them."""


def needed_roles(plugin: TaskPlugin, card: TaskCard, options: TaskOptions) -> tuple[Role, ...]:
    """The roles whose data is opened for a question: the test role alone where the plugin names none."""
    return plugin.roles(card, options) if isinstance(plugin, NeedsRoles) else ("test",)


@runtime_checkable
class TakesTransfer(Protocol):
    """The capability of plugins whose questions a transfer method answers."""

    transfer_reads: frozenset[Reads]
    """What a method can be given of each image."""


P = TypeVar("P", bound=BaseModel)


def settle_protocol(schema: type[P], card: TaskCard, options: TaskOptions) -> P:
    """How a task is carried out: the schema's defaults, then the card's fields, then the user's.

    Fields of the user that the schema does not have are ignored: they may belong to another task of the run. The plan
    checks that every field belongs to some task.

    Raises:
        CardError: the card sets an unknown field or an impossible value.
        UsageError: the user sets an impossible value.
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


def check_transfer(card: TaskCard, plugin: TaskPlugin, options: TaskOptions) -> None:
    """Refuse a transfer method that does not exist, or that this kind of task does not support.

    Raises:
        UnknownNameError: there is no such method.
        UsageError: this kind of task does not support it.
    """
    method = METHODS.get(options.transfer)
    if not isinstance(plugin, TakesTransfer):
        if options.transfer != ZERO_SHOT:
            raise UsageError(
                f"task {card.name!r}: {card.plugin} tasks take no transfer method, and {options.transfer!r} was given",
                hint="Run the task without --transfer.",
            )
    elif method.reads not in plugin.transfer_reads:
        raise UsageError(
            f"task {card.name!r}: the transfer method {options.transfer!r} reads {method.reads}, and "
            f"{card.plugin} tasks give it {' or '.join(sorted(plugin.transfer_reads))} alone",
        )


def check_known_metrics(names: Iterable[str], known: Collection[str], *, where: str) -> None:
    """Refuse metrics that do not exist.

    Raises:
        UnknownNameError: one of the names is not among the known.
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
    """An estimate as a record has it: undefined is None, never nan, with the reason.

    Args:
        chance: what random answers would give.
        higher_is_better: False for errors and ranks.
        n: the number of answers behind the value, if it differs from the number of samples behind the interval.
        unit: of the value, its interval and chance.
    """
    return MetricValue(
        value=None if math.isnan(estimate.value) else estimate.value,
        ci95=None if estimate.low is None or estimate.high is None else (estimate.low, estimate.high),
        n=estimate.n if n is None else n,
        higher_is_better=higher_is_better,
        unit=unit,
        chance=None if chance is None else round(chance, 12),  # what floating point leaves behind 1 - 0.95
        reason=estimate.reason,
    )


def reasons(found: Mapping[str, bool]) -> str:
    """Why a class lacks values: the texts whose condition is true."""
    return "; ".join(words for words, true in found.items() if true)


def clip_protocol(dataset: ImageDataset) -> dict[str, Any]:
    """What a question on clips adds to its protocol: how many frames speak for one. For images, nothing."""
    return {"frames_per_clip": dataset.frames_per_clip} if isinstance(dataset, ClipDataset) else {}
