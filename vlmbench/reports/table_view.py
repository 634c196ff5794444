"""Arranges tables as a reader asks for: filters, sorts and groups rows, chooses columns, and marks the best numbers.

The options of ``vlmbench report`` become a view, and every builder ends with :func:`arranged`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from vlmbench.errors import UsageError
from vlmbench.registry import did_you_mean
from vlmbench.reports.cells import DASH, Cell, Label, Score, plain
from vlmbench.reports.notes import lifted
from vlmbench.reports.table_data import Column, Table


@dataclass(frozen=True)
class TableView:
    """A reader's choices.

    Attributes:
        models: patterns of model names; empty: all models.
        tasks: patterns of task names; empty: all tasks.
        filters: (column, pattern) pairs that a row's cells must match; hidden columns can be named, too.
        columns: headings to show, in this order; empty: the table's own choice.
        sort: a heading. Numbers come best first, text in alphabetical order; "-HEADING" reverses the order.
        group_by: a heading whose texts become headings over rows.
        intervals: whether intervals are shown beside numbers.
        digits: decimals of percentages.
        published: "auto" (the survey table's own numbers, and those of the models that were run), "all" or "none".
        flagged: whether published numbers are shown that are known to be wrong or of another protocol. They are marked
            and never ranked.
        paired: whether ties are judged by the samples that two records share, if both have predictions.
        against: a transfer method; differences from it are shown in place of numbers. "": numbers.
        curve: whether a chart of accuracy against shots is drawn.
    """

    models: Sequence[str] = ()
    tasks: Sequence[str] = ()
    filters: Sequence[tuple[str, str]] = ()
    columns: Sequence[str] = ()
    sort: str = ""
    group_by: str = ""
    intervals: bool = True
    digits: int = 1
    published: str = "auto"
    flagged: bool = True
    paired: bool = True
    against: str = ""
    curve: bool = False

    def wants_model(self, *names: str) -> bool:
        """Whether the view shows a model with one of these names."""
        return not self.models or any(matches(name, pattern) for name in names for pattern in self.models)

    def wants_task(self, name: str) -> bool:
        """Whether the view shows this task."""
        return not self.tasks or any(matches(name, pattern) for pattern in self.tasks)


@dataclass(frozen=True)
class TableRow:
    """One row before it is arranged.

    Attributes:
        cells: one for each column.
        data: its numbers as plain values, for JSON and CSV.
    """

    cells: Sequence[Cell]
    data: Sequence[Mapping[str, object]] = ()


@dataclass(frozen=True)
class Draft:
    """A table before a reader's choices.

    Attributes:
        title: what it shows.
        columns: all of them, hidden ones included.
        rows: all of them.
        hidden: headings that are shown only when asked for; they can be filtered, sorted and grouped by.
        ranked: the headings of columns whose best number is marked.
        notes: lines under the table.
        left_out: why files were left out.
    """

    title: str
    columns: Sequence[Column]
    rows: Sequence[TableRow]
    hidden: frozenset[str] = frozenset()
    ranked: frozenset[str] = frozenset()
    notes: Sequence[str] = field(default=())
    left_out: Sequence[str] = ()


def matches(name: str, pattern: str) -> bool:
    """Whether a name matches a pattern; upper and lower case are the same."""
    return fnmatchcase(name.casefold(), pattern.casefold())


def arranged(draft: Draft, view: TableView) -> Table:
    """The table that a reader asked for.

    Raises:
        UsageError: the table does not have a heading.
    """
    rows = list(draft.rows)
    for heading, pattern in view.filters:
        place = _place(draft, heading)
        rows = [row for row in rows if matches(plain(row.cells[place]), pattern)]
    if view.sort:
        rows = _sorted(rows, _place(draft, view.sort.removeprefix("-")), backwards=view.sort.startswith("-"))
    sections: dict[int, str] = {}
    if view.group_by:
        rows, sections = _grouped(rows, _place(draft, view.group_by))
    cells: list[list[Cell]] = [list(row.cells) for row in rows]
    for place, column in enumerate(draft.columns):
        if column.full_name in draft.ranked:
            _mark_best(cells, place)
    cells = lifted(_unsigned(cells), draft.columns)
    shown = _shown(draft, view)
    return Table(
        title=draft.title,
        columns=[replace(draft.columns[i], spare=0 if view.columns else draft.columns[i].spare) for i in shown],
        rows=[[row[i] for i in shown] for row in cells],
        data=[datum for row in rows for datum in row.data],
        notes=draft.notes,
        left_out=draft.left_out,
        sections=sections,
    )


def with_fields(table: Table, names: Sequence[str]) -> Table:
    """The table with only these fields in its data, for programs.

    Raises:
        UsageError: no row has a field.
    """
    known = dict.fromkeys(name for row in table.data for name in row)
    for name in names:
        if table.data and name not in known:
            raise UsageError(
                f"unknown column {name!r}", hint=did_you_mean(name, known) or f"Known: {', '.join(known)}."
            )
    return replace(table, data=[{name: row.get(name) for name in names} for row in table.data])


def _place(draft: Draft, heading: str) -> int:
    names = [column.full_name for column in draft.columns]
    folded = {_folded(name): place for place, name in reversed(list(enumerate(names)))}
    if _folded(heading) not in folded:
        known = [name for name in names if name]
        raise UsageError(f"unknown column {heading!r}", hint=f"Known: {', '.join(known)}.")
    return folded[_folded(heading)]


def _folded(heading: str) -> str:
    """Headings are found in any case, with spaces, hyphens or underscores."""
    return heading.casefold().replace("_", " ").replace("-", " ")


def _shown(draft: Draft, view: TableView) -> list[int]:
    if view.columns:
        return [_place(draft, heading) for heading in view.columns]
    grouped = {_place(draft, view.group_by)} if view.group_by else set()
    return [i for i, column in enumerate(draft.columns) if column.full_name not in draft.hidden and i not in grouped]


def _sorted(rows: list[TableRow], place: int, *, backwards: bool) -> list[TableRow]:
    """Best first, or in alphabetical order. Rows without a value always come last."""
    known = [row for row in rows if _known(row.cells[place])]
    rest = [row for row in rows if not _known(row.cells[place])]
    scores = [cell for row in known if isinstance(cell := row.cells[place], Score)]
    best_first = bool(scores) and all(score.higher_is_better for score in scores)
    known.sort(key=lambda row: _sort_key(row.cells[place]), reverse=best_first != backwards)
    return known + rest


def _known(cell: Cell) -> bool:
    return cell.value is not None if isinstance(cell, Score) else plain(cell) not in ("", DASH)


def _sort_key(cell: Cell) -> tuple[float, str]:
    if isinstance(cell, Score):
        return (0.0 if cell.value is None else cell.value, "")
    return (_as_number(plain(cell)), plain(cell).casefold())


def _as_number(text: str) -> float:
    """The number that a text such as "1,234", "400M" or "1.8B" writes; 0 for words."""
    digits = text.replace(",", "")
    scale = {"k": 1e3, "m": 1e6, "g": 1e9, "b": 1e9}.get(digits[-1:].casefold(), 1.0)
    try:
        return float(digits if scale == 1.0 else digits[:-1]) * scale
    except ValueError:
        return 0.0


def _grouped(rows: list[TableRow], place: int) -> tuple[list[TableRow], dict[int, str]]:
    """Rows with the same text together, in the order of first appearance; rows without a text last."""
    groups: dict[str, list[TableRow]] = {}
    for row in rows:
        text = plain(row.cells[place])
        groups.setdefault(text if text not in ("", DASH) else "", []).append(row)
    groups = {**{text: own for text, own in groups.items() if text}, **({"": groups[""]} if "" in groups else {})}
    sections: dict[int, str] = {}
    ordered: list[TableRow] = []
    for text, own in groups.items():
        sections[len(ordered)] = text or "not stated"
        ordered += own
    return ordered, sections


def _unsigned(rows: list[list[Cell]]) -> list[list[Cell]]:
    """The rows without signs if all numbers were measured here: the signs would all be the same."""
    origins = {cell.origin for row in rows for cell in row if isinstance(cell, Label)}
    if not origins <= {None, "measured"}:
        return rows
    return [[replace(cell, origin=None) if isinstance(cell, Label) else cell for cell in row] for row in rows]


def _mark_best(rows: list[list[Cell]], place: int) -> None:
    """Mark the best and second best comparable number of a column; a single number is not marked."""
    questions: dict[str, list[tuple[list[Cell], Score]]] = {}
    for row in rows:
        if isinstance(cell := row[place], Score) and cell.comparable and cell.value is not None:
            questions.setdefault(cell.question, []).append((row, cell))
    for scores in questions.values():
        if len({score.higher_is_better for _, score in scores}) > 1:
            continue
        best_first = scores[0][1].higher_is_better
        values = sorted({score.value for _, score in scores if score.value is not None}, reverse=best_first)[:2]
        for row, score in scores if len(values) > 1 else []:
            if score.value in values:
                row[place] = replace(score, place=1 if score.value == values[0] else 2)
