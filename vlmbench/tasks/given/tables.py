"""Reads files of answers that are tables: CSV, TSV, Parquet and npz, with a name for each row.

Classification, rare actions and retrieval use it.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from vlmbench.class_names import listing
from vlmbench.errors import ModelError
from vlmbench.files import MOST_DATA_BYTES, decoded_text, read_bytes, size_text
from vlmbench.wording import counted

NAMES = (
    *("sample", "sample_id", "id", "file", "file_name", "filename", "filepath", "path", "image", "image_id"),
    *("image_path", "img", "clip", "video", "samples", "ids", "files", "file_names", "filenames", "paths", "images"),
)
"""The columns that may hold the names of samples, in the order in which they are looked for."""
METADATA = b"vlmbench"
"""The key of the facts in a Parquet file of answers."""
_QUOTED = re.compile(r'"[^"]*"')
_HEADER = 2**22
"""The number of characters at the beginning of a CSV file in which its delimiter is looked for."""


@dataclass(frozen=True)
class GivenTable:
    """A table of answers.

    Attributes:
        where: the file, for messages.
        columns: the columns by name: Arrow arrays of N rows, or of an npz file NumPy arrays of any shape.
        facts: what the file says about itself, such as its classes.
    """

    where: str
    columns: Mapping[str, Any]
    facts: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def by_folded_name(self) -> Mapping[str, str]:
        """Lower-case names to names."""
        return {name.strip().casefold(): name for name in reversed(list(self.columns))}

    def named(self, names: Sequence[str]) -> str | None:
        """The first of these columns that the table has, in any letter case; None if it has none."""
        return next((self.by_folded_name[name] for name in names if name in self.by_folded_name), None)

    def texts(self, name: str) -> list[str]:
        """A column as N texts.

        Raises:
            ModelError: a text is missing, or the column holds something else.
        """
        column = self.columns[name]
        if isinstance(column, np.ndarray):
            if column.ndim != 1 or column.dtype.kind not in "USiuT":
                raise ModelError(f"{self.where}: {name!r} must be a list of texts, not {_shape(column)}")
            texts: list[Any] = [str(value) for value in column.tolist()]
        else:
            kind = column.type
            plain = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(kind)
            if pa.types.is_dictionary(kind):
                column = column.cast(kind.value_type)
            elif not plain:
                raise ModelError(f"{self.where}: the column {name!r} must hold texts, not {kind}")
            texts = [None if value is None else str(value) for value in column.to_pylist()]
        for row, text in enumerate(texts, 1):
            if text is None or not text.strip():
                raise ModelError(f"{self.where}: row {row:,} has no {name!r}")
        return texts

    def numbers(self, name: str) -> NDArray[np.float64]:
        """A column as (N,) finite numbers.

        Raises:
            ModelError: one is missing, not finite or not a number.
        """
        column = self.columns[name]
        if isinstance(column, np.ndarray):
            values = column
        else:
            try:
                values = pc.cast(column, pa.float64()).to_numpy(zero_copy_only=False)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
                raise ModelError(f"{self.where}: the column {name!r} must hold numbers: {error}") from error
        if values.dtype.kind not in "fiu" or values.ndim != 1:
            raise ModelError(f"{self.where}: {name!r} must be a list of numbers, not {_shape(values)}")
        found = values.astype(np.float64)
        if not np.isfinite(found).all():
            row = int(np.flatnonzero(~np.isfinite(found))[0])
            what = "no number" if np.isnan(found[row]) else "an infinite number"
            raise ModelError(f"{self.where}: row {row + 1:,} has {what} in {name!r}")
        return found

    def lists(self, name: str) -> NDArray[Any]:
        """A column of lists of one length, or a matrix, as (N, C) in the form of :func:`as_written`.

        Raises:
            ModelError: the lengths differ, or an item is missing, not finite or not a number.
        """
        column = self.columns[name]
        if isinstance(column, np.ndarray):
            if column.ndim != 2 or column.dtype.kind not in "fiu":
                raise ModelError(f"{self.where}: {name!r} must be a matrix of numbers, not {_shape(column)}")
            return checked(column, self.where)
        if pa.types.is_string(column.type):
            column = pa.array(self._parsed(name, column.to_pylist()))
        kind = column.type
        if not (pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)):
            raise ModelError(f"{self.where}: the column {name!r} must hold lists of numbers, not {kind}")
        lengths = pc.list_value_length(column).to_numpy(zero_copy_only=False)
        if not len(lengths) or not (lengths == lengths[0]).all():
            odd = int(np.flatnonzero(lengths != lengths[0])[0]) + 1 if len(lengths) else 1
            raise ModelError(f"{self.where}: row {odd:,} has a list of another length in {name!r}")
        flat = column.flatten()
        values = flat.to_numpy(zero_copy_only=False)
        if values.dtype.kind not in "fiu":
            raise ModelError(f"{self.where}: the column {name!r} must hold lists of numbers, not {kind}")
        return checked(values.reshape(len(lengths), -1), self.where)

    def _parsed(self, name: str, texts: Sequence[str]) -> list[list[float]]:
        found = []
        for row, text in enumerate(texts, 1):
            try:
                values = json.loads(text)
            except (ValueError, RecursionError) as error:
                raise ModelError(f"{self.where}: row {row:,}: {name!r} is not a list such as [0.1, 0.9]") from error
            if not isinstance(values, list) or not all(type(value) in (int, float) for value in values):
                raise ModelError(f"{self.where}: row {row:,}: {name!r} is not a list of numbers")
            found.append([float(value) for value in values])
        return found


def as_written(numbers: NDArray[Any]) -> NDArray[Any]:
    """Numbers as float32 if this changes none of them, as those of most models; else as float64.

    Probabilities near 1 differ in float64, and are all 1 in float32.
    """
    with np.errstate(over="ignore"):
        short = numbers.astype(np.float32)
    return short if np.array_equal(short, numbers, equal_nan=True) else numbers.astype(np.float64)


def checked(numbers: NDArray[Any], where: str) -> NDArray[Any]:
    """(N, C) scores in the form of :func:`as_written`, if all are finite.

    Raises:
        ModelError: one of them is not; the message has its row.
    """
    scores = as_written(numbers)
    finite = np.isfinite(scores)
    if not finite.all():
        row = int(np.flatnonzero(~finite.all(axis=1))[0])
        raise ModelError(f"{where}: row {row + 1:,} has a score that is NaN or infinite")
    return scores


def read_table(path: Path, texts: Sequence[str] = ()) -> GivenTable:
    """Read a table of answers.

    Args:
        path: a file that ends with .csv, .tsv, .parquet or .npz.
        texts: the columns of a CSV file that are read as text. Others are numbers, or text if they are not.

    Raises:
        ModelError: the file cannot be read, is not such a table, or has no rows.
    """
    where = str(path)
    try:
        content = read_bytes(path)
    except OSError as error:
        raise ModelError(f"{where}: cannot be read: {error.strerror or error}") from error
    if not content:
        raise ModelError(f"{where}: the file is empty")
    read = {".csv": _csv, ".tsv": _csv, ".parquet": _parquet, ".npz": _npz}[path.suffix]
    return read(content, where, texts)


def _csv(content: bytes, where: str, texts: Sequence[str]) -> GivenTable:
    try:
        text = decoded_text(content)
    except UnicodeDecodeError as error:
        raise ModelError(f"{where}: not text in UTF-8: {error}") from error
    first = _QUOTED.sub("", text[:_HEADER]).partition("\n")[0]
    delimiter = max("\t;,", key=lambda sign: (first.count(sign), sign == ","))
    header = [name.strip() for name in next(csv.reader(StringIO(text), delimiter=delimiter), [])]
    if twice := sorted({name for name in header if header.count(name) > 1}):
        raise ModelError(f"{where}: two columns have one name: {listing(map(repr, twice))}")
    kept = {name: pa.string() for name in header if name.casefold() in {*NAMES, *texts}}
    try:
        table = pyarrow.csv.read_csv(
            BytesIO(text.encode()),
            read_options=pyarrow.csv.ReadOptions(column_names=header, skip_rows=1, use_threads=False),
            parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=pyarrow.csv.ConvertOptions(column_types=kept, strings_can_be_null=False),
        )
    except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
        raise ModelError(f"{where}: not a table: {error}") from error
    return _with_rows(table, where, {})


def _parquet(content: bytes, where: str, texts: Sequence[str]) -> GivenTable:
    try:
        table = pq.ParquetFile(BytesIO(content)).read()
        facts = json.loads((table.schema.metadata or {}).get(METADATA, b"{}"))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError, ValueError) as error:
        raise ModelError(f"{where}: cannot be read as a Parquet file: {str(error).rstrip('. ')}") from error
    return _with_rows(table, where, facts if isinstance(facts, dict) else {})


def _with_rows(table: pa.Table, where: str, facts: Mapping[str, Any]) -> GivenTable:
    if not table.num_rows:
        raise ModelError(f"{where}: the table has no rows")
    columns = {}
    for name in table.column_names:
        found = table[name].combine_chunks()
        columns[name] = pa.concat_arrays(found.chunks) if isinstance(found, pa.ChunkedArray) else found
    return GivenTable(where, columns, facts)


def _npz(content: bytes, where: str, texts: Sequence[str]) -> GivenTable:
    try:
        with ZipFile(BytesIO(content)) as archive:
            if (size := sum(member.file_size for member in archive.infolist())) > MOST_DATA_BYTES:
                raise ValueError(f"it has {size_text(size)} when it is unpacked")
        with np.load(BytesIO(content), allow_pickle=False) as loaded:
            columns = {name: loaded[name] for name in loaded.files}
    except Exception as error:  # zipfile, zlib and NumPy raise many kinds of error for a broken file
        raise ModelError(
            f"{where}: cannot be read as an npz file: {error}",
            hint="Save arrays of numbers and of texts, not of Python objects: np.savez(path, ids=…, scores=…).",
        ) from error
    facts = {name: _fact(columns.pop(name)) for name in ("classes", "class_names", "logit_scale") if name in columns}
    if "class_names" in facts:
        facts.setdefault("classes", facts.pop("class_names"))
    if not columns:
        raise ModelError(f"{where}: it has no arrays of answers")
    return GivenTable(where, columns, facts)


def _fact(array: NDArray[Any]) -> Any:
    return array.item() if array.ndim == 0 or (array.shape == (1,) and array.dtype.kind == "f") else array.tolist()


def _shape(array: NDArray[Any]) -> str:
    return f"an array of {array.dtype} with {counted(array.ndim, 'dimension')}"
