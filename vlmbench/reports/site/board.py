"""Makes the leaderboard as plain data: a row for each model, a column for each task, and views of some of the columns.

The leaderboard's pages, plots and scripts show it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal

from vlmbench.cards import Suite
from vlmbench.kinds import kind_titles
from vlmbench.records import Failure, Summary
from vlmbench.reports.cells import Origin, Score
from vlmbench.reports.entries import origin
from vlmbench.reports.published import Published
from vlmbench.reports.scores import ZERO_SHOT, measured_score, not_above_chance, published_score, reason
from vlmbench.reports.site.board_views import BoardCells, BoardView, first_view, views
from vlmbench.reports.site.collect import Collected
from vlmbench.reports.site.headings import UNKNOWN_KIND, ModelHeading, TaskHeading, task_heading
from vlmbench.reports.table_view import TableView

TABLE_TITLES = {
    "open_clip": "open_clip",
    "clip_benchmark": "CLIP_benchmark",
    "clip-paper": "CLIP paper",
    "seg": "Segmentation papers",
    "det": "Detection papers",
}
_SHOWN = TableView()


@dataclass(frozen=True)
class BoardRow:
    """One row of the leaderboard. A model has several rows if its numbers come from several places.

    Attributes:
        model: the model's name and other facts about it, each in a column of its own.
        origin: where the row's numbers come from.
        cells: the score on each task, by the task's name; tasks that the model was never asked are missing.
        source: the source of published numbers.
        table: the title of the published table; "" for other rows.
        detail: how the row differs from other rows of the same model.
    """

    model: ModelHeading
    origin: Origin
    cells: Mapping[str, Score]
    source: str = ""
    table: str = ""
    detail: str = ""

    def value(self, task: str) -> float | None:
        """Its number for a task; None if the number may not be compared."""
        cell = self.cells.get(task)
        return cell.value if cell is not None and cell.comparable else None


@dataclass(frozen=True)
class Board:
    """Some tasks, and every row with a cell of one of them.

    Attributes:
        columns: tasks by kind and name.
        rows: measured models first.
        views: groups of columns that the reader can choose.
        first: the view to begin with; None if the board is empty.
    """

    columns: Sequence[TaskHeading]
    rows: Sequence[BoardRow]
    views: Sequence[BoardView]
    first: BoardView | None

    def narrowed(self, tasks: Collection[str], suites: Sequence[Suite]) -> Board:
        """The board with only these tasks."""
        columns = [task for task in self.columns if task.name in tasks]
        rows = [
            replace(row, cells={name: cell for name, cell in row.cells.items() if name in tasks}) for row in self.rows
        ]
        return make_board(columns, [row for row in rows if row.cells], suites)


def board(collected: Collected, models: Mapping[str, ModelHeading]) -> Board:
    """The leaderboard of all that was collected."""
    columns = _columns(collected)
    rows = [*_record_rows(collected, columns, models), *_published_rows(collected, columns, models)]
    return make_board(list(columns.values()), rows, collected.suites)


def make_board(columns: Sequence[TaskHeading], rows: Sequence[BoardRow], suites: Sequence[Suite]) -> Board:
    """Rows with their places, and the views of their columns."""
    placed = _placed(rows, columns)
    cells = BoardCells(columns, [row.cells for row in placed], [row.origin != "published" for row in placed])
    offered = views(cells, suites, heading_titles(), _common_tasks(placed))
    return Board(columns, placed, offered, first_view(offered))


def kind_title(kind: str) -> str:
    """The title of a kind of task; its name if it is not installed here."""
    return heading_titles().get(kind, kind)


def heading_titles() -> dict[str, str]:
    """Kinds of tasks and their titles, in order. Published numbers of other tasks come last."""
    return {**kind_titles(), UNKNOWN_KIND: "Other published tasks"}


def table_title(table: str) -> str:
    """The title of a published table."""
    name, _, number = table.partition("-")
    return TABLE_TITLES.get(table, f"Survey, Table {number}" if name == "survey" else table)


def _columns(collected: Collected) -> dict[str, TaskHeading]:
    records: dict[str, list[Summary]] = defaultdict(list)
    metrics: dict[str, list[str]] = defaultdict(list)
    for (_, task), pair in collected.pairs.items():
        records[task].extend(pair.records)
    for task, adapted in collected.adapted.items():  # a task that only adapted models answered has a page, too
        records[task].extend([] if records[task] else adapted)
    for number in collected.published:
        metrics[number.task].append(number.metric)
    found = [
        task_heading(name, collected.tasks.get(name), records.get(name, ()), metrics.get(name, ()))
        for name in sorted(records.keys() | metrics.keys())
    ]
    order = list(heading_titles())
    found.sort(key=lambda task: (order.index(task.kind) if task.kind in order else len(order), task.name))
    return {task.name: task for task in found}


def _record_rows(
    collected: Collected, columns: Mapping[str, TaskHeading], models: Mapping[str, ModelHeading]
) -> list[BoardRow]:
    """For each model one row of measured numbers, and one of imported numbers."""
    cells: dict[tuple[str, Origin], dict[str, Score]] = defaultdict(dict)
    for (model, task), pair in collected.pairs.items():
        for record in pair.records:
            if columns[task].metric in record.metrics and task not in cells[model, origin(record)]:
                cells[model, origin(record)][task] = _record_score(record, columns[task])
        if pair.failure and not pair.records:
            cells[model, "measured"][task] = _failed_score(pair.failure)
    order: list[Origin] = ["measured", "imported"]
    filled = [(model, kind) for model, kind in cells if cells[model, kind]]
    filled.sort(key=lambda key: (order.index(key[1]), key[0]))
    return [BoardRow(models[model], kind, cells[model, kind]) for model, kind in filled]


def _record_score(record: Summary, column: TaskHeading) -> Score:
    score = measured_score(record, column.metric, _SHOWN)
    extra = ["not above chance"] if not_above_chance(record.metrics[column.metric]) else []
    return replace(score, notes=(*score.notes, *extra))


def _failed_score(failure: Failure) -> Score:
    return Score(None, status=failure.status, notes=(reason(failure),), comparable=False)


def _published_rows(
    collected: Collected, columns: Mapping[str, TaskHeading], models: Mapping[str, ModelHeading]
) -> list[BoardRow]:
    """One row for each model, table and variant. Flagged numbers are only on the pages of their model and task."""
    groups: dict[tuple[str, str, str], list[Published]] = defaultdict(list)
    for number in collected.published:
        if not number.flag and number.metric == columns[number.task].metric:
            groups[number.model, number.table, json.dumps(dict(number.variant), sort_keys=True)].append(number)
    rows = []
    for (model, _, _), numbers in sorted(groups.items()):
        cells = {number.task: _published_score(number) for number in numbers}
        first = numbers[0]
        rows.append(
            BoardRow(
                _published_model(models[model], first),
                "published",
                cells,
                source=first.source,
                table=table_title(first.table) or "published",
                detail=variant_text(first),
            )
        )
    return rows


def _published_score(number: Published) -> Score:
    score = published_score(number, _SHOWN)
    other = transfer(number)
    return replace(score, comparable=False, notes=(other, *score.notes)) if other else score


def transfer(number: Published) -> str:
    """Why the number of a model that was trained further is not comparable; "" for a zero-shot number."""
    setup = number.variant.get("setup", ZERO_SHOT)
    return "" if setup == ZERO_SHOT else f"not zero-shot: after transfer ({setup})"


def _published_model(heading: ModelHeading, number: Published) -> ModelHeading:
    """The model's columns, with the encoders and the data size that the published table states."""
    variant = number.variant
    return replace(
        heading,
        image_encoder=variant.get("image_encoder", variant.get("backbone", heading.image_encoder)),
        text_encoder=variant.get("text_encoder", heading.text_encoder),
        data_size=variant.get("data_size", heading.data_size),
        speeds={},
    )


