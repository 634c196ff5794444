"""Writes and reads a baseline's table of answers: the columns that pairing needs, as text that Git compares by lines.

The heading of a CSV table states each column's type: ``label:int32``, ``top:int32[5]`` (five numbers in a cell),
``scores:float32[]`` (any count of numbers in a cell). Numbers in a cell are separated by spaces; nested lists are JSON.
Every number is the shortest text that reads back as exactly the same number of its type. Saved baselines use it.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from vlmbench.answers.paired_metric import pairing_columns
from vlmbench.errors import RecordError, UnpairableError

_TYPES: dict[str, pa.DataType] = {
    "string": pa.string(),
    "bool": pa.bool_(),
    **{f"{sign}int{bits}": getattr(pa, f"{sign}int{bits}")() for sign in ("", "u") for bits in (8, 16, 32, 64)},
    "float32": pa.float32(),
    "float64": pa.float64(),
}
_NAMES = {kind: name for name, kind in _TYPES.items()}
_HEADING = re.compile(r"(?P<name>.*):(?P<base>[a-z0-9]+)(?P<lists>(\[\d*\])*)", re.DOTALL)
_ROWS = 1024
"""The number of rows to write at once."""


def paired_columns(table: pa.Table, plugin: str) -> pa.Table:
    """The table with the columns that comparisons read, and without its metadata.

    If the answers of a kind of task cannot be paired, all columns stay.
    """
    try:
        wanted = pairing_columns(plugin)
    except UnpairableError:
        wanted = tuple(table.column_names)
    return table.select([name for name in table.column_names if name in wanted]).replace_schema_metadata(None)


def to_csv(table: pa.Table, most: int) -> bytes | None:
    """A table as CSV; None if the text would exceed ``most`` bytes, or would not read back exactly."""
    try:
        headings = [f"{field.name}:{_type_name(field.type)}" for field in table.schema]
    except KeyError:  # a type without a name in text
        return None
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(headings)
    for rows in _rows(table):
        writer.writerows(rows)
        if text.tell() > most:
            return None
    data = text.getvalue().encode()
    return data if len(data) <= most and _reads_back(data, table) else None


def from_csv(data: bytes, where: str) -> pa.Table:
    """The table that :func:`to_csv` wrote.

    Raises:
        RecordError: the text is not such a table.
    """
    try:
        rows = list(csv.reader(io.StringIO(data.decode(), newline="")))
        headings = [_parsed_heading(heading) for heading in rows[0]]
        columns = list(zip(*rows[1:], strict=True)) or [()] * len(headings)
        arrays = [
            pa.array([_reader(kind)(cell) for cell in cells], kind)
            for (_, kind), cells in zip(headings, columns, strict=True)
        ]
    except (ValueError, IndexError, TypeError, OverflowError, csv.Error, pa.ArrowException) as error:
        raise RecordError(f"{where}: not a table of a baseline: {error}", hint="Save the baseline again.") from error
    return pa.table(arrays, names=[name for name, _ in headings])


def _reads_back(data: bytes, table: pa.Table) -> bool:
    """Whether the text reads back equal. A null string, nested quotes or a NaN may not."""
    try:
        return bool(from_csv(data, "").equals(table))
    except RecordError:
        return False


def _rows(table: pa.Table) -> Iterator[Iterator[tuple[str, ...]]]:
    writers = [_writer(field.type) for field in table.schema]
    for start in range(0, table.num_rows, _ROWS):
        columns = table.slice(start, _ROWS).columns
        cells = [map(write, column.to_pylist()) for write, column in zip(writers, columns, strict=True)]
        yield zip(*cells, strict=True)


def _type_name(kind: pa.DataType) -> str:
    if pa.types.is_fixed_size_list(kind):
        return f"{_type_name(kind.value_type)}[{kind.list_size}]"
    if pa.types.is_list(kind):
        return f"{_type_name(kind.value_type)}[]"
    return _NAMES[kind]


def _parsed_heading(heading: str) -> tuple[str, pa.DataType]:
    found = _HEADING.fullmatch(heading)
    if found is None or found["base"] not in _TYPES:
        raise ValueError(f"column {heading!r} has no type")
    kind = _TYPES[found["base"]]
    for size in re.findall(r"\[(\d*)\]", found["lists"]):
        kind = pa.list_(kind, int(size)) if size else pa.list_(kind)
    return found["name"], kind


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind))


def _is_flat(kind: pa.DataType) -> bool:
    """Whether a type is a list of plain numbers or booleans."""
    return _is_list(kind) and not _is_list(kind.value_type) and kind.value_type != pa.string()


def _writer(kind: pa.DataType) -> Callable[[Any], str]:
    if not _is_list(kind):
        write = _scalar_writer(kind)
        return lambda value: "" if value is None else write(value)
    if _is_flat(kind):
        one = _scalar_writer(kind.value_type)
        return lambda values: "" if values is None else " ".join(map(one, values))
    return lambda values: _json_text(values, kind)


def _scalar_writer(kind: pa.DataType) -> Callable[[Any], str]:
    if kind == pa.float32():
        return lambda value: str(np.float32(value))
    if kind == pa.bool_():
        return lambda value: str(int(value))
    return str  # the shortest text that reads back as the same float64


def _json_text(value: Any, kind: pa.DataType) -> str:
    """JSON by the column's type. The json module would write a float32 with the digits of a float64."""
    if value is None:
        return "null"
    if _is_list(kind):
        return f"[{','.join(_json_text(item, kind.value_type) for item in value)}]"
    if kind == pa.string():
        return json.dumps(value, ensure_ascii=False)
    return _scalar_writer(kind)(value)


def _reader(kind: pa.DataType) -> Callable[[str], Any]:
    if not _is_list(kind):
        read = _scalar_reader(kind)
        return read if kind == pa.string() else lambda cell: read(cell) if cell else None
    if _is_flat(kind):
        one = _scalar_reader(kind.value_type)
        return lambda cell: [one(number) for number in cell.split(" ")] if cell else []
    if _leaf(kind) == pa.bool_():
        return lambda cell: _truths(json.loads(cell))
    return json.loads


def _scalar_reader(kind: pa.DataType) -> Callable[[str], Any]:
    if kind == pa.string():
        return str
    if kind == pa.bool_():
        return lambda text: bool(int(text))
    return float if pa.types.is_floating(kind) else int


def _leaf(kind: pa.DataType) -> pa.DataType:
    return _leaf(kind.value_type) if _is_list(kind) else kind


def _truths(values: Any) -> Any:
    return [_truths(value) for value in values] if isinstance(values, Sequence) else bool(values)
