"""Finds cards: the folders that hold them, and the cards that a name on the command line means.

Cards are a part of the package. A wheel has them in ``vlmbench/_shipped``; a source checkout and an editable install
have them at the top of the repository. ``VLMBENCH_CARDS`` adds folders of the user, each with the layout of the
repository: ``model_cards/*.yaml``, ``tasks/**/*.yaml``, ``tasks/suites/*.yaml``.
"""

from __future__ import annotations

import fnmatch
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from vlmbench.cards import ModelCard, SourceSpec, Suite, TaskCard, make_task, parse_card, read_yaml
from vlmbench.errors import CardError, UnknownNameError, UsageError, VlmbenchWarning
from vlmbench.kinds import kind_of_source, known_kind
from vlmbench.paths import user_path
from vlmbench.registry import did_you_mean


def shipped_root() -> Path:
    """The folder that holds the shipped ``model_cards/``, ``tasks/`` and ``results/``."""
    package = Path(__file__).parent
    in_wheel = package / "_shipped"
    return in_wheel if in_wheel.is_dir() else package.parent


def card_roots() -> list[Path]:
    """Every folder that is searched for cards, the user's own folders first.

    Raises:
        UsageError: ``VLMBENCH_CARDS`` names a folder that does not exist.
    """
    own = [user_path(part) for part in os.environ.get("VLMBENCH_CARDS", "").split(os.pathsep) if part]
    for root in own:
        if not root.is_dir():
            raise UsageError(f"VLMBENCH_CARDS names {str(root)!r}, which is not a folder")
    return [*own, shipped_root()]


@dataclass(frozen=True)
class CardFiles(Mapping[str, Path]):
    """Names and their files. If two files have one name, only the lookup of this name fails.

    Attributes:
        paths: every file of a name.
    """

    paths: Mapping[str, tuple[Path, ...]]

    def __getitem__(self, name: str) -> Path:
        """The file of a name.

        Raises:
            KeyError: no file has this name.
            CardError: two files have it.
        """
        first, *others = self.paths[name]
        if others:
            raise CardError(f"two cards are named {name!r}: {first} and {others[0]}", hint="Rename one of them.")
        return first

    def __contains__(self, name: object) -> bool:
        return name in self.paths

    def __iter__(self) -> Iterator[str]:
        return iter(self.paths)

    def __len__(self) -> int:
        return len(self.paths)


def model_card_files() -> CardFiles:
    """Model card names to their files."""
    return _by_stem(root / "model_cards" for root in card_roots())


def task_card_files() -> CardFiles:
    """Task card names to their files."""
    return _by_stem((root / "tasks" for root in card_roots()), but="suites")


def suite_files() -> CardFiles:
    """Suite names to their files."""
    return _by_stem(root / "tasks" / "suites" for root in card_roots())


def model_cards(pattern: str = "*") -> list[ModelCard]:
    """Every model card whose name matches a shell pattern or contains it, sorted by name; a broken one is a warning."""
    files = model_card_files()
    return _sound(files, [name for name in sorted(files) if _matches(name, pattern)], read_model)


def task_cards(pattern: str = "*") -> list[TaskCard]:
    """Every task card whose name matches a shell pattern or contains it, sorted by name; a broken one is a warning."""
    files = task_card_files()
    return _sound(files, [name for name in sorted(files) if _matches(name, pattern)], read_task)


def known_task(name: str) -> TaskCard | None:
    """The task card of this name; None if there is no such card, or if it is broken (then there is a warning)."""
    return known_tasks([name]).get(name)


def known_tasks(names: Iterable[str]) -> dict[str, TaskCard]:
    """The task cards of these names, sorted by name, without those that do not exist or are broken (a warning each)."""
    files = task_card_files()
    return {card.name: card for card in _sound(files, sorted({*names} & {*files}), read_task)}


C = TypeVar("C", ModelCard, TaskCard, Suite)


