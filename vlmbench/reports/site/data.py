"""Makes the data for the scripts of the leaderboard's pages, as plain values for JSON."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from vlmbench.markup import printable
from vlmbench.reports.aggregates import Standing
from vlmbench.reports.site.board import Board, BoardRow
from vlmbench.reports.site.board_views import BoardView
from vlmbench.reports.site.charts import clean, costs, measures, robustness
from vlmbench.reports.site.headings import SIZES

_SCALES = {"": 1.0, "k": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}
_DIGITS = 5
"""Decimals of a fraction: a thousandth of a percent, more than any page shows."""


def table_data(board: Board) -> dict[str, Any]:
    """The leaderboard's rows, tasks and views, with the values that may be compared."""
    return {
        "rows": [_row(row) for row in board.rows],
        **_scene(board),
        "statuses": [_without_value(row, board) for row in board.rows],
    }


def plot_data(board: Board, pages: Mapping[str, str]) -> dict[str, Any]:
    """The data of the plots, with the file names of the models' pages."""
    axes = costs(board)
    rows = [
        {
            "title": printable(_title(row)),
            "objective": row.model.objective,
            "origin": row.origin,
            "href": f"models/{pages[row.model.name]}.html",
        }
        for row in board.rows
    ]
    scores = measures(board, axes)
    return {
        "rows": rows,
        **_scene(board),
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
                "among": score.among,
            }
            for score in scores
        ],
        "shifts": [
            {"key": shift.key, "title": shift.title, "values": _rounded(shift.values)} for shift in robustness(board)
        ],
        "clean": _rounded(clean(board)),
    }


def filters(board: Board) -> list[tuple[str, str, list[str]]]:
    """The filters of the leaderboard: a key, a label and the choices. A filter with one choice is left out."""
    rows = board.rows
    sizes = {row.model.size for row in rows}
    offered: list[tuple[str, str, list[str]]] = [
        ("objective", "Objective", sorted({row.model.objective for row in rows} - {""}, key=str.casefold)),
        ("data", "Training data", sorted({row.model.data for row in rows} - {""}, key=str.casefold)),
        ("data_size", "Data size", sorted({row.model.data_size for row in rows} - {""}, key=magnitude)),
        ("size", "Parameters", [name for name, _, _ in SIZES if name in sizes]),
        ("origin", "Origin", sorted({str(row.origin) for row in rows})),
        ("source", "Published by", sorted({row.table for row in rows} - {""})),
    ]
    return [choice for choice in offered if len(choice[2]) > 1]


def magnitude(text: str) -> tuple[float, str]:
    """The sort key of a count as papers print it ("400M", "1.8B"). Other texts come last."""
    found = re.match(r"([\d.,]+)\s*([kMBT]?)", text)
    if not found or not found[1].strip(".,"):
        return math.inf, text
    return float(found[1].replace(",", "").strip(".")) * _SCALES[found[2]], text


def _row(row: BoardRow) -> dict[str, Any]:
    model = row.model
    words = (
        model.title,
        model.name,
        model.objective,
        model.image_encoder,
        model.text_encoder,
        model.data,
        model.data_size,
        row.detail,
    )
    return {
        "title": model.title,
        "objective": model.objective,
        "data": model.data,
        "data_size": model.data_size,
        "size": model.size,
        "origin": row.origin,
        "source": row.table,
        "parameters": model.parameters,
        "words": " ".join(filter(None, words)).lower(),
    }


def _title(row: BoardRow) -> str:
    return f"{row.model.title} ({row.detail})" if row.origin == "published" and row.detail else row.model.title


def _scene(board: Board) -> dict[str, Any]:
    """The data for both the leaderboard and the plots: tasks, views, and the values that may be compared."""
    index = {task.name: number for number, task in enumerate(board.columns)}
    return {
        "tasks": [
            {"name": task.name, "title": task.title, "low": not task.higher_is_better, "rank": task.unit == "rank"}
            for task in board.columns
        ],
        "views": [_view(view, index) for view in board.views],
        "first": board.first.key if board.first else "",
        "values": [_rounded([row.value(task) for task in index]) for row in board.rows],
    }


def _view(view: BoardView, index: Mapping[str, int]) -> dict[str, Any]:
    return {
        "key": view.key,
        "title": view.title,
        "tasks": [index[task] for task in view.tasks],
        "means": _rounded(view.means),
        "spreads": _rounded([spread(one) if one is not None else None for one in view.standings]),
        "places": [one.place.text if one is not None and one.place is not None else None for one in view.standings],
        "ranks": _rounded([_rank(one) for one in view.standings], 2),
    }


def spread(standing: Standing) -> float | None:
    """The larger half of a mean's interval, so that ± covers the whole interval."""
    if standing.mean is None or standing.interval is None:
        return None
    low, high = standing.interval
    return max(high - standing.mean, standing.mean - low, 0.0)


def _rank(standing: Standing | None) -> float | None:
    return None if standing is None or standing.place is None else standing.average_rank


def _without_value(row: BoardRow, board: Board) -> dict[int, int]:
    """The columns of a row whose cell has no comparable value."""
    found = {}
    for number, task in enumerate(board.columns):
        cell = row.cells.get(task.name)
        if cell is not None and (cell.value is None or not cell.comparable):
            found[number] = 1
    return found


def _rounded(values: Sequence[float | None], digits: int = _DIGITS) -> list[float | None]:
    return [None if value is None else round(value, digits) for value in values]
