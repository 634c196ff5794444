"""Parses tables of captions: with headings and any columns, or the usual forms without headings.

The source ``captions`` uses it. Python's :mod:`csv` reads the lines. Many published tables do not quote captions that
contain the separator or a quotation mark. So a line that is not valid CSV, or has more cells than there are headings,
is split at every separator. If there is one column of captions, the additional cells become part of the caption.
"""

from __future__ import annotations

import ast
import csv
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vlmbench.data.formats.captions.columns import AskedColumns, Columns, choose_columns, is_heading, is_split_name
from vlmbench.data.formats.captions.rows import CaptionRow, Rows, several
from vlmbench.data.formats.image_suffixes import is_image_name
from vlmbench.errors import DataError

_TOKEN = re.compile(r"^(?P<image>[^\t]+)#\d+\t(?P<caption>.*)$")
"""``1000268201_693b08cb0e.jpg#0<tab>A child in a pink dress .``: Flickr8k.token.txt, results_20130124.token."""
_NUMBERED = re.compile(r"^(?P<image>[^|]+)\|\s*\d+\s*\|?(?P<caption>.*)$")
"""``1000092795.jpg| 0| Two young guys ...``: Flickr30k's results.csv. The second bar is missing in one of its lines."""
_SEPARATORS = ",\t;|"
_PLAIN = {sign: re.compile(rf"^(?P<image>[^{sign}]+\.\w+){re.escape(sign)}(?P<caption>.*)$") for sign in ",\t;"}
"""``1000268201_693b08cb0e.jpg,A child , in pink .``: captions.txt. A caption with commas may be quoted or not."""
_QUOTED = re.compile(r'"((?:[^"]|"")*)"')
"""A cell that CSV has quoted. Other captions may begin and end with a quotation mark of their own."""
_BRACKETS = re.compile(r"""\[\s*(['"].*['"]\s*,?\s*)?\]""", re.DOTALL)
"""A cell that looks like a list of strings."""
_NO_COMMA = re.compile(r"""['"]\s+['"]""")
_MOST_LINES = 100
"""A cell may have at most this many lines."""
_KNOWN = (
    "Known are tables with headings, such as image,caption or image| number| caption, with any other columns; and, "
    "without headings, image,caption and image#number<tab>caption."
)


def read_table(text: str, path: Path, asked: AskedColumns) -> Rows:
    """The rows of a table.

    Raises:
        DataError: a line has another form than the others, or the columns cannot be recognised.
    """
    # Not splitlines(): it also splits at characters that may occur in a caption.
    lines = [line.rstrip("\r") for line in text.split("\n" if "\n" in text else "\r")]
    first = next((number for number, line in enumerate(lines) if line.strip()), 0)
    for sign in _SEPARATORS:
        headings = next(csv.reader([lines[first]], delimiter=sign), [])
        if len(headings) > 1 and is_heading(headings, asked):
            return _with_heading(_Lines(lines, first + 1, sign, len(headings)), headings, path, asked)
    if is_heading([lines[first]], asked):
        raise DataError(f"{path}: it has only one column: {lines[first][:60]!r}", hint=_KNOWN)
    return _without_heading(lines, path)


@dataclass(frozen=True)
class _Lines:
    """The lines of a table, the index of its first row, its separator and its number of columns."""

    lines: Sequence[str]
    first: int
    sign: str
    width: int

    def cells(self) -> Iterator[tuple[int, list[str], bool]]:
        """For each row: its line number (from 1), its cells, and whether they were split at every separator."""
        number = self.first
        while number < len(self.lines):
            line = self.lines[number]
            if not line.strip():
                number += 1
                continue
            cells, used = self._parsed(number)
            yield number + 1, (line.split(self.sign) if cells is None else cells), cells is None
            number += used

    def _parsed(self, number: int) -> tuple[list[str] | None, int]:
        """The cells of a row by the rules of CSV (None if it is not valid CSV), and its number of lines."""
        if '"' not in self.lines[number]:
            return self.lines[number].split(self.sign), 1
        end = min(len(self.lines), number + _MOST_LINES)
        for last in range(number + 1, end + 1):
            try:
                (cells,) = csv.reader(["\n".join(self.lines[number:last])], delimiter=self.sign, strict=True)
            except csv.Error as error:
                if "unexpected end" not in str(error) or (last < end and self._begins(last)):
                    return None, 1
            except ValueError:  # a line break outside quotes: more than one row
                return None, 1
            else:
                return (cells, last - number) if len(cells) <= self.width else (None, 1)
        return None, 1

    def _begins(self, number: int) -> bool:
        """Whether a row seems to begin in this line. Then an open quotation mark before it does not belong to CSV."""
        cells = self.lines[number].split(self.sign)
        return len(cells) >= self.width and any(is_image_name(cell.strip(' "')) for cell in cells)


