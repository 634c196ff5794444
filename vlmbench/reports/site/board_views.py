"""Makes views of the leaderboard: groups of tasks, with the mean and rank of each model that answered all of them.

The leaderboard's first page lets the reader choose one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from vlmbench.cards import Suite
from vlmbench.reports.aggregates import Answer, Standing, standings
from vlmbench.reports.cells import Score
from vlmbench.reports.site.headings import TaskHeading


@dataclass(frozen=True)
class BoardCells:
    """Rows of cells under tasks.

    Attributes:
        columns: the tasks.
        cells: of each row, by task.
        ranked: of each row, whether it is ranked. Published numbers have no interval and are not ranked.
    """

    columns: Sequence[TaskHeading]
    cells: Sequence[Mapping[str, Score]]
    ranked: Sequence[bool]


@dataclass(frozen=True)
class BoardView:
    """Some of the columns.

    Attributes:
        key: for links.
        title: its name in the menu.
        group: the heading of its group in the menu.
        tasks: the columns.
        standings: of each row; None if the row lacks one of the tasks, or a number of it is not comparable.
    """

    key: str
    title: str
    group: str
    tasks: tuple[str, ...]
    standings: tuple[Standing | None, ...] = ()

    @property
    def means(self) -> tuple[float | None, ...]:
        """Each row's mean over all of the tasks."""
        return tuple(None if standing is None else standing.mean for standing in self.standings)


def views(
    board: BoardCells, suites: Sequence[Suite], kind_titles: Mapping[str, str], sources: Mapping[str, Collection[str]]
) -> list[BoardView]:
    """The views: every task, the measured tasks, each kind, and each suite whose tasks all have numbers.

    Of two views with the same tasks, the first is kept. Published means over tasks are not in any view: they would
    count their tasks twice. ``sources`` are published tables with the tasks that all of their rows have.
    """
    columns = {task.name: task for task in board.columns if not task.combined}
    measured, common = _measured(board)
    offered = [
        BoardView("all", "Every task", "All", tuple(columns)),
        BoardView("measured", "Measured here", "All", tuple(name for name in columns if name in measured)),
        BoardView("common", "Answered by every model", "All", tuple(name for name in columns if name in common)),
    ]
    for kind in dict.fromkeys(task.kind for task in columns.values()):
        tasks = tuple(name for name, task in columns.items() if task.kind == kind)
        offered.append(BoardView(f"kind-{kind}", kind_titles.get(kind, kind), "Kinds", tasks))
    for suite in suites:
        if suite.tasks and all(name in columns for name in suite.tasks):
            tasks = tuple(name for name in columns if name in suite.tasks)
            offered.append(BoardView(f"suite-{suite.name}", suite.title or suite.name, "Suites", tasks))
    for source, shared in sources.items():
        tasks = tuple(name for name in columns if name in shared)
        offered.append(BoardView(f"source-{source}", source, "Published by", tasks))
    seen: dict[tuple[str, ...], BoardView] = {}
    for view in offered:
        if view.tasks:
            seen.setdefault(view.tasks, view)
    return [_with_standings(view, board) for view in seen.values()]


def first_view(offered: Sequence[BoardView]) -> BoardView | None:
    """The view to begin with: the one that ranks most numbers, or averages most if no number is ranked.

    A model that lacks one task of forty has no place in the view of all forty. Then the tasks that all models answered
    are the better start.
    """

    def numbers(view: BoardView) -> tuple[int, int]:
        known = [standing for standing in view.standings if standing is not None]
        placed = sum(standing.place is not None for standing in known)
        return len(view.tasks) * placed, len(view.tasks) * len(known)

    return max(offered, key=numbers, default=None)


def _measured(board: BoardCells) -> tuple[set[str], set[str]]:
    """The tasks for which any ranked row has a cell, and those for which every such row has a number to rank."""
    own = [cells for cells, ranked in zip(board.cells, board.ranked, strict=True) if ranked]
    numbers = [{name for name, cell in cells.items() if cell.comparable and cell.value is not None} for cells in own]
    answered = [names for names in numbers if names]
    return {name for cells in own for name in cells}, set.intersection(*answered) if answered else set()


def _with_standings(view: BoardView, board: BoardCells) -> BoardView:
    """Add means, only for rows that have all tasks, and places among the ranked rows."""
    found: dict[str, Standing] = {}
    for ranked in (True, False):
        rows = [index for index, flag in enumerate(board.ranked) if flag is ranked]
        found |= _standings(view, board, rows, with_places=ranked)
    return replace(view, standings=tuple(found.get(str(index)) for index in range(len(board.cells))))


def _standings(view: BoardView, board: BoardCells, rows: Sequence[int], *, with_places: bool) -> dict[str, Standing]:
    columns = {task.name: task for task in board.columns}
    answers: dict[str, dict[str, Answer]] = {task: {} for task in view.tasks}
    for index in rows:
        for task in view.tasks:
            cell = board.cells[index].get(task)
            if cell is not None and cell.comparable and cell.value is not None:
                column = columns[task]
                answers[task][str(index)] = Answer(
                    cell.value, cell.interval, column.higher_is_better, averaged=column.averaged
                )
    made = standings(answers, {task: columns[task].kind for task in view.tasks}, tasks=view.tasks)
    return {one.model: one if with_places else replace(one, place=None) for one in made.models}
