"""One record of a side, with a way to read the answers that it stands on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vlmbench.records import Record

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Entry:
    """A record, wherever it lies: a results folder, a baseline, a Git revision.

    Attributes:
        record: the record.
        table: reads the table of its answers. Raises :class:`~vlmbench.errors.RecordError` where that is missing,
            broken, or not the record's own, :class:`~vlmbench.errors.UnpairableError` where there is none.
        where: the place, as messages name it.
    """

    record: Record
    table: Callable[[], pa.Table]
    where: str
