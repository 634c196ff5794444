"""Reads the files of other programs as text, JSON and rows, for the importers. An error names the file and the line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from pydantic_core import from_json

from vlmbench.errors import RecordError
from vlmbench.files import read_bytes

MOST_BYTES = 256 * 2**20
"""A file of results has a few thousand lines."""
Row: TypeAlias = Mapping[str, str]
"""Columns to cells."""


def read_text(path: Path) -> str:
    """A file's text, without the byte order mark that Excel and others write.

    Raises:
        RecordError: it cannot be read, or is not UTF-8.
    """
    try:
        return read_bytes(path, most=MOST_BYTES).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from error


def parse_json(text: str, path: Path) -> Any:
    """A JSON value. Unlike ``json.loads``, it refuses lone surrogates, which no record can hold.

    Raises:
        RecordError: the text is not JSON.
    """
    try:
        return from_json(text)
    except ValueError as error:
        raise _unreadable(path, error) from error


def parse_table(text: str, path: Path) -> tuple[Sequence[str], Iterator[tuple[str, Row | RecordError]]]:
    """The column names of a CSV file, and its rows: the place of each row, and the row or what is wrong with it.

    Raises:
        RecordError: the file is not CSV. For a line after the first it is raised when that row is read.
    """
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        return reader.fieldnames or (), _rows(reader, path)
    except csv.Error as error:
        raise _unreadable(path, error) from error


def _rows(reader: csv.DictReader[str], path: Path) -> Iterator[tuple[str, Row | RecordError]]:
    try:
        for row in reader:
            where = f"{path}, line {reader.line_num}"
            ragged = None in row or None in row.values()
            yield (
                where,
                RecordError(f"{where}: the row has more or fewer fields than there are columns") if ragged else row,
            )
    except csv.Error as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> RecordError:
    return RecordError(f"{path}: cannot be read: {error}")
