"""A table for a paper: booktabs, and longtable where it is longer than a page."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import groupby

from vlmbench.reports.cells import Cell, Score, signed
from vlmbench.reports.table import Column, Table

ROWS_OF_A_PAGE = 45
"""More do not fit a float, whose rest would be lost below the page."""
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
    """A table to be read by ``\\input``; any engine compiles it, whatever the names in it are made of."""
    long = len(table.rows) > ROWS_OF_A_PAGE
    lines = _long(table) if long else _float(table)
    needs = r"\usepackage{booktabs}" + (r" \usepackage{longtable}" if long else "")
    return "\n".join([f"% Made by vlmbench. In the preamble: {needs}", *lines]) + "\n"


def escape(text: str) -> str:
    """Text on one line without a sign that TeX would take for its own or has no glyph for.

    Accents become commands; a sign of another script or an emoji becomes its code point.
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
    yield rf"\begin{{tabular}}{{{_alignment(table.columns)}}}"
    yield from [r"\toprule", *_head(table.columns), r"\midrule", *_body(table), r"\bottomrule"]
    yield r"\end{tabular}"
    yield from _foot(table)
    yield r"\end{table*}"


def _long(table: Table) -> Iterator[str]:
    yield r"{\small\setlength{\tabcolsep}{4pt}"
    yield from _room(table)
    yield rf"\begin{{longtable}}{{{_alignment(table.columns)}}}"
    yield rf"\caption{{{escape(table.title)}}}\\"
    yield from [r"\toprule", *_head(table.columns), r"\midrule", r"\endhead", r"\bottomrule", r"\endfoot"]
    yield from _body(table)
    yield r"\end{longtable}"
    yield from _foot(table)
    yield "}"


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
    """A cell; without an interval it leaves the room of one where its column has any, so that numbers stand in line."""
    letters = table.letters(cell)
    mark = rf"\textsuperscript{{{letters}}}" if letters else ""
    if not isinstance(cell, Score):
        return escape(signed(cell)) + mark
    spread = _spread(cell.spread) or (r"\nospread{}" if longest else "")
    return _PLACES[cell.place].format(escape(cell.text)) + mark + spread


def _room(table: Table) -> Iterator[str]:
    """The room of an interval, for numbers without one; the definition ends with the table."""
    longest = max(table.spreads, key=len, default="")
    if longest:
        yield rf"\def\nospread{{\phantom{{{_spread(longest)}}}}}"


def _spread(text: str) -> str:
    return rf"{{\scriptsize\,{escape(text)}}}" if text else ""


def _guarded(cell: str) -> str:
    """A cell that begins with a bracket or a star would be taken for an argument of the line break before it."""
    return re.sub(r"^(?=[\[*])", "{}", cell)


def _foot(table: Table) -> Iterator[str]:
    places = [r"\textbf{bold}: best; \underline{underlined}: second best"] if table.has_places else []
    letters = [rf"\textsuperscript{{{letter}}} {escape(text)}" for text, letter in table.footnotes.items()]
    lines = [*map(escape, table.legend), *places, *letters, *map(escape, [*table.notes, *table.left_out])]
    if lines:
        yield r"\par\smallskip\raggedright\footnotesize"
        yield " \\\\\n".join(map(_guarded, lines))