def variant_text(number: Published) -> str:
    """How a published row differs from other rows of its model, in a few words."""
    return ", ".join(value for _, value in sorted(number.variant.items()) if value)


def _common_tasks(rows: Sequence[BoardRow]) -> dict[str, set[str]]:
    """Published tables, each with the tasks for which all of its rows have a comparable number, if these are
    several."""
    found: dict[str, set[str]] = {}
    for row in rows:
        if row.table:
            own = {task for task, cell in row.cells.items() if cell.comparable}
            found[row.table] = found.get(row.table, own) & own
    return {table: tasks for table, tasks in found.items() if len(tasks) > 1}


def _placed(rows: Sequence[BoardRow], columns: Sequence[TaskHeading]) -> list[BoardRow]:
    """Mark the best and the second best number of each column. Equal numbers share a place.

    Only answers to the same question are compared. Published numbers are compared only within their own table, because
    another table may use other prompts and splits.
    """
    places: dict[tuple[int, str], Literal[1, 2]] = {}
    for column, table in product(columns, dict.fromkeys(row.table for row in rows)):
        found = {
            index: cell.value
            for index, row in enumerate(rows)
            if row.table == table and (cell := row.cells.get(column.name)) and cell.comparable
            if cell.value is not None
        }
        if len(found) > 1:
            best = sorted(set(found.values()), reverse=column.higher_is_better)
            for index, value in found.items():
                if value == best[0]:
                    places[index, column.name] = 1
                elif value == best[1]:
                    places[index, column.name] = 2
    return [
        replace(
            row, cells={task: replace(cell, place=places.get((index, task), 0)) for task, cell in row.cells.items()}
        )
        for index, row in enumerate(rows)
    ]
