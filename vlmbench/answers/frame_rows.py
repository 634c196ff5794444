"""Defines a view of a table of predictions: the columns of its data frame, and how the rows are made.

Each kind of task declares its views in ``tasks/<kind>/frames.py``; :func:`vlmbench.predictions_frame` shows them in
pandas. This module itself needs NumPy and Arrow only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vlmbench.answers.columns import column, owners, plain, runs
from vlmbench.answers.frame_columns import FrameColumn

Values: TypeAlias = "NDArray[Any] | pa.Array | pa.ChunkedArray"


@dataclass(frozen=True)
class FrameRows:
    """One view of a table of predictions: what a row is, and its columns.

    Attributes:
        each: what a row is of: ``"sample"``, ``"candidate"``, ``"caption"``, ``"box"``.
        meaning: the same in a sentence, for the documentation.
        columns: the columns, in their order.
        make: makes the columns of a table of predictions and of the classes' names, all of one length. A column that it
            leaves out is missing in every row: the table of a saved baseline holds less than that of a run.
    """

    each: str
    meaning: str
    columns: tuple[FrameColumn, ...]
    make: Callable[[pa.Table, Sequence[str]], Mapping[str, Values]]


SAMPLE = FrameColumn("sample", "string", "the sample's id in its source")
CONTENT = FrameColumn("content", "string", "hex SHA-256 of the sample's content")


def has(table: pa.Table, *names: str) -> bool:
    """Whether a table has all these columns."""
    return set(names) <= set(table.column_names)


def present(table: pa.Table, *names: str) -> dict[str, Values]:
    """The named columns, unchanged. Columns that the table lacks are left out."""
    return {name: column(table, name) for name in names if name in table.column_names}


def class_names_of(labels: NDArray[np.int64], class_names: Sequence[str]) -> pa.Array:
    """(N,) the classes' names; missing where a label is outside of the names.

    >>> class_names_of(np.array([1, 7]), ["cat", "dog"]).to_pylist()
    ['dog', None]
    """
    known = (labels >= 0) & (labels < len(class_names))
    places = pa.array(np.where(known, labels, 0), pa.int64(), mask=~known)
    return pa.array(class_names, pa.string()).take(places) if len(class_names) else pa.nulls(len(labels), pa.string())


@dataclass(frozen=True)
class Items:
    """The items of a column of lists, one after the other.

    Attributes:
        lengths: (N,) items of each row.
        places: (M,) the place of each item in its list, from 0.
        rows: (M,) the row of each item.
    """

    lengths: NDArray[np.int64]
    places: NDArray[np.int64]
    rows: NDArray[np.int64]

    def repeated(self, table: pa.Table, *names: str) -> dict[str, Values]:
        """The named columns, with one value for each item. Columns that the table lacks are left out."""
        return {name: column(table, name).take(pa.array(self.rows)) for name in names if name in table.column_names}


def items_of(table: pa.Table, name: str) -> Items:
    """How a column of lists becomes one row an item.

    Raises:
        RecordError: there is no such column.
    """
    _, lengths = runs(table, name)
    starts = np.cumsum(lengths) - lengths
    rows = owners(lengths)
    return Items(lengths, np.arange(int(lengths.sum())) - starts[rows], rows)


def flat(table: pa.Table, *names: str) -> dict[str, Values]:
    """The named columns of lists, each as the items of its lists. Columns that the table lacks are left out."""
    return {name: column(table, name).flatten() for name in names if name in table.column_names}


def corners(table: pa.Table, name: str) -> dict[str, Values]:
    """The boxes of all lists in a column, as four flat arrays: ``left``, ``top``, ``width`` and ``height``.

    Each array has one element for each box, in the order of the rows.
    """
    boxes = plain(column(table, name).flatten().flatten()).astype(np.float64).reshape(-1, 4)
    return {part: boxes[:, place] for place, part in enumerate(("left", "top", "width", "height"))}
