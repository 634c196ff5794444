"""Lays out a table for a terminal: which columns stay, how wide they are, and where a wide table is split.

:mod:`.render` prints what is laid out here.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, chop_cells

from vlmbench.markup import printable
from vlmbench.reports.cells import SIGNS, Cell, Label, Score
from vlmbench.reports.table_data import Column, Table

LONGEST_CELL = 28
"""The width that a text cell may need before it is folded. Names are rarely longer; remarks are sentences."""
NARROWEST = 8
"""The smallest width of a column whose text is folded. In a window that is too narrow for it, lines run over."""
_RAISED = str.maketrans("abcdefghijklmnoprstuvwxyz", "ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ")
_PLAIN_PLACES = {0: "", 1: "*", 2: "+"}


@dataclass(frozen=True, slots=True)
class Piece:
    """A cell as a terminal shows it: its words, and what follows them."""

    text: str
    sign: str = ""
    spread: str = ""
    marks: str = ""
    look: str = ""
    """"best", "second", "published", "bad", "quiet", or "" for none."""


@dataclass(frozen=True)
class Widths:
    """The widths of one column's three parts: words, intervals and marks. Each part is aligned over all rows."""

    text: int
    spread: int = 0
    marks: int = 0

    @property
    def all(self) -> int:
        """The width of the whole column, with the gap before its intervals."""
        return self.text + self.marks + self.spread + (self.spread > 0)


@dataclass(frozen=True)
class Block:
    """Columns that are shown beside each other, by their places in the table."""

    places: Sequence[int]
    widths: Sequence[Widths]


def pieces(table: Table, *, styled: bool) -> list[list[Piece]]:
    """Every cell as words and marks. Styles mark the best and second best; without styles, signs do."""
    return [[_piece(table, cell, styled=styled) for cell in row] for row in table.rows]


def superscript(letters: str) -> str:
    """The letters of footnotes as superscripts, as far as Unicode has them."""
    return letters.translate(_RAISED)


def _piece(table: Table, cell: Cell, *, styled: bool) -> Piece:
    if isinstance(cell, str):
        return Piece(printable(cell))
    marks = superscript(table.letters(cell))
    if isinstance(cell, Label):
        sign = f"{SIGNS[cell.origin]} " if cell.origin else ""
        return Piece(printable(cell.text), sign=sign, marks=marks, look=cell.tone)
    if not styled:
        marks = _PLAIN_PLACES[cell.place] + marks
    return Piece(printable(cell.text), spread=cell.spread, marks=marks, look=_look(cell))


def _look(score: Score) -> str:
    if score.place:
        look = "best" if score.place == 1 else "second"
        return look if score.origin == "measured" else f"{look} published"
    if score.status:
        return "bad" if score.status == "failed" else "quiet"
    return "" if score.origin == "measured" else "published"


@dataclass(frozen=True)
class Choice:
    """The part of a table that a window shows.

    Attributes:
        places: the places of the columns that stay.
        sections: headings between rows, by the index of the row that follows.
        dropped: headings of columns for which there was no room.
    """

    places: Sequence[int]
    sections: Mapping[int, str]
    dropped: Sequence[str] = ()


def choice(table: Table, rows: Sequence[Sequence[Piece]], width: int | None) -> Choice:
    """Choose what is shown. If it is too wide, a column becomes headings over its rows, and spare columns leave."""
    used = [i for i in range(len(table.columns)) if not rows or any(row[i].text for row in rows)]
    if width is None:
        return Choice(used, table.sections)
    sections = table.sections
    heading = next((i for i in used if table.columns[i].heads), None)
    needed = [i for i in used if not table.columns[i].spare]
    if heading is not None and not sections and not _fits(table.columns, rows, needed, width):
        over = _headings(rows, heading)
        if 2 * len(over) <= len(rows):
            used, sections = [i for i in used if i != heading], over
    stay = _roomy(table, rows, used, width)
    return Choice(stay, sections, [table.columns[i].full_name for i in used if i not in stay])


def _fits(columns: Sequence[Column], rows: Sequence[Sequence[Piece]], places: Collection[int], width: int) -> bool:
    """Whether the columns fit without folding a cell."""
    return _room(_natural(columns[i], [row[i] for row in rows], whole=False) for i in places) <= width


def _headings(rows: Sequence[Sequence[Piece]], place: int) -> dict[int, str]:
    """The texts of a column at the rows where they change, as headings."""
    texts = [" ".join(f"{row[place].sign}{row[place].text}{row[place].marks}".split()) for row in rows]
    return {i: text for i, text in enumerate(texts) if i == 0 or text != texts[i - 1]}


def _roomy(table: Table, rows: Sequence[Sequence[Piece]], used: Sequence[int], width: int) -> list[int]:
    """The columns for which there is room. Spare columns leave, those with the highest ``spare`` first."""
    least = {i: _least(table.columns[i], [row[i] for row in rows]) for i in used}
    stay = list(used)
    for index in sorted((i for i in used if table.columns[i].spare), key=lambda i: -table.columns[i].spare):
        if sum(least[i] + 2 for i in stay) <= width:
            break
        stay.remove(index)
    return stay