def _read_each(
    files: CardFiles, names: Iterable[str], read: Callable[[Path], C]
) -> tuple[list[C], list[tuple[str, CardError]]]:
    """The cards of these names, and which of them are broken, and why."""
    cards, broken = [], []
    for name in names:
        try:
            cards.append(read(files[name]))
        except CardError as error:
            broken.append((name, error))
    return cards, broken


def _sound(files: CardFiles, names: Iterable[str], read: Callable[[Path], C]) -> list[C]:
    cards, broken = _read_each(files, names, read)
    tell_of_broken(broken)
    return cards


def tell_of_broken(broken: Iterable[tuple[str, CardError]]) -> None:
    """Warn of cards that cannot be read. The other cards are used."""
    for _, error in broken:
        # The level makes it always the same place, so that Python shows each warning once.
        warnings.warn(f"left out: {error.message}", VlmbenchWarning, stacklevel=1)


def find_suite(name: str) -> Suite | None:
    """The suite of this name, or in this YAML file; None if it is not a suite's."""
    if name.endswith((".yaml", ".yml")):
        data = read_yaml(user_path(name))
        return parse_card(Suite, data, where=name) if isinstance(data, dict) and "tasks" in data else None
    path = None if name in task_card_files() else suite_files().get(name)
    return None if path is None else _read_suite(path)


def suites() -> list[Suite]:
    """Every suite, sorted by name; a broken one is a warning."""
    files = suite_files()
    return _sound(files, sorted(files), _read_suite)


def read_model(path: Path) -> ModelCard:
    """The model card in a YAML file.

    Raises:
        CardError: it cannot be read, is not a model card, or has another name than its file.
    """
    return _named_after_file(parse_card(ModelCard, read_yaml(path), where=str(path)), path)


def read_task(path: Path) -> TaskCard:
    """The task card in a YAML file.

    Raises:
        CardError: it cannot be read, is not a task card, or has another name than its file.
    """
    return _task_card(read_yaml(path), path)


def _task_card(data: Any, path: Path) -> TaskCard:
    return _named_after_file(parse_card(TaskCard, data, where=str(path)), path)


CardT = TypeVar("CardT", ModelCard, TaskCard)


def _named_after_file(card: CardT, path: Path) -> CardT:
    """Refuse a card whose name is not that of its file: cards are found by their files."""
    if card.name != path.stem:
        raise CardError(f"{path}: the card is named {card.name!r}, its file {path.stem!r}", hint="Make them equal.")
    return card


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
        return [ModelCard(name=name, adapter=adapter, spec=spec)]
    if any(sign in name for sign in "*?[") and (found := fnmatch.filter(sorted(files), name)):
        cards, broken = _read_each(files, found, read)
        if not cards:
            raise broken[0][1]
        tell_of_broken(broken)
        return cards
    near = _misnamed(name, files) or did_you_mean(name, files)
    hint = (
        f"{near} `vlmbench models` lists all cards."
        if near
        else "List cards with `vlmbench models`, or name a model without a card as ADAPTER:SPEC, "
        "e.g. open_clip:ViT-B-32/laion2b_s34b_b79k."
    )
    raise UnknownNameError(f"unknown model {name!r}", hint=hint)


def _misnamed(name: str, files: CardFiles) -> str:
    """A hint if a file of another name holds the card of this name; "" otherwise."""
    for path in (path for paths in files.paths.values() for path in paths):
        with suppress(CardError, OSError, UnicodeDecodeError):
            data = read_yaml(path) if path.is_file() and name in path.read_text(encoding="utf-8") else None
            if isinstance(data, dict) and data.get("name") == name:
                return f"The card of that name is in {path}, but its file has another name: make both names equal."
    return ""


def runnable_models(name: str, read: Callable[[Path], ModelCard] = read_model) -> list[ModelCard]:
    """As :func:`find_models`, but only cards that can be run. Other cards are skipped if a pattern matches them, and
    are an
    error if they are named.

    Raises:
        UnknownNameError, CardError: as :func:`find_models`.
        UsageError: the card, or every card that matches, has no adapter.
    """
    found = find_models(name, read)
    return [card for card in found if card.runnable] or [runnable(found[0])]


