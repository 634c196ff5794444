"""Finds cards by name: those that a name, a pattern or a file on the command line means.

Most commands, :mod:`vlmbench.api`, the reports and the runs call it. :mod:`vlmbench.card_files` knows the folders.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from vlmbench.card_files import (
    CardFiles,
    misnamed,
    model_card_files,
    read_each,
    read_model,
    read_model_beside,
    read_suite,
    read_task,
    read_task_or_suite,
    sound_cards,
    suite_files,
    suite_in,
    task_card_files,
    tell_of_broken,
)
from vlmbench.cards import ModelCard, SourceSpec, Suite, TaskCard, make_task
from vlmbench.errors import CardError, UnknownNameError, UsageError
from vlmbench.kinds import kind_of_source, known_kind
from vlmbench.paths import user_path
from vlmbench.registry import did_you_mean
from vlmbench.storage.locations import is_mistyped, is_object_storage, user_location


def model_cards(pattern: str = "*") -> list[ModelCard]:
    """Every model card whose name matches a shell pattern or contains it, sorted by name; a broken one is a warning."""
    files = model_card_files()
    return sound_cards(files, [name for name in sorted(files) if _matches(name, pattern)], read_model)


def task_cards(pattern: str = "*") -> list[TaskCard]:
    """Every task card whose name matches a shell pattern or contains it, sorted by name; a broken one is a warning."""
    files = task_card_files()
    return sound_cards(files, [name for name in sorted(files) if _matches(name, pattern)], read_task)


def known_task(name: str) -> TaskCard | None:
    """The task card of this name; None if there is no such card, or if it is broken (then there is a warning)."""
    return known_tasks([name]).get(name)


def known_tasks(names: Iterable[str]) -> dict[str, TaskCard]:
    """The task cards of these names, sorted by name, without those that do not exist or are broken (a warning each)."""
    files = task_card_files()
    return {card.name: card for card in sound_cards(files, sorted({*names} & {*files}), read_task)}


def find_suite(name: str) -> Suite | None:
    """The suite of this name, or in this YAML file; None if the name means something else."""
    if name.endswith((".yaml", ".yml")):
        return suite_in(user_path(name))
    path = None if name in task_card_files() else suite_files().get(name)
    return None if path is None else read_suite(path)


def suites() -> list[Suite]:
    """Every suite, sorted by name; a broken one is a warning."""
    files = suite_files()
    return sound_cards(files, sorted(files), read_suite)


def find_models(name: str, read: Callable[[Path], ModelCard] = read_model) -> list[ModelCard]:
    """The model cards that one ``-m`` argument means.

    Args:
        name: a card's name, a shell pattern of names, a YAML file, or ``ADAPTER:SPEC`` with no card needed.
        read: reads a card; a caching variant of :func:`read_model`.

    Raises:
        UnknownNameError: nothing has that name.
        CardError: the card is invalid.
    """
    _check_text(name)
    if name.endswith((".yaml", ".yml")):
        return [read(user_path(name))]
    files = model_card_files()
    if name in files:
        return [read(files[name])]
    if ":" in name:
        adapter, _, spec = name.partition(":")
        return [read_model_beside(name, adapter, spec)]
    if any(sign in name for sign in "*?[") and (found := fnmatch.filter(sorted(files), name)):
        cards, broken = read_each(files, found, read)
        if not cards:
            raise broken[0][1]
        tell_of_broken(broken)
        return cards
    near = misnamed(name, files) or did_you_mean(name, files)
    hint = (
        f"{near} `vlmbench models` lists all cards."
        if near
        else "List cards with `vlmbench models`, or name a model without a card as ADAPTER:SPEC, "
        "e.g. open_clip:ViT-B-32/laion2b_s34b_b79k."
    )
    raise UnknownNameError(f"unknown model {name!r}", hint=hint)


def runnable_models(name: str, read: Callable[[Path], ModelCard] = read_model) -> list[ModelCard]:
    """As :func:`find_models`, but only cards that can be run.

    If a pattern matches other cards, they are skipped. If a card that cannot be run is named, this is an error.

    Raises:
        UnknownNameError, CardError: as :func:`find_models`.
        UsageError: the card, or every card that matches, has no adapter.
    """
    found = find_models(name, read)
    return [card for card in found if card.runnable] or [runnable(found[0])]


def runnable(card: ModelCard) -> ModelCard:
    """The card, if it can be run.

    Raises:
        UsageError: it has no adapter. The error says what to run instead.
    """
    if not card.runnable:
        raise _cannot_run(card)
    return card


_WHY_NOT = {
    "public": "its weights are public, but no adapter reads them",
    "reproduction": "its own weights are not public",
    "not public": "its weights are not public",
    "unknown": "vlmbench knows of no public weights",
}


def _cannot_run(card: ModelCard) -> UsageError:
    reason = "it is a family of models" if card.models and card.weights == "public" else _WHY_NOT[card.weights or ""]
    where = f" ({card.weights_at})" if card.weights_at else ""
    instead = (
        f"Run {' or '.join(card.models[:3])} instead{', or another of its models' if card.models[3:] else ''}."
        if card.models
        else "It is listed for its published numbers. If you have its weights, write an adapter for them (--plugin)."
    )
    return UsageError(f"model {card.name!r} cannot be run: {reason}{where}", hint=instead)


@dataclass(frozen=True)
class NamedTasks:
    """The task cards that one ``-t`` argument means.

    Attributes:
        suite: the suite that lists them; None if the argument does not name a suite.
        broken: if the argument is a pattern or a suite, the names of its cards that cannot be read, with the errors.
    """

    cards: tuple[TaskCard, ...]
    suite: Suite | None = None
    broken: tuple[tuple[str, CardError], ...] = ()


def find_tasks(name: str) -> list[TaskCard]:
    """The task cards that one ``-t`` argument means; see :func:`named_tasks`. A broken one is a warning."""
    named = named_tasks(name)
    tell_of_broken(named.broken)
    return list(named.cards)


def named_tasks(name: str, read: Callable[[Path], TaskCard] = read_task) -> NamedTasks:
    """The task cards that one ``-t`` argument means, and the suite if it names one. Each file is read once.

    Args:
        name: a card's name, a suite's name, a shell pattern of card names, a YAML file of either, or ``KIND:PATH``
            for data without a card: a folder, videos, captions, boxes or a webdataset.
        read: reads a card; a caching variant of :func:`read_task`.

    Raises:
        UnknownNameError: nothing has that name.
        CardError: a card is invalid, or a suite names a task that does not exist.
        UsageError: a URL has credentials, or is not complete.
    """
    _check_text(name)
    if name.endswith((".yaml", ".yml")):
        return _tasks_of_file(user_path(name), read)
    files, suite_paths = task_card_files(), suite_files()
    if name in files:
        return NamedTasks((read(files[name]),))
    if name in suite_paths:
        return _tasks_of_suite(read_suite(suite_paths[name]), read, where=str(suite_paths[name]))
    if ":" in name:
        return NamedTasks((_task_of_data(name),))
    if any(sign in name for sign in "*?[") and (found := fnmatch.filter(sorted(files), name)):
        return _named(files, found, read)
    ways = "imagefolder:PATH, masks:PATH, boxes:PATH, captions:PATH, frames:PATH or wds:PATH"
    if (path := user_path(name)).exists():
        hint = f"There is a {'folder' if path.is_dir() else 'file'} of this name. Name what it holds: {ways}."
    else:
        near = misnamed(name, files) or did_you_mean(name, [*files, *suite_paths])
        hint = f"{f'{near} ' if near else ''}List tasks with `vlmbench tasks`, or name your own data as {ways}."
    raise UnknownNameError(f"unknown task or suite {name!r}", hint=hint)


def named_suite(name: str, read: Callable[[Path], TaskCard] = read_task) -> NamedTasks:
    """As :func:`named_tasks`, but the name must be a suite's.

    Raises:
        UnknownNameError: no suite has this name.
        CardError: as :func:`named_tasks`.
    """
    in_file = name.endswith((".yaml", ".yml"))
    named = named_tasks(name, read) if in_file or name in suite_files() else NamedTasks(())
    if named.suite is None:
        is_task = f"{name!r} is a task: -t {name}." if name in task_card_files() else ""
        raise UnknownNameError(f"unknown suite {name!r}", hint=is_task or did_you_mean(name, suite_files()) or None)
    return named


def _task_of_data(name: str) -> TaskCard:
    """The card of ``SOURCE:PATH``, or of ``KIND:PATH`` with the kind's first source."""
    named, _, location = name.partition(":")
    if is_object_storage(location) or is_mistyped(location):
        user_location(location)  # the name of the task goes into records, and a URL may have credentials
    kind = known_kind(named)
    source, plugin = (kind.sources[0], named) if kind and kind.sources else (named, kind_of_source(named))
    return make_task(name, plugin, SourceSpec(kind=source, location=location))


