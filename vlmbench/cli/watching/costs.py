"""Makes the table of what a run with workers cost: machine-hours by model and task."""

from __future__ import annotations

from collections.abc import Iterable

from vlmbench.cli.watching.hours import Cost, WorkerSeconds
from vlmbench.reports.table_data import Column, Table
from vlmbench.wording import counted

MOST_PAIRS = 24
"""With more pairs, models and tasks have rows of their own, and pairs do not."""
_HOUR, _MINUTE = 3600.0, 60.0


def costs_table(spent: WorkerSeconds) -> Table:
    """The time of workers by model and task, in hours; in minutes if the whole run took less than an hour of them.

    A row has the time for loading the model, the time for the answers, and the time of tries that were lost.
    """
    unit, name = (_HOUR, "hours") if spent.all >= _HOUR else (_MINUTE, "minutes")
    rows, sections = _rows(spent, unit)
    if len(spent.pairs) > 1:
        rows.append(["all", "", *_cells(spent.spent, unit)])
    return Table(
        title=f"Worker-{name}",
        columns=[
            Column("model", strong=True),
            Column("task"),
            *(Column(part, "right") for part in ("loading", "answers", "lost", "in all")),
        ],
        rows=rows,
        data=[
            {"model": model, "task": task, "loading": cost.loading, "answers": cost.working, "lost": cost.lost}
            for (model, task), cost in spent.pairs.items()
        ],
        notes=list(_notes(spent, unit, name)),
        sections=sections,
    )


def _rows(spent: WorkerSeconds, unit: float) -> tuple[list[list[str]], dict[int, str]]:
    if len(spent.pairs) <= MOST_PAIRS:
        order = list(_sums(spent, 0))
        pairs = sorted(spent.pairs, key=lambda pair: order.index(pair[0]))
        return [[*pair, *_cells(spent.pairs[pair], unit)] for pair in pairs], {}
    models = [[name, "", *_cells(cost, unit)] for name, cost in _sums(spent, 0).items()]
    tasks = [["", name, *_cells(cost, unit)] for name, cost in _sums(spent, 1).items()]
    return [*models, *tasks], {0: "by model", len(models): "by task", len(models) + len(tasks): "together"}


def _sums(spent: WorkerSeconds, place: int) -> dict[str, Cost]:
    """By model (place 0) or by task (place 1), in the order in which they began."""
    sums: dict[str, Cost] = {}
    for pair, cost in spent.pairs.items():
        sums[pair[place]] = sums.get(pair[place], Cost()).plus(cost)
    return sums


def _cells(cost: Cost, unit: float) -> list[str]:
    return [*(_amount(part, unit) for part in (cost.loading, cost.working, cost.lost)), _amount(cost.all, unit)]


def _amount(seconds: float, unit: float) -> str:
    return f"{seconds / unit:,.2f}" if seconds else "–"


def _notes(spent: WorkerSeconds, unit: float, name: str) -> Iterable[str]:
    if not spent.all:
        return
    on = f"{counted(spent.workers, 'worker')} on {counted(spent.nodes, 'machine')}"
    idle, starting = spent.idle / spent.all, spent.starting / spent.all
    yield f"{on}: {spent.all / unit:,.2f} {name} in all, of which {idle:.0%} idle and {starting:.0%} starting"