def _with_heading(table: _Lines, headings: Sequence[str], path: Path, asked: AskedColumns) -> Rows:
    found = [*table.cells()]
    columns = choose_columns(headings, [cells for _, cells, _ in found], asked, path)
    rows = [_row(number, cells, columns, table, path, cut=cut) for number, cells, cut in found]
    if columns.lists:
        return Rows([_raw_list(row, path) for row in rows])
    lists = _as_lists(rows, path) if len(columns.captions) == 1 else None
    return Rows(rows, gathered=True) if lists is None else Rows(lists)


def _row(number: int, cells: list[str], columns: Columns, table: _Lines, path: Path, *, cut: bool) -> CaptionRow:
    sign, captions = table.sign, columns.captions
    if len(cells) > table.width and len(captions) == 1:
        begin, end = captions[0], captions[0] + len(cells) - table.width + 1
        cells = [*cells[:begin], sign.join(cells[begin:end]), *cells[end:]]
    there = [cells[place] for place in captions if place < len(cells)]
    if len(cells) > table.width or columns.image >= len(cells) or not there:
        match = _NUMBERED.match(table.lines[number - 1]) if sign == "|" else None
        if match is None:
            raise _not_like_the_others(path, number, table.lines[number - 1])
        return CaptionRow(match["image"].strip(), [match["caption"].strip()])
    split = cells[columns.split].strip() if columns.split is not None and columns.split < len(cells) else None
    words: list[object] = [_unquoted(cell, cut=cut) if sign != "|" else cell.strip() for cell in there]
    if len(captions) > 1:
        words = [caption for caption in words if caption]  # an image with fewer captions than the table has columns
    return CaptionRow(cells[columns.image].strip(' "' if cut else None), words, split or None)


def _unquoted(cell: str, *, cut: bool) -> str:
    """A cell without CSV's quotation marks. The csv module keeps them if there are spaces before them."""
    stripped = cell.strip()
    quoted = _QUOTED.fullmatch(stripped) if cut or cell[:1] == " " else None
    return quoted[1].replace('""', '"') if quoted else stripped


def _as_lists(rows: Sequence[CaptionRow], path: Path) -> list[CaptionRow] | None:
    """The rows with their cells parsed as lists of captions, in JSON or in Python's form; None if they are not lists.

    Raises:
        DataError: all cells look like lists, but one cannot be parsed.
    """
    cells = [str(caption).strip() for row in rows for caption in row.captions]
    if not cells or not all(_BRACKETS.fullmatch(cell) for cell in cells):
        return None
    found = []
    for row, cell in zip(rows, cells, strict=True):
        if (words := _list_of(cell)) is None:
            raise DataError(
                f"{path}: image {str(row.image)!r}: its captions look like a list, but it is not valid JSON: "
                f"{cell[:60]!r}",
                hint='Write such lists as JSON, like ["one", "two"].',
            )
        found.append(CaptionRow(row.image, words, row.split))
    return found


def _list_of(cell: str) -> list[object] | None:
    try:
        words = json.loads(cell)
    except (ValueError, RecursionError):
        if _NO_COMMA.search(cell):  # NumPy prints lists in this form, and Python would join the strings
            return None
        try:
            words = ast.literal_eval(cell)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            return None
    return words if isinstance(words, list) and all(isinstance(word, str) for word in words) else None


def _raw_list(row: CaptionRow, path: Path) -> CaptionRow:
    try:
        return CaptionRow(row.image, several(json.loads(str(row.captions[0]))), row.split)
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{path}: image {str(row.image)!r}: its cell in the column 'raw' is not a JSON list of captions: {error}"
        ) from error


def _without_heading(lines: Sequence[str], path: Path) -> Rows:
    first = next((line for line in lines if line.strip()), "")
    pattern = next((own for own in (_TOKEN, *_PLAIN.values()) if own.match(first)), None)
    if pattern is None:
        pattern = _NUMBERED if "|" in first else _PLAIN[","]
    rows = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        match = pattern.match(line)
        if match is None:
            raise _not_like_the_others(path, number, line)
        caption = match["caption"].strip()
        if pattern in _PLAIN.values():  # the other two never quote
            caption = _unquoted(caption, cut=True)
        rows.append(CaptionRow(match["image"].strip(), [caption]))
    for sign, own in _PLAIN.items():
        if pattern is own:
            _refuse_further_columns(lines, sign, path)
    return Rows(rows, gathered=True)


def _refuse_further_columns(lines: Sequence[str], sign: str, path: Path) -> None:
    """Refuse a table without headings in which each line has a number or a split beside the caption."""
    found = [*csv.reader((line for line in lines if line.strip()), delimiter=sign)]
    if len(found) < 2 or len({len(cells) for cells in found}) > 1:
        return
    for column in list(zip(*found, strict=True))[1:]:
        if len(found[0]) > 2 and all(cell.strip().isdecimal() or is_split_name(cell) for cell in column):
            raise DataError(
                f"{path}: each line has {len(found[0])} cells, and there are no headings that say which of them is the "
                f"caption: {sign.join(found[0])[:60]!r}",
                hint="Write headings as the first line, such as image,caption,number.",
            )


def _not_like_the_others(path: Path, number: int, line: str) -> DataError:
    return DataError(f"{path}: line {number} has another form than the other lines: {line[:60]!r}", hint=_KNOWN)
