"""The files of cards: the folders that hold them, and reading them. :mod:`vlmbench.catalogue` finds cards by name.

Cards are a part of the package. A wheel has them in ``vlmbench/_shipped``. A source checkout and an editable install
have them at the top of the repository. ``VLMBENCH_CARDS`` adds folders of the user. Each has the layout of the
repository: ``model_cards/*.yaml``, ``tasks/**/*.yaml``, ``tasks/suites/*.yaml``.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from vlmbench.cards import ModelCard, Suite, TaskCard, parse_card, read_yaml
from vlmbench.errors import CardError, UsageError, VlmbenchWarning
from vlmbench.paths import user_path


def shipped_root() -> Path:
    """The folder that holds the shipped ``model_cards/``, ``tasks/`` and ``results/``."""
    package = Path(__file__).parent
    in_wheel = package / "_shipped"
    return in_wheel if in_wheel.is_dir() else package.parent


def card_roots() -> list[Path]:
    """Every folder that is searched for cards. The user's own folders come first.

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
    """Names of cards with their files. If two files have the same name, only looking up this name fails.

    Attributes:
        paths: all files of each name.
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
    """The names of all model cards, with their files."""
    return _by_stem(root / "model_cards" for root in card_roots())


def task_card_files() -> CardFiles:
    """The names of all task cards, with their files."""
    return _by_stem((root / "tasks" for root in card_roots()), but="suites")


def suite_files() -> CardFiles:
    """The names of all suites, with their files."""
    return _by_stem(root / "tasks" / "suites" for root in card_roots())


def read_model(path: Path) -> ModelCard:
    """The model card in a YAML file.

    Raises:
        CardError: it cannot be read, is not a model card, or has another name than its file.
    """
    return _named_after_file(parse_card(ModelCard, read_yaml(path), where=str(path)), path)


CARD_BESIDE = "card.yaml"
"""The name of a card that lies beside what it describes."""
GIVEN_ANSWERS = "predictions"
"""The adapter of folders of answers."""


def read_model_beside(name: str, adapter: str, spec: str) -> ModelCard:
    """The card of a model that is named as ``ADAPTER:SPEC``. Beside answers, a file ``card.yaml`` may describe it.

    Raises:
        CardError: the file cannot be read, or is not such a card.
    """
    path = user_path(spec) / CARD_BESIDE
    if adapter != GIVEN_ANSWERS or not spec or not path.is_file():
        return ModelCard(name=name, adapter=adapter, spec=spec)
    data = read_yaml(path)
    if not isinstance(data, dict):
        raise CardError(f"{path}: a {ModelCard.noun} is a mapping of fields, not {type(data).__name__}")
    if data.get("adapter", adapter) != adapter or "spec" in data:
        raise CardError(
            f"{path}: a card beside answers has the adapter {adapter!r} and no `spec`, because the answers are in its "
            "own folder",
            hint="Remove `adapter` and `spec`.",
        )
    return parse_card(ModelCard, {"name": name, **data, "adapter": adapter, "spec": spec}, where=str(path))


def read_task(path: Path) -> TaskCard:
    """The task card in a YAML file.

    Raises:
        CardError: it cannot be read, is not a task card, or has another name than its file.
    """
    return _task_card(read_yaml(path), path)


def read_suite(path: Path) -> Suite:
    """The suite in a YAML file.

    Raises:
        CardError: it cannot be read, or is not a suite.
    """
    return parse_card(Suite, read_yaml(path), where=str(path))


def suite_in(path: Path) -> Suite | None:
    """The suite in a YAML file; None if the file is not a suite.

    Raises:
        CardError: it cannot be read, or is a broken suite.
    """
    data = read_yaml(path)
    return parse_card(Suite, data, where=str(path)) if _is_suite(data) else None


def read_task_or_suite(path: Path) -> TaskCard | Suite:
    """The task card or the suite in a YAML file, which is read once.

    Raises:
        CardError: it cannot be read, or is neither.
    """
    data = read_yaml(path)
    return parse_card(Suite, data, where=str(path)) if _is_suite(data) else _task_card(data, path)


def _is_suite(data: Any) -> bool:
    return isinstance(data, dict) and "tasks" in data


def _task_card(data: Any, path: Path) -> TaskCard:
    return _named_after_file(parse_card(TaskCard, data, where=str(path)), path)


CardT = TypeVar("CardT", ModelCard, TaskCard)


def _named_after_file(card: CardT, path: Path) -> CardT:
    """Refuse a card whose name differs from its file's name, because a card is found by its file's name."""
    if card.name != path.stem:
        raise CardError(
            f"{path}: the card is named {card.name!r}, its file {path.stem!r}", hint="Make both names equal."
        )
    return card


C = TypeVar("C", ModelCard, TaskCard, Suite)


def read_each(
    files: CardFiles, names: Iterable[str], read: Callable[[Path], C]
) -> tuple[list[C], list[tuple[str, CardError]]]:
    """The cards of these names that can be read, and the names of the others with their errors."""
    cards, broken = [], []
    for name in names:
        try:
            cards.append(read(files[name]))
        except CardError as error:
            broken.append((name, error))
    return cards, broken


def sound_cards(files: CardFiles, names: Iterable[str], read: Callable[[Path], C]) -> list[C]:
    """The cards of these names that can be read; a broken one is a warning."""
    cards, broken = read_each(files, names, read)
    tell_of_broken(broken)
    return cards


def tell_of_broken(broken: Iterable[tuple[str, CardError]]) -> None:
    """Warn of cards that cannot be read. The caller uses the other cards."""
    for _, error in broken:
        # Level 1 names this line as the place of every warning, so Python shows an equal warning only once.
        warnings.warn(f"left out: {error.message}", VlmbenchWarning, stacklevel=1)


def misnamed(name: str, files: CardFiles) -> str:
    """A hint if the card of this name is in a file of another name; "" otherwise."""
    for path in (path for paths in files.paths.values() for path in paths):
        with suppress(CardError, OSError, UnicodeDecodeError):
            data = read_yaml(path) if path.is_file() and name in path.read_text(encoding="utf-8") else None
            if isinstance(data, dict) and data.get("name") == name:
                return f"The card of that name is in {path}, but its file has another name: make both names equal."
    return ""


def _by_stem(folders: Iterable[Path], *, but: str = "") -> CardFiles:
    """Names of files without their suffix, to their paths. Files in a folder named ``but`` are left out."""
    found: dict[str, tuple[Path, ...]] = {}
    for path in _yaml_files(folders):
        if path.parent.name != but and path not in (known := found.get(path.stem, ())):
            found[path.stem] = (*known, path)
    return CardFiles(found)


def _yaml_files(folders: Iterable[Path]) -> Iterator[Path]:
    for folder in folders:
        if folder.is_dir():
            yield from sorted(path for path in folder.rglob("*.y*ml") if path.suffix in (".yaml", ".yml"))
