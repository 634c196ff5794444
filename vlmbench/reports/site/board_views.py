"""Tasks that are looked at together, and what they come to for the models that answered all of them."""

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
        ranked: of each row, whether it has a place among others; published numbers have no interval and get none.
    """

    columns: Sequence[TaskHeading]
    cells: Sequence[Mapping[str, Score]]
    ranked: Sequence[bool]


@dataclass(frozen=True)
class BoardView:
    """Some of the columns.

    Attributes:
        key: for links.
        title: for people.
        group: under which it is offered.
        tasks: the columns.
        standings: of each row; None for a row that lacks one of the tasks, or has one that is not comparable.
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
    """Every task, those that were measured, each kind and suite of which all tasks have numbers; no tasks twice.

    Published means over tasks are in none of them: they would count their tasks a second time. ``sources`` are
    published tables with the tasks that all of their rows have.
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
    """The one to begin with: it ranks the most numbers; without any that are ranked, it averages the most.

    A model that lacks one task of forty has no place among those who answered all: then what all of them answered is
    the better start.
    """

    def numbers(view: BoardView) -> tuple[int, int]:
        known = [standing for standing in view.standings if standing is not None]
        placed = sum(standing.place is not None for standing in known)
        return len(view.tasks) * placed, len(view.tasks) * len(known)

    return max(offered, key=numbers, default=None)


def _measured(board: BoardCells) -> tuple[set[str], set[str]]:
    """The tasks that any ranked row has something of, and those of which every one has a number to rank."""
    own = [cells for cells, ranked in zip(board.cells, board.ranked, strict=True) if ranked]
    numbers = [{name for name, cell in cells.items() if cell.comparable and cell.value is not None} for cells in own]
    answered = [names for names in numbers if names]
    return {name for cells in own for name in cells}, set.intersection(*answered) if answered else set()


def _with_standings(view: BoardView, board: BoardCells) -> BoardView:
    """Means over equal tasks or not at all; places among the rows that are ranked."""
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
