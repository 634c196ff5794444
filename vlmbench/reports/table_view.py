"""What of a table is shown, and in which order: rows are filtered, sorted, grouped and marked here, for all tables."""

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
        models: patterns of model names; none: all.
        tasks: patterns of task names; none: all.
        filters: (column, pattern) pairs that a row's cells must match, hidden columns included.
        columns: headings to show, in this order; none: the table's own choice.
        sort: a heading; numbers come best first, text in alphabetical order, "-HEADING" turns it around.
        group_by: a heading whose texts become headings over rows.
        intervals: whether they stand beside numbers.
        digits: decimals of percentages.
        published: "auto" (a survey table's own, and what is known of the models that were run), "all" or "none".
        flagged: published numbers that are known to be wrong or of another protocol are shown, marked and never
            ranked; without, they are left out.
        paired: ties are judged by the samples two records share, where their predictions exist.
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

    def wants_model(self, *names: str) -> bool:
        """Whether a model of any of these names is asked for."""
        return not self.models or any(matches(name, pattern) for name in names for pattern in self.models)

    def wants_task(self, name: str) -> bool:
        """Whether this task is asked for."""
        return not self.tasks or any(matches(name, pattern) for pattern in self.tasks)


@dataclass(frozen=True)
class TableRow:
    """One row before it is arranged.

    Attributes:
        cells: one a column.
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
        ranked: the best of these columns are marked: their headings.
        notes: lines under the table.
        left_out: why files were skipped.
    """

    title: str
    columns: Sequence[Column]
    rows: Sequence[TableRow]
    hidden: frozenset[str] = frozenset()
    ranked: frozenset[str] = frozenset()
    notes: Sequence[str] = field(default=())
    left_out: Sequence[str] = ()


def matches(name: str, pattern: str) -> bool:
    """Whether a name is a pattern's, whatever the case."""
    return fnmatchcase(name.casefold(), pattern.casefold())


def arranged(draft: Draft, view: TableView) -> Table:
    """A table as a reader asked for it.

    Raises:
        UsageError: a heading that the table does not have.
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
    """A table whose data has these fields only, for programs.

    Raises:
        UsageError: a field that no row has.
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
    """Best first, or in alphabetical order; what has no value comes last either way."""
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
    """Counts such as "1,234", "400M" or "1.8B" in their order; 0 for words."""
    digits = text.replace(",", "")
    scale = {"k": 1e3, "m": 1e6, "g": 1e9, "b": 1e9}.get(digits[-1:].casefold(), 1.0)
    try:
        return float(digits if scale == 1.0 else digits[:-1]) * scale
    except ValueError:
        return 0.0


def _grouped(rows: list[TableRow], place: int) -> tuple[list[TableRow], dict[int, str]]:
    """Rows of one text together, in the order in which the texts come; rows without one last."""
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
    """Without signs where all was measured here: there is nothing to tell apart."""
    origins = {cell.origin for row in rows for cell in row if isinstance(cell, Label)}
    if not origins <= {None, "measured"}:
        return rows
    return [[replace(cell, origin=None) if isinstance(cell, Label) else cell for cell in row] for row in rows]


def _mark_best(rows: list[list[Cell]], place: int) -> None:
    """Mark a column's best and second best among the numbers that may be compared; one alone is no best."""
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
