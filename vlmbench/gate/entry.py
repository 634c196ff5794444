"""One record of a side, with a way to read the answers that it stands on."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vlmbench.records import Record

if TYPE_CHECKING:
    import pyarrow as pa

_PLAIN = re.compile(r"(?!\.{0,2}$)[^/\\\0]+")


@dataclass(frozen=True)
class Entry:
    """A record, wherever it lies: a results folder, a baseline, a Git revision.

    Attributes:
        record: the record.
        table: reads the table of its answers. Raises :class:`~vlmbench.errors.RecordError` where that is missing,
            broken, or not the record's own.
        where: the place, as messages name it.
    """

    record: Record
    table: Callable[[], pa.Table]
    where: str


def lies_beside(file: str) -> bool:
    """Whether a table's name, as a record has it, is a file's in the record's own folder: records come from anybody."""
    return _PLAIN.fullmatch(file) is not None
