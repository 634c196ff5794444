"""Other programs' files as text, JSON and rows; what keeps one from being read is an error that names it."""

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
    """A file's text, without the mark that Excel and others put before it.

    Raises:
        RecordError: it cannot be read, or is no UTF-8.
    """
    try:
        return read_bytes(path, most=MOST_BYTES).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from error


def parse_json(text: str, path: Path) -> Any:
    """A JSON value. Other than ``json.loads``, it takes no halves of characters, which no file can hold.

    Raises:
        RecordError: it is none.
    """
    try:
        return from_json(text)
    except ValueError as error:
        raise _unreadable(path, error) from error


def parse_table(text: str, path: Path) -> tuple[Sequence[str], Iterator[tuple[str, Row | RecordError]]]:
    """The names in a CSV's first line; then where each row stands, and the row, or what is wrong with it.

    Raises:
        RecordError: the file is no CSV; of a line after the first, when the rows come to it.
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
            yield where, RecordError(f"{where}: not one field a column") if ragged else row
    except csv.Error as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> RecordError:
    return RecordError(f"{path}: cannot be read: {error}")