def runnable(card: ModelCard) -> ModelCard:
    """The card, if it can be run.

    Raises:
        UsageError: it has no adapter; says what to run instead.
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
        suite: the suite that lists them; None if the name is not a suite's.
        broken: the names of a pattern's or a suite's cards that cannot be read, and why.
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
    """The task cards that one ``-t`` argument stands for, and its suite where it names one. Each file is read once.

    Args:
        name: a card's name, a suite's name, a shell pattern of card names, a YAML file of either, or ``KIND:PATH``
            for a folder, videos, captions, boxes or a webdataset that have no card.
        read: reads a card; a caching variant of :func:`read_task`.

    Raises:
        UnknownNameError: nothing has that name.
        CardError: a card is invalid, or a suite names a task that does not exist.
    """
    _check_text(name)
    if name.endswith((".yaml", ".yml")):
        return _tasks_of_file(user_path(name), read)
    files, suite_paths = task_card_files(), suite_files()
    if name in files:
        return NamedTasks((read(files[name]),))
    if name in suite_paths:
        return _tasks_of_suite(_read_suite(suite_paths[name]), read, where=str(suite_paths[name]))
    if ":" in name:
        return NamedTasks((_task_of_data(name),))
    if any(sign in name for sign in "*?[") and (found := fnmatch.filter(sorted(files), name)):
        return _named(files, found, read)
    ways = "imagefolder:PATH, masks:PATH, boxes:PATH, captions:PATH, frames:PATH or wds:PATH"
    if (path := user_path(name)).exists():
        hint = f"There is a {'folder' if path.is_dir() else 'file'} of this name. Name what it holds: {ways}."
    else:
        near = _misnamed(name, files) or did_you_mean(name, [*files, *suite_paths])
        hint = f"{f'{near} ' if near else ''}List tasks with `vlmbench tasks`, or name your own data as {ways}."
    raise UnknownNameError(f"unknown task or suite {name!r}", hint=hint)


def named_suite(name: str, read: Callable[[Path], TaskCard] = read_task) -> NamedTasks:
    """As :func:`named_tasks`, but the name must be that of a suite.

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


def _by_stem(folders: Iterable[Path], *, but: str = "") -> CardFiles:
    """File stems to paths, without those in a folder of the name ``but``."""
    found: dict[str, tuple[Path, ...]] = {}
    for path in _yaml_files(folders):
        if path.parent.name != but and path not in (known := found.get(path.stem, ())):
            found[path.stem] = (*known, path)
    return CardFiles(found)


def _yaml_files(folders: Iterable[Path]) -> Iterator[Path]:
    for folder in folders:
        if folder.is_dir():
            yield from sorted(path for path in folder.rglob("*.y*ml") if path.suffix in (".yaml", ".yml"))


def _read_suite(path: Path) -> Suite:
    return parse_card(Suite, read_yaml(path), where=str(path))


def _tasks_of_file(path: Path, read: Callable[[Path], TaskCard]) -> NamedTasks:
    data = read_yaml(path)
    if isinstance(data, dict) and "tasks" in data:
        return _tasks_of_suite(parse_card(Suite, data, where=str(path)), read, where=str(path))
    return NamedTasks((_task_card(data, path),))


def _tasks_of_suite(suite: Suite, read: Callable[[Path], TaskCard], *, where: str) -> NamedTasks:
    files = task_card_files()
    for name in suite.tasks:
        if name not in files:
            raise CardError(f"{where}: unknown task {name!r}", hint=did_you_mean(name, files) or None)
    return _named(files, suite.tasks, read, suite)


def _named(
    files: CardFiles, names: Iterable[str], read: Callable[[Path], TaskCard], suite: Suite | None = None
) -> NamedTasks:
    cards, broken = _read_each(files, names, read)
    return NamedTasks(tuple(cards), suite, tuple(broken))
