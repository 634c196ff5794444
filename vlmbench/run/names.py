"""Turns names and objects into cards: the models and tasks of a run, each once, and how much of each task is asked.

Plans, ``vlmbench fetch`` and ``vlmbench show`` use it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TypeVar

from vlmbench.card_files import read_model, read_task, tell_of_broken
from vlmbench.cards import ModelCard, SourceSpec, SuiteSample, TaskCard, make_task
from vlmbench.catalogue import NamedTasks, named_suite, named_tasks, runnable, runnable_models
from vlmbench.data.memory.given import GivenTask
from vlmbench.errors import CardError, UnknownNameError, UsageError
from vlmbench.kinds import DEFAULT_KIND
from vlmbench.models.memory.given import GivenModel
from vlmbench.tasks.base import TaskOptions
from vlmbench.transfer import METHODS
from vlmbench.transfer.asked import TransferAsked
from vlmbench.transfer.base import learns_from
from vlmbench.wording import counted


@dataclass(frozen=True)
class AskedTask:
    """A task card with its options: the user's options, and the sample of the suite that named the task.

    Attributes:
        broken: why the card cannot be read, if a pattern or a suite names it. Such a card has only a name.
    """

    card: TaskCard
    options: TaskOptions
    broken: CardError | None = None


G = TypeVar("G", GivenModel, GivenTask)
ModelAsked = str | ModelCard | GivenModel
"""A model in any form that a run takes: an argument of ``-m``, a card made in Python, or an object."""
TaskAsked = str | TaskCard | GivenTask
"""A task in any form that a run takes: an argument of ``-t``, a card made in Python, or a dataset in memory."""


def resolve_models(models: Iterable[ModelAsked]) -> tuple[ModelCard, ...]:
    """The cards of a run's models, each once. Each card file is read once.

    Raises:
        UsageError: two different models have one name, or a model cannot be run.
        UnknownNameError, CardError: see :func:`~vlmbench.catalogue.find_models`.
    """
    read = cache(read_model)

    def cards(model: ModelAsked) -> list[ModelCard]:
        if isinstance(model, GivenModel):
            return [model.card]
        return runnable_models(model, read) if isinstance(model, str) else [runnable(model)]

    listed = [(card, model) for model in models for card in cards(model)]
    _refuse_two_objects(((card.name, model) for card, model in listed), "model")
    return _unique((card for card, _ in listed), "model")


def given_objects(asked: Iterable[ModelAsked | TaskAsked], kind: type[G]) -> dict[str, G]:
    """The objects among a run's models or tasks, by the name of their card."""
    return {each.card.name: each for each in asked if isinstance(each, kind)}


def other_card(name: str, objects: Mapping[str, GivenModel], options: Mapping[str, object] | None = None) -> ModelCard:
    """The card of a model that a transfer method uses beside the one that it adapts.

    Args:
        name: as ``-m`` takes it, or the name of an object.
        objects: the models of the run that are Python objects.
        options: the method's options; messages say which of them names the model.

    Raises:
        UsageError: the name means several models, or a model that cannot be run.
        UnknownNameError, CardError: see :func:`~vlmbench.catalogue.find_models`.
    """
    if name in objects:
        return objects[name].card
    option = next((f"--option {key}: " for key, value in (options or {}).items() if value == name), "")
    try:
        cards = runnable_models(name)
    except UnknownNameError as error:
        raise UnknownNameError(f"{option}{error.message}", hint=error.hint) from error
    if len(cards) != 1:
        raise UsageError(
            f"{option}{name!r} names {len(cards)} models, but a method uses one beside the model that it adapts"
        )
    return cards[0]


def _refuse_two_objects(named: Iterable[tuple[str, object]], kind: str) -> None:
    """Refuse an object whose name something else has too: their records would replace each other."""
    by_name: dict[str, object] = {}
    for name, each in named:
        other = by_name.setdefault(name, each)
        if other is not each and isinstance(other, GivenModel | GivenTask) | isinstance(each, GivenModel | GivenTask):
            raise UsageError(
                f"two different {kind}s are named {name!r}", hint=f"Name one of them: as_{kind}(…, name='…')."
            )


def resolve_tasks(names: Iterable[str]) -> tuple[TaskCard, ...]:
    """The cards of tasks that are given by name, each once. Each card file is read once.

    Raises:
        UsageError: two different tasks have one name.
        UnknownNameError, CardError: see :func:`~vlmbench.catalogue.named_tasks`.
    """
    found = _named(names, ())
    tell_of_broken(broken for _, named in found for broken in named.broken)
    return _unique((card for _, named in found for card in named.cards), "task")


