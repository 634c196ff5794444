"""Places footnotes: on a number, on its row if all its numbers have it, or once under the table.

The builders of tables and :mod:`.table_view` use it, so that no footnote is repeated without need.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from vlmbench.reports.cells import Cell, Label, Score, plain
from vlmbench.reports.table_data import Column


def shared(scores: Iterable[Score]) -> list[str]:
    """The notes that all numbers have; none if there are fewer than two numbers."""
    known = [score for score in scores if score.value is not None]
    if len(known) < 2:
        return []
    everywhere = set.intersection(*(set(score.notes) for score in known))
    return [note for note in known[0].notes if note in everywhere]


def without(score: Score, notes: Collection[str]) -> Score:
    """A number without notes that are shown elsewhere. Whether it is comparable does not change."""
    return replace(score, notes=tuple(note for note in score.notes if note not in notes))


def said_once(scores: Sequence[tuple[str, Score]]) -> tuple[list[Score], list[str]]:
    """Numbers without the notes that all numbers of their source share, and one line for each of those notes."""
    groups: dict[str, list[Score]] = {}
    for source, score in scores:
        groups.setdefault(source, []).append(score)
    notes = {source: shared(own) for source, own in groups.items()}
    lines = [f"{own[0].source}: {note}" for source, own in groups.items() for note in notes[source]]
    return [without(score, notes[source]) for source, score in scores], lines


def lifted(rows: Sequence[Sequence[Cell]], columns: Sequence[Column]) -> list[list[Cell]]:
    """Rows with shared notes moved: a note that all numbers of a row have is put on the row's name."""
    names = [place for place, column in enumerate(columns) if column.repeats]
    return [_lifted(row, names[0]) if names else list(row) for row in rows]


def _lifted(row: Sequence[Cell], name: int) -> list[Cell]:
    own = shared(cell for cell in row if isinstance(cell, Score))
    if not own:
        return list(row)
    cells = [without(cell, own) if isinstance(cell, Score) else cell for cell in row]
    label = cells[name]
    old = label if isinstance(label, Label) else Label(plain(label))
    cells[name] = replace(old, notes=(*old.notes, *own))
    return cells
