"""Other programs whose files become records, and what records are written as for other programs, by name."""

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
        files: which files of its are read, in a sentence.
        read: of a file, the specs of open_clip's cards with their names, and the model's name where the user gives
            one, an item an evaluation: what was measured, or what is wrong with it. Raises
            :class:`~vlmbench.errors.RecordError` where the file as a whole is none of the program's.
    """

    name: str
    files: str
    read: Callable[[Path, Mapping[str, str], str | None], Iterator[Result | RecordError]]


@dataclass(frozen=True)
class Exporter:
    """What records are written as.

    Attributes:
        name: what the command line calls it.
        shows: what it is, in a few words.
        write: the text of some records.
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
"""Programs by the names that their own command lines have."""
EXPORTERS: Registry[Exporter] = Registry(
    "export format", modules_in("interchange/exporters", "EXPORTER"), group="vlmbench.exporters", expects=Exporter
)
