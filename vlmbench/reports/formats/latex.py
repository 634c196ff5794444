"""Writes a table for a paper: with booktabs, shrunk to the page's width; as a longtable if it is longer than a page.

``vlmbench report --format latex`` uses it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import groupby
from math import ceil

from vlmbench.reports.cells import Cell, Score, signed
from vlmbench.reports.registry import ReportFormat
from vlmbench.reports.table_data import Column, Table

LINES_OF_A_PAGE = 48
"""The most lines of a float. A longer one would be cut off at the end of the page."""
SIGNS_OF_A_LINE = 100
"""About how many characters fit a line of the small print under the table."""
LONGEST_CELL = 32
"""A longer text is broken into lines, in a box :data:`BOX` ems wide."""
BOX = 15
LONGEST_WORD = 24
"""A longer word may break anywhere; TeX itself breaks only after hyphens."""
SIZES = ((104, "small"), (114, "footnotesize"), (128, "scriptsize"))
"""How many characters fit a line of six and a half inches, by font size. Only long tables use it: a float is shrunk."""
_COMMANDS = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "–": "--",
    "—": "---",
    "±": r"$\pm$",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "•": r"$\bullet$",
    "●": r"$\bullet$",
    "○": r"$\circ$",
    "◇": r"$\diamond$",
    "✓": r"$\surd$",
    "✗": r"$\times$",
    "↓": r"$\downarrow$",
    "↑": r"$\uparrow$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "…": r"\ldots{}",
    "‘": "`",
    "’": "'",
    "“": "``",
    "”": "''",
    "ß": r"\ss{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
}
_ACCENTS = {
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0304": "=",
    "\u0307": ".",
    "\u0308": '"',
    "\u030a": "r",
    "\u030b": "H",
    "\u030c": "v",
    "\u0327": "c",
}
_PLACES = {0: "{}", 1: r"\textbf{{{}}}", 2: r"\underline{{{}}}"}


def to_latex(table: Table) -> str:
    """A table for ``\\input``. Any TeX engine compiles it, because all names are escaped."""
    long = _height(table) > LINES_OF_A_PAGE
    lines = _long(table) if long else _float(table)
    needs = r"\usepackage{booktabs} " + (r"\usepackage{longtable}" if long else r"\usepackage{graphicx}")
    return "\n".join([f"% Made by vlmbench. In the preamble: {needs}", *lines]) + "\n"


def _height(table: Table) -> float:
    """The height of a float in lines: its rows, which are shrunk to the page's width, and its notes, which are not."""
    foot = [*table.legend, *table.footnotes, *table.notes, *table.left_out]
    shrunk = min(1.0, SIZES[0][0] / max(_width(table), 1))
    below = sum(ceil(max(len(line), 1) / SIGNS_OF_A_LINE) for line in foot)
    return (len(table.rows) + len(table.sections) + 3) * shrunk + below + 1


def _width(table: Table) -> int:
    """About how many characters a line has."""
    cells = zip(*table.rows, strict=True) if table.rows else ([] for _ in table.columns)
    return sum(
        2 + max([len(column.name), *(min(len(signed(cell)), LONGEST_CELL) + len(spread) for cell in own)])
        for column, own, spread in zip(table.columns, cells, table.spreads, strict=True)
    )


def escape(text: str) -> str:
    """Text on one line, without characters that are commands of TeX or that its fonts lack.

    Accents become commands. A character of another script or an emoji becomes its code point.
    """
    return "".join(map(_sign, unicodedata.normalize("NFC", " ".join(text.split()))))


def _sign(sign: str) -> str:
    if sign in _COMMANDS:
        return _COMMANDS[sign]
    if " " <= sign <= "\x7e":
        return sign
    if unicodedata.category(sign).startswith("C"):
        return ""
    parts = unicodedata.normalize("NFD", sign)
    if len(parts) == 2 and parts[1] in _ACCENTS and parts[0].isascii():
        return f"\\{_ACCENTS[parts[1]]}{{{parts[0]}}}"
    return f"[U+{ord(sign):04X}]"


def _float(table: Table) -> Iterator[str]:
    yield r"\begin{table*}[t]"
    yield r"\centering\small\setlength{\tabcolsep}{4pt}"
    yield from _room(table)
    yield rf"\caption{{{escape(table.title)}}}"
    yield r"\resizebox{\ifdim\width>\textwidth\textwidth\else\width\fi}{!}{%"
    yield rf"\begin{{tabular}}{{{_alignment(table.columns)}}}"
    yield from [r"\toprule", *_head(table.columns), r"\midrule", *_body(table), r"\bottomrule"]
    yield r"\end{tabular}}"
    yield from _foot(table)
    yield r"\end{table*}"


