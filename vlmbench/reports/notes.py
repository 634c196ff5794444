"""Footnotes where they say most with least: on a number, on its row, or once under the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vlmbench.reports.cells import Cell, Label, Score, plain
from vlmbench.reports.table import Column


def lifted(rows: Sequence[Sequence[Cell]], columns: Sequence[Column]) -> tuple[list[list[Cell]], list[str]]:
    """Notes that hold for all published numbers go under the table, those of a whole row to its name.

    Returns:
        The rows, and the lines for below the table.
    """
    published = [
        cell for row in rows for cell in row if isinstance(cell, Score) and cell.origin == "published" and cell.notes
    ]
    shared: set[str] = set()
    if len(published) > 1 and sum(_is_published(cell) for row in rows for cell in row) == len(published):
        shared = set.intersection(*(set(cell.notes) for cell in published))
    everywhere = [note for note in (published[0].notes if published else ()) if note in shared]
    names = [place for place, column in enumerate(columns) if column.repeats]
    lifted_rows = [_row(row, shared, names[0] if names else None) for row in rows]
    return lifted_rows, [f"Published numbers: {note}" for note in everywhere]


def _is_published(cell: Cell) -> bool:
    return isinstance(cell, Score) and cell.origin == "published" and cell.value is not None


def _row(row: Sequence[Cell], everywhere: set[str], name: int | None) -> list[Cell]:
    cells = [_without(cell, everywhere) if _is_published(cell) else cell for cell in row]
    scores = [cell for cell in cells if isinstance(cell, Score) and cell.value is not None]
    if name is None or len(scores) < 2:
        return cells
    own = set.intersection(*(set(score.notes) for score in scores))
    if not own:
        return cells
    ordered = tuple(note for note in scores[0].notes if note in own)
    label = cells[name]
    cells = [_without(cell, own) for cell in cells]
    old = label if isinstance(label, Label) else Label(plain(label))
    cells[name] = replace(old, notes=(*old.notes, *ordered))
    return cells


def _without(cell: Cell, notes: set[str]) -> Cell:
    if not isinstance(cell, Score) or not notes.intersection(cell.notes):
        return cell
    return replace(cell, notes=tuple(note for note in cell.notes if note not in notes))
