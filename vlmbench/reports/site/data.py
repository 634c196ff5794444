"""What the pages' scripts read, as plain values for JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vlmbench.reports.site.board import Board, Row, View
from vlmbench.reports.site.charts import clean, costs, measures, robustness
from vlmbench.reports.site.facts import SIZES

_DIGITS = 5
"""Of a fraction: a thousandth of a percent, more than any page shows."""


def table_data(board: Board) -> dict[str, Any]:
    """The leaderboard's rows, tasks and views; values are those that may be compared."""
    return {
        "rows": [_row(row) for row in board.rows],
        "tasks": _tasks(board),
        "views": _views(board),
        "values": _values(board),
        "statuses": [_without_value(row, board) for row in board.rows],
    }


def plot_data(board: Board, pages: Mapping[str, str]) -> dict[str, Any]:
    """What the plots draw.

    Args:
        board: the leaderboard.
        pages: file names of the models' pages.
    """
    axes = costs(board)
    rows = [
        {
            "title": _title(row),
            "objective": row.facts.objective,
            "origin": row.origin,
            "href": f"models/{pages[row.facts.name]}.html",
        }
        for row in board.rows
    ]
    scores = measures(board, axes)
    return {
        "rows": rows,
        "tasks": _tasks(board),
        "views": _views(board),
        "values": _values(board),
        "costs": [
            {"key": cost.key, "title": cost.title, "low": cost.low_is_good, "values": list(cost.values)}
            for cost in axes
        ],
        "measures": [
            {
                "key": score.key,
                "title": score.title,
                "values": _rounded(score.values),
                "fronts": {key: list(front) for key, front in score.fronts.items()},
            }
            for score in scores
        ],
        "shifts": [
            {"key": shift.key, "title": shift.title, "values": _rounded(shift.values)} for shift in robustness(board)
        ],
        "clean": _rounded(clean(board)),
    }


def filters(board: Board) -> list[tuple[str, str, list[str]]]:
    """What the leaderboard can be filtered by: a key, a label and the choices; only where there is a choice."""
    rows = board.rows
    sizes = {row.facts.size for row in rows}
    offered: list[tuple[str, str, list[str]]] = [
        ("objective", "Objective", sorted({row.facts.objective for row in rows} - {""}, key=str.casefold)),
        ("data", "Training data", sorted({row.facts.data for row in rows} - {""}, key=str.casefold)),
        ("size", "Parameters", [name for name, _, _ in SIZES if name in sizes]),
        ("origin", "Origin", sorted({str(row.origin) for row in rows})),
    ]
    return [choice for choice in offered if len(choice[2]) > 1]


def _row(row: Row) -> dict[str, Any]:
    facts = row.facts
    words = (facts.title, facts.name, facts.objective, facts.image_encoder, facts.text_encoder, facts.data, row.detail)
    return {
        "title": facts.title,
        "objective": facts.objective,
        "data": facts.data,
        "size": facts.size,
        "origin": row.origin,
        "parameters": facts.parameters,
        "words": " ".join(filter(None, words)).lower(),
    }


def _title(row: Row) -> str:
    return f"{row.facts.title} ({row.detail})" if row.origin == "published" and row.detail else row.facts.title


def _tasks(board: Board) -> list[dict[str, Any]]:
    return [
        {
            "name": task.name,
            "title": task.title,
            "low": not task.higher_is_better,
            "rank": task.unit == "rank",
        }
        for task in board.columns
    ]


def _views(board: Board) -> list[dict[str, Any]]:
    index = {task.name: number for number, task in enumerate(board.columns)}
    return [_view(view, index) for view in board.views]


def _view(view: View, index: Mapping[str, int]) -> dict[str, Any]:
    return {
        "key": view.key,
        "title": view.title,
        "tasks": [index[task] for task in view.tasks],
        "means": _rounded(view.means),
        "ranks": _rounded(view.ranks, 2),
    }


def _values(board: Board) -> list[list[float | None]]:
    return [
        _rounded(
            [
                cell.value if (cell := row.cells.get(task.name)) is not None and cell.comparable else None
                for task in board.columns
            ]
        )
        for row in board.rows
    ]


def _without_value(row: Row, board: Board) -> dict[int, int]:
    """The columns of a row in which something stands that has no comparable value."""
    found = {}
    for number, task in enumerate(board.columns):
        cell = row.cells.get(task.name)
        if cell is not None and (cell.value is None or not cell.comparable):
            found[number] = 1
    return found


def _rounded(values: Sequence[float | None], digits: int = _DIGITS) -> list[float | None]:
    return [None if value is None else round(value, digits) for value in values]