def _long(table: Table) -> Iterator[str]:
    yield rf"{{\{_size(table)}\setlength{{\tabcolsep}}{{4pt}}"
    yield from _room(table)
    yield rf"\begin{{longtable}}{{{_alignment(table.columns)}}}"
    yield rf"\caption{{{escape(table.title)}}}\\"
    yield from [r"\toprule", *_head(table.columns), r"\midrule", r"\endhead", r"\bottomrule", r"\endfoot"]
    yield from _body(table)
    yield r"\end{longtable}"
    yield from _foot(table)
    yield "}"


def _size(table: Table) -> str:
    """The largest font size in which a long table's lines fit the page."""
    return next((size for most, size in SIZES if _width(table) <= most), "tiny")


def _alignment(columns: Sequence[Column]) -> str:
    return "".join("r" if column.align == "right" else "l" for column in columns)


def _head(columns: Sequence[Column]) -> Iterator[str]:
    if any(column.group for column in columns):
        cells, rules, place = [], [], 1
        for group, members in groupby(columns, key=lambda column: column.group):
            width = len(list(members))
            cells.append(rf"\multicolumn{{{width}}}{{c}}{{{escape(group)}}}")
            if group:
                rules.append(rf"\cmidrule(lr){{{place}-{place + width - 1}}}")
            place += width
        yield " & ".join(cells) + r" \\"
        yield " ".join(rules)
    yield " & ".join(escape(column.name) for column in columns) + r" \\"


def _body(table: Table) -> Iterator[str]:
    for index, row in enumerate(table.rows):
        if index in table.sections:
            heading = escape(table.sections[index])
            yield from [r"\midrule"] if index else []
            yield rf"\multicolumn{{{len(table.columns)}}}{{l}}{{\textit{{{heading}}}}} \\"
        cells = zip(row, table.spreads, strict=True)
        yield " & ".join(_guarded(_cell(table, cell, longest)) for cell, longest in cells) + r" \\"


def _cell(table: Table, cell: Cell, longest: str) -> str:
    """A cell. If its column has intervals, a number without one leaves room for it, so that numbers are aligned."""
    letters = table.letters(cell)
    mark = rf"\textsuperscript{{{letters}}}" if letters else ""
    if not isinstance(cell, Score):
        return _folded(signed(cell), mark)
    spread = _spread(cell.spread) or (r"\nospread{}" if longest else "")
    return _PLACES[cell.place].format(escape(cell.text)) + mark + spread


def _folded(text: str, mark: str) -> str:
    """A text with its footnote mark; a long text is put in a box of several lines."""
    if len(text) <= LONGEST_CELL:
        return escape(text) + mark
    words = [
        r"\allowbreak{}".join(escape(word[at : at + LONGEST_WORD]) for at in range(0, len(word), LONGEST_WORD))
        for word in text.split()
    ]
    return rf"\parbox[t]{{{BOX}em}}{{\raggedright {' '.join(words)}{mark}\strut}}"


def _room(table: Table) -> Iterator[str]:
    """Defines the room of an interval, for numbers without one. The definition ends with the table."""
    longest = max(table.spreads, key=len, default="")
    if longest:
        yield rf"\def\nospread{{\phantom{{{_spread(longest)}}}}}"


def _spread(text: str) -> str:
    return rf"{{\scriptsize\,{escape(text)}}}" if text else ""


def _guarded(cell: str) -> str:
    """A cell that TeX cannot take for an argument of the line break before it, as it would a bracket or a star."""
    return re.sub(r"^(?=[\[*])", "{}", cell)


def _foot(table: Table) -> Iterator[str]:
    places = [r"\textbf{bold}: best; \underline{underlined}: second best"] if table.has_places else []
    letters = [rf"\textsuperscript{{{letter}}} {escape(text)}" for text, letter in table.footnotes.items()]
    lines = [*map(escape, table.legend), *places, *letters, *map(escape, [*table.notes, *table.left_out])]
    if lines:
        yield r"\par\smallskip\raggedright\footnotesize"
        yield " \\\\\n".join(map(_guarded, lines))


FORMAT = ReportFormat("latex", to_latex)
