"""Footnotes where they say most with least: on a number, on its row, or once under the table."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from vlmbench.reports.cells import Cell, Label, Score, plain
from vlmbench.reports.table_data import Column


def shared(scores: Iterable[Score]) -> list[str]:
    """The notes that all of some numbers have, where they are several."""
    known = [score for score in scores if score.value is not None]
    if len(known) < 2:
        return []
    everywhere = set.intersection(*(set(score.notes) for score in known))
    return [note for note in known[0].notes if note in everywhere]


def without(score: Score, notes: Collection[str]) -> Score:
    """A number without some of its notes, which are said elsewhere; what they mean for it stays."""
    return replace(score, notes=tuple(note for note in score.notes if note not in notes))


def said_once(scores: Sequence[tuple[str, Score]]) -> tuple[list[Score], list[str]]:
    """Numbers of several sources without what holds for all numbers of theirs, and that in a line a note."""
    groups: dict[str, list[Score]] = {}
    for source, score in scores:
        groups.setdefault(source, []).append(score)
    notes = {source: shared(own) for source, own in groups.items()}
    lines = [f"{own[0].source}: {note}" for source, own in groups.items() for note in notes[source]]
    return [without(score, notes[source]) for source, score in scores], lines


def lifted(rows: Sequence[Sequence[Cell]], columns: Sequence[Column]) -> list[list[Cell]]:
    """Rows whose numbers all have a note, with the note on the row's name."""
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