def blocks(table: Table, rows: Sequence[Sequence[Piece]], shown: Sequence[int], width: int) -> list[Block]:
    """Put the shown columns side by side, or in several blocks below each other if the window is too narrow.

    Each block repeats the columns that name rows. A table without such columns stays in one block, and its text columns
    are folded to fit.
    """
    columns = table.columns
    natural = {i: _natural(columns[i], [row[i] for row in rows], whole=True) for i in shown}
    if _room(natural.values()) > width:
        natural = {i: _natural(columns[i], [row[i] for row in rows], whole=False) for i in shown}
    names = [i for i in shown if columns[i].repeats]
    rest = [i for i in shown if i not in names]
    least = {i: min(natural[i].all, LONGEST_CELL) if columns[i].align == "left" else natural[i].all for i in shown}
    if not names or sum(least[i] + 2 for i in shown) <= width:
        return [_block(columns, list(shown), natural, width)]
    room = width - sum(least[i] + 2 for i in names)
    made: list[list[int]] = [[]]
    for i in rest:
        if made[-1] and sum(least[j] + 2 for j in made[-1]) + least[i] + 2 > room:
            made.append([])
        made[-1].append(i)
    return [_block(columns, sorted([*names, *part]), natural, width) for part in made]


def folded(text: str, width: int) -> list[str]:
    """Break text into lines that fit: at spaces. A longer word is broken behind a hyphen or similar sign, or anywhere.

    >>> folded("not above chance", 10), folded("conse-efficientnet-lite2", 14)
    (['not above', 'chance'], ['conse-', 'efficientnet-', 'lite2'])
    """
    lines = []
    for paragraph in text.splitlines():
        line = ""
        for part in _breakable(paragraph, width):
            if line and cell_len(line) + cell_len(part.rstrip()) > width:
                lines.append(line.rstrip())
                line = ""
            line += part
        lines.append(line.rstrip())
    return lines or [""]


def _breakable(paragraph: str, width: int) -> Iterator[str]:
    for word in re.findall(r"\S+\s?", paragraph):
        if cell_len(word.rstrip()) <= width:
            yield word
        else:
            for part in re.findall(r"[^-_/:,]*[-_/:,]|[^-_/:,]+$", word):
                yield from chop_cells(part, width)


def heading_lines(name: str, width: int) -> list[str]:
    """Break a heading into lines that fit, behind hyphens, underscores and spaces."""
    lines = [""]
    for part in _parts(name):
        if lines[-1] and cell_len(lines[-1] + part.rstrip()) > width:
            lines.append("")
        lines[-1] += part
    return [line.strip() for line in lines]


def _parts(name: str) -> list[str]:
    return re.findall(r"[^-_ ]*[-_ ]|[^-_ ]+$", name) or [name]


def _least(column: Column, cells: Sequence[Piece]) -> int:
    """The width that a column needs if its long texts are folded and a long heading is broken."""
    if column.align == "left":
        return max(cell_len(column.name), min(_widths(cells).all, LONGEST_CELL))
    return max(_widths(cells).all, *(cell_len(part.strip()) for part in _parts(column.name)))


def _natural(column: Column, cells: Sequence[Piece], *, whole: bool) -> Widths:
    """The widths that a column needs so that no cell is folded. With ``whole``, its heading is not broken either."""
    own = _widths(cells)
    if whole or column.align == "left":
        heading = cell_len(printable(column.name))
    else:
        heading = max(cell_len(part.strip()) for part in _parts(printable(column.name)))
    missing = heading - own.all
    return Widths(own.text + max(missing, 0), own.spread, own.marks)


def _widths(cells: Sequence[Piece]) -> Widths:
    return Widths(
        text=max((len(c.sign) + (len(t) if (t := c.text).isascii() else cell_len(t)) for c in cells), default=0),
        spread=max((len(cell.spread) for cell in cells), default=0),
        marks=max((len(cell.marks) for cell in cells), default=0),
    )


def _block(columns: Sequence[Column], places: list[int], natural: dict[int, Widths], width: int) -> Block:
    """Widths that fit the window: the widest that fold are cut down to one size until they do."""
    foldable = [i for i in places if columns[i].align == "left"]
    fixed = sum(natural[i].all for i in places if i not in foldable)
    tails = sum(natural[i].all - natural[i].text for i in foldable)
    spare = width - 2 * len(places) - fixed - tails
    cut = max([NARROWEST, *(natural[i].text for i in foldable)])
    while cut > NARROWEST and sum(min(natural[i].text, cut) for i in foldable) > spare:
        cut -= 1
    widths = [
        Widths(min(natural[i].text, cut), natural[i].spread, natural[i].marks) if i in foldable else natural[i]
        for i in places
    ]
    return Block(places, widths)


def _room(widths: Iterable[Widths]) -> int:
    return sum(width.all + 2 for width in widths)
