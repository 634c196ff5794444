"""Writes a table as one HTML page without scripts and requests. It is light or dark as the reader's system.

``vlmbench report --format html`` uses it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape as escape_markup
from itertools import groupby

from vlmbench.markup import printable
from vlmbench.reports.cells import ORIGINS, SIGNS, Cell, Label, Score, number, plain
from vlmbench.reports.registry import ReportFormat
from vlmbench.reports.table_data import Align, Column, Table

STYLE = """
:root { color-scheme: light dark; --ink: #1c2024; --quiet: #60646c; --line: #d9dbe0; --paper: #fff; --head: #f4f5f7;
  --link: #0d5fb3; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --quiet: #a1a7b0; --line: #363b43; --paper: #15181c;
  --head: #1e2227; --link: #7db8f5; --bad: #ff8a80; } }
body { margin: 0; padding: 1.5rem 1rem; width: max-content; min-width: calc(100vw - 3rem); color: var(--ink);
  background: var(--paper); font: 15px/1.45 system-ui, sans-serif; }
h1, footer { position: sticky; left: 1rem; width: min(60rem, calc(100vw - 3rem)); overflow-wrap: anywhere; }
h1 { font-size: 1.3rem; margin: 0 0 1rem; }
table { border-collapse: separate; border-spacing: 0; font-variant-numeric: tabular-nums;
  border-block: 2px solid var(--ink); }
th, td { padding: .28rem .7rem; text-align: left; vertical-align: top; background: var(--paper); }
.number { text-align: right; white-space: nowrap; }
.text { display: inline-block; vertical-align: top; max-width: 22rem; overflow-wrap: anywhere; }
thead { position: sticky; top: 0; z-index: 2; }
thead th { background: var(--head); vertical-align: bottom; }
thead tr:last-child th { border-bottom: 1px solid var(--ink); }
thead th.group:not(:empty) { text-align: center; border-bottom: 1px solid var(--line); }
tbody tr + tr > * { border-top: 1px solid var(--line); }
tbody th { font-weight: 600; }
tbody th:first-child { position: sticky; left: 0; z-index: 1; }
tbody tr.section th { padding-top: .9rem; color: var(--quiet); }
tbody tr:hover > * { background: var(--head); }
small { display: inline-block; min-width: var(--spread); text-align: left; }
small, .quiet, .published { color: var(--quiet); }
.published b, .published u { color: var(--ink); }
.bad { color: var(--bad); font-weight: 600; }
sup { line-height: 0; }
sup a { color: var(--link); text-decoration: none; }
footer { margin-top: 1rem; color: var(--quiet); font-size: .88rem; }
footer p { margin: .3rem 0; }
@media (max-width: 40rem) { .text { max-width: 9rem; } th, td { padding-inline: .45rem; } }
"""
_PLACES = {0: "{}", 1: "<b>{}</b>", 2: "<u>{}</u>"}


def to_html(table: Table) -> str:
    """The whole page. All text from records and papers is escaped, and the page may load nothing."""
    title = escape(table.title or "vlmbench")
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{STYLE}</style>
</head>
<body>
<h1>{title}</h1>
<table aria-label="{title}" style="--spread: {max(map(len, table.spreads), default=0)}ch">
{_head(table.columns)}
<tbody>
{chr(10).join(_body(table))}
</tbody>
</table>
<footer>
{chr(10).join(_foot(table))}
</footer>
</body>
</html>
"""


def escape(text: str) -> str:
    """Text for an element or an attribute, escaped so that it is never markup."""
    return escape_markup(printable(text))


def _head(columns: Sequence[Column]) -> str:
    """One line of headings, or two if columns are grouped."""
    names = "".join(f'<th scope="col"{_class(column.align, "")}>{escape(column.name)}</th>' for column in columns)
    if not any(column.group for column in columns):
        return f"<thead><tr>{names}</tr></thead>"
    groups = "".join(
        f'<th class="group" colspan="{len(list(members))}"{" scope=colgroup" if group else ""}>{escape(group)}</th>'
        for group, members in groupby(columns, key=lambda column: column.group)
    )
    return f'<thead class="two"><tr>{groups}</tr><tr>{names}</tr></thead>'


def _body(table: Table) -> Iterator[str]:
    for index, row in enumerate(table.rows):
        if index in table.sections:
            heading = escape(table.sections[index])
            yield f'<tr class="section"><th scope="rowgroup" colspan="{len(table.columns)}">{heading}</th></tr>'
        cells = zip(row, table.columns, table.spreads, strict=True)
        yield f"<tr>{''.join(_cell(table, *parts) for parts in cells)}</tr>"


def _cell(table: Table, cell: Cell, column: Column, longest: str) -> str:
    text = escape(plain(cell))
    if isinstance(cell, Score):
        tone = "bad" if cell.status == "failed" else "" if cell.origin == "measured" else "published"
        spread = f" <small>{escape(cell.spread)}</small>" if longest else ""
        return _tagged(column, _PLACES[cell.place].format(text) + _marks(table, cell) + spread, tone, _title(cell))
    text += _marks(table, cell)
    if isinstance(cell, Label) and cell.origin:
        said = f'aria-label="{ORIGINS[cell.origin]}:" title="{ORIGINS[cell.origin]}"'
        text = f'<span class="{cell.origin}" role="img" {said}>{SIGNS[cell.origin]}</span> {text}'
    return _tagged(column, text, cell.tone if isinstance(cell, Label) else "", "")


def _tagged(column: Column, content: str, tone: str, title: str) -> str:
    tag, scope = ("th", ' scope="row"') if column.repeats else ("td", "")
    if column.align == "left":
        content = f'<span class="text">{content}</span>'
    return f"<{tag}{scope}{_class(column.align, tone)}{title}>{content}</{tag}>"


def _title(score: Score) -> str:
    """The text that is shown when the pointer rests on a number: its interval and source."""
    parts = [score.source]
    if score.interval is not None:
        low, high = (number(end, score.unit, score.digits, signed=score.signed) for end in score.interval)
        parts.insert(0, f"95% interval {low} to {high}")
    said = "; ".join(filter(None, parts))
    return f' title="{escape(said)}"' if said else ""


def _marks(table: Table, cell: Cell) -> str:
    letters = table.letters(cell)
    if not letters:
        return ""
    links = ",".join(f'<a href="#note-{letter}">{letter}</a>' for letter in letters.split(","))
    return f"<sup>{links}</sup>"


def _foot(table: Table) -> Iterator[str]:
    yield from (f"<p>{escape(line)}</p>" for line in table.legend)
    if table.has_places:
        yield "<p><b>bold</b>: best; <u>underlined</u>: second best</p>"
    for text, letter in table.footnotes.items():
        yield f'<p id="note-{letter}"><sup>{letter}</sup> {escape(text)}</p>'
    yield from (f"<p>{escape(note)}</p>" for note in (*table.notes, *table.left_out))


def _class(align: Align, tone: str) -> str:
    names = " ".join(filter(None, ["number" if align == "right" else "", tone]))
    return f' class="{names}"' if names else ""


FORMAT = ReportFormat("html", to_html)
