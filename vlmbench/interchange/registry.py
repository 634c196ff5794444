"""Importers and exporters by name. ``vlmbench import`` and ``vlmbench export`` look them up here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vlmbench.registry import Registry, modules_in

if TYPE_CHECKING:
    from vlmbench.errors import RecordError
    from vlmbench.interchange.results import Result
    from vlmbench.records import Summary


@dataclass(frozen=True)
class Importer:
    """One program whose result files become records.

    Attributes:
        name: what the command line and the records call it.
        files: which of its files are read, in a sentence.
        read: reads a file. It gets the path, the specs of open_clip's cards with the cards' names, and the model's name
            if the user gives one. It yields one item for each evaluation: what was measured, or what is wrong.
            It raises :class:`~vlmbench.errors.RecordError` if the file is not a file of this program.
    """

    name: str
    files: str
    read: Callable[[Path, Mapping[str, str], str | None], Iterator[Result | RecordError]]


@dataclass(frozen=True)
class Exporter:
    """One format that records are written in.

    Attributes:
        name: what the command line calls it.
        shows: what it is, in a few words.
        write: makes the text of the file from records.
    """

    name: str
    shows: str
    write: Callable[[Sequence[Summary]], str]


IMPORTERS: Registry[Importer] = Registry(
    "importer",
    {name.replace("-", "_"): target for name, target in modules_in("interchange/importers", "IMPORTER").items()},
    group="vlmbench.importers",
    expects=Importer,
)
"""Programs by the names of their own commands."""
EXPORTERS: Registry[Exporter] = Registry(
    "export format", modules_in("interchange/exporters", "EXPORTER"), group="vlmbench.exporters", expects=Exporter
)