def _check_text(name: str) -> None:
    """Refuse a name that cannot be written into a card or a record.

    Raises:
        UsageError: it has bytes that are not text in this locale.
    """
    try:
        name.encode()
    except UnicodeEncodeError as error:
        shown = name.encode(errors="surrogateescape").decode(errors="backslashreplace")
        raise UsageError(
            f"{shown!r} has bytes that are not text in this locale",
            hint="Set LC_ALL=C.UTF-8 or PYTHONUTF8=1, or rename the file.",
        ) from error


def _matches(name: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(name, pattern) or pattern.casefold() in name


def _tasks_of_file(path: Path, read: Callable[[Path], TaskCard]) -> NamedTasks:
    found = read_task_or_suite(path)
    return _tasks_of_suite(found, read, where=str(path)) if isinstance(found, Suite) else NamedTasks((found,))


def _tasks_of_suite(suite: Suite, read: Callable[[Path], TaskCard], *, where: str) -> NamedTasks:
    files = task_card_files()
    for name in suite.tasks:
        if name not in files:
            raise CardError(f"{where}: unknown task {name!r}", hint=did_you_mean(name, files) or None)
    return _named(files, suite.tasks, read, suite)


def _named(
    files: CardFiles, names: Iterable[str], read: Callable[[Path], TaskCard], suite: Suite | None = None
) -> NamedTasks:
    cards, broken = read_each(files, names, read)
    return NamedTasks(tuple(cards), suite, tuple(broken))
