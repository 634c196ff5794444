"""Turns columns of Arrow tables into NumPy arrays: numbers, lists of one length, lists of any length.

All modules of this room and every kind of task use it to read tables of predictions.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vlmbench.errors import RecordError


def column(table: pa.Table, name: str) -> pa.Array:
    """One column, in one piece.

    Raises:
        RecordError: the table has no column of that name.
    """
    if name not in table.column_names:
        raise RecordError(
            f"the predictions have no column {name!r}",
            hint="Another version or program wrote them. Run the pair again with --force.",
        )
    found = table[name].combine_chunks()
    return pa.concat_arrays(found.chunks) if isinstance(found, pa.ChunkedArray) else found


def numbers(table: pa.Table, name: str) -> NDArray[Any]:
    """A column of numbers as an (N,) array."""
    return plain(column(table, name))


def rows(table: pa.Table, name: str) -> NDArray[Any]:
    """A column of lists of length K as an (N, K) array.

    Raises:
        RecordError: the lengths differ, or there is no such column.
    """
    flat, lengths = runs(table, name)
    if len(lengths) and (lengths != lengths[0]).any():
        raise RecordError(f"the lists of column {name!r} have different lengths")
    if len(lengths):
        return flat.reshape(len(lengths), -1)
    kind = column(table, name).type
    return flat.reshape(0, kind.list_size if pa.types.is_fixed_size_list(kind) else 0)


def runs(table: pa.Table, name: str) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """The items of a column of lists in one array, and the (N,) lengths of the lists."""
    lists = column(table, name)
    lengths = plain(pc.list_value_length(lists)).astype(np.int64)
    return plain(lists.flatten()), lengths


def flat_numbers(table: pa.Table, name: str) -> tuple[NDArray[Any], NDArray[np.int64]] | None:
    """All numbers of a column of nested lists in one array, and the (N,) counts of each row.

    None if a value is missing or not a number.
    """
    values = column(table, name)
    lengths = np.ones(len(values), dtype=np.int64)
    while _is_list(values.type):
        if values.null_count:
            return None
        inner = plain(pc.list_value_length(values)).astype(np.int64)
        sums, ends = np.concatenate([[0], np.cumsum(inner)]), np.cumsum(lengths)
        lengths = sums[ends] - sums[ends - lengths]
        values = values.flatten()
    known = pa.types.is_integer(values.type) or pa.types.is_floating(values.type)
    return (plain(values), lengths) if known and not values.null_count else None


def boxes(table: pa.Table, name: str) -> NDArray[np.float64]:
    """A column of lists of boxes as one (G, 4) array."""
    corners = column(table, name).flatten().flatten()
    return plain(corners).astype(np.float64).reshape(-1, 4)


def owners(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """The index of the list that each item belongs to."""
    return np.repeat(np.arange(len(lengths)), lengths)


def row_bytes(table: pa.Table, name: str) -> Sequence[bytes]:
    """N keys of a column's values (numbers, strings, or lists of them): equal values have equal keys."""
    values = column(table, name)
    if _is_list(values.type):
        lengths = plain(pc.list_value_length(values)).astype(np.int64)
        items = values.flatten()
        if _is_list(items.type):
            lengths = lengths * (len(items.flatten()) // max(len(items), 1))  # a box is four numbers
            items = items.flatten()
        if pa.types.is_integer(items.type) or pa.types.is_floating(items.type) or pa.types.is_boolean(items.type):
            return _cut(_comparable(plain(items)), lengths)
        return ["\0".join(row).encode() for row in values.to_pylist()]
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        return [value.encode() for value in values.to_pylist()]
    flat = plain(values)
    return _cut(_comparable(flat), np.ones(len(flat), dtype=np.int64))


def plain(values: pa.Array) -> NDArray[Any]:
    """Numbers as a NumPy array. Arrow's own method imports pandas, which takes longer than a comparison."""
    kind = values.type
    if values.null_count or not len(values) or not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return np.asarray(values.to_numpy(zero_copy_only=False))
    stored = np.frombuffer(values.buffers()[1], dtype=kind.to_pandas_dtype())
    return stored[values.offset : values.offset + len(values)]


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _comparable(values: NDArray[Any]) -> NDArray[Any]:
    """Integers of any width as int64; other numbers as float32, the precision of models' answers."""
    return values.astype(np.float32 if np.issubdtype(values.dtype, np.floating) else np.int64)


def _cut(flat: NDArray[Any], lengths: NDArray[np.int64]) -> list[bytes]:
    data, width = flat.tobytes(), flat.dtype.itemsize
    ends = [0, *(np.cumsum(lengths) * width).tolist()]
    return [data[start:end] for start, end in pairwise(ends)]