def ask_tasks(tasks: Iterable[TaskAsked], suites: Iterable[str], options: TaskOptions) -> tuple[AskedTask, ...]:
    """The cards of a run's tasks, each once, with their options.

    The size of the scored sample comes from the options, otherwise from the suite. Both may state how it is drawn.

    Args:
        tasks: tasks or suites by name, cards and objects.
        suites: names of suites, not of tasks.

    Raises:
        UsageError: two different cards have one name, a task has two different subsets, or the options state how
            to draw a subset but no task has one.
        UnknownNameError, CardError: see :func:`~vlmbench.catalogue.named_tasks`.
    """
    named = _named(tasks, suites)
    broken = {name: error for _, found in named for name, error in found.broken}
    asked: dict[str, TaskOptions] = {}
    for name, found in named:
        own = _sampled(options, found.suite.sample) if found.suite and found.suite.sample else options
        for card in _all_cards(found):
            if asked.setdefault(card.name, own) != own:
                raise UsageError(
                    f"task {card.name!r} is named with two different subsets, once by {name!r}",
                    hint="Name it once, or set the subset for all with --limit N --stratified.",
                )
    if asked and options.stratified and all(own.limit is None for own in asked.values()):
        raise UsageError("--stratified states how to draw a subset, but no subset is drawn", hint="Add --limit N.")
    cards = _unique((card for _, found in named for card in _all_cards(found)), "task")
    return tuple(AskedTask(card, asked[card.name], broken.get(card.name)) for card in cards)


def adapted(asked: Sequence[AskedTask], transfers: Sequence[TransferAsked]) -> tuple[AskedTask, ...]:
    """Each task once for each transfer, tasks first; as it is if there are no transfers."""
    if not transfers:
        return tuple(asked)
    return tuple(
        replace(task, options=replace(task.options, transfer=transfer)) for task in asked for transfer in transfers
    )


def source_card(name: str | TaskCard) -> TaskCard:
    """The card of the task whose train data is learnt from, from what ``--learn-from`` names.

    Raises:
        UsageError: it names several tasks.
        UnknownNameError, CardError: see :func:`~vlmbench.catalogue.named_tasks`.
    """
    if isinstance(name, TaskCard):
        return name
    found = named_tasks(name, read_task)
    for _, error in found.broken:
        raise error
    if len(found.cards) != 1:
        raise UsageError(f"--learn-from {name!r} means {counted(len(found.cards), 'task')}; name one task")
    return found.cards[0]


def learning_from(transfers: Sequence[TransferAsked], source: TaskCard) -> tuple[TransferAsked, ...]:
    """The transfers with another task to learn from. Zero-shot and methods that learn from no images stay as they are.

    Raises:
        UsageError: none of the methods learns from images; see also :class:`~vlmbench.transfer.asked.TransferAsked`.
    """
    learning = [transfer.adapts and learns_from(METHODS.get(transfer.method)) != "nothing" for transfer in transfers]
    if not any(learning):
        raise UsageError(
            f"--learn-from {source.name} names data to learn from, but no method that learns from images was given",
            hint="Name one: --transfer NAME --shots K.",
        )
    return tuple(
        replace(transfer, source=source) if learns else transfer
        for transfer, learns in zip(transfers, learning, strict=True)
    )


def _all_cards(named: NamedTasks) -> list[TaskCard]:
    """The cards. A broken card becomes a card with only its name, so that its pairs can fail with that name."""
    nameless = SourceSpec(kind="none", location="")
    return [*named.cards, *(make_task(name, DEFAULT_KIND, nameless) for name, _ in named.broken)]


def _named(tasks: Iterable[TaskAsked], suites: Iterable[str]) -> Sequence[tuple[str, NamedTasks]]:
    read = cache(read_task)
    found: list[tuple[str, NamedTasks]] = []
    sources: list[tuple[str, object]] = []
    for task in tasks:
        if isinstance(task, str):
            named, name = named_tasks(task, read), task
        else:
            card = task.card if isinstance(task, GivenTask) else task
            named, name = NamedTasks((card,)), card.name
        found.append((name, named))
        sources += [(card.name, task) for card in named.cards]
    _refuse_two_objects(sources, "task")
    return [*found, *((name, named_suite(name, read)) for name in suites)]


def _sampled(options: TaskOptions, sample: SuiteSample) -> TaskOptions:
    limit = sample.size if options.limit is None else options.limit
    return replace(options, limit=limit, stratified=options.stratified or sample.by == "class")


CardT = TypeVar("CardT", ModelCard, TaskCard)


def _unique(cards: Iterable[CardT], kind: str) -> tuple[CardT, ...]:
    """Each card once. Two different cards with one name are refused: their records would replace each other."""
    by_name: dict[str, CardT] = {}
    for card in cards:
        if by_name.setdefault(card.name, card) != card:
            raise UsageError(f"two different {kind}s are named {card.name!r}", hint="Rename one of them.")
    return tuple(by_name.values())
