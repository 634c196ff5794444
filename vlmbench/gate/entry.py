"""Defines an entry: a record, the place where it was found, and a function that reads its answers.

The gate (each side of a comparison has entries), ``vlmbench baseline`` and the data frames use entries.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vlmbench.records import Record

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Entry:
    """A record from a results folder, a baseline or a Git revision.

    Attributes:
        record: the record.
        table: reads the table of its answers. Raises :class:`~vlmbench.errors.RecordError` if the table is missing,
            broken, or belongs to another record, and :class:`~vlmbench.errors.UnpairableError` if the record has none.
        where: its place, as messages name it.
    """

    record: Record
    table: Callable[[], pa.Table]
    where: str
