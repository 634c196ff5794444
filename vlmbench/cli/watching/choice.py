"""Chooses how a run is shown: a live line, or a table if the executor has workers. ``vlmbench run`` calls it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlmbench.cli.console import print_line, print_table
from vlmbench.cli.heavy_imports import heavy_imports

if TYPE_CHECKING:
    from vlmbench.cli.watching.progress import TerminalListener
    from vlmbench.cli.watching.workers_table import WorkersTable
    from vlmbench.run.plan import Plan, RunRequest


def listener_for(plan: Plan, request: RunRequest) -> TerminalListener | WorkersTable:
    """The listener that shows a plan's run on standard error."""
    with heavy_imports():
        from vlmbench.run.executors import find_executor
        from vlmbench.run.executors.base import HasWorkers
    pairs = len(plan.pairs)
    if not isinstance(find_executor(request.executor), HasWorkers):
        from vlmbench.cli.watching.progress import TerminalListener

        return TerminalListener(pairs)
    from vlmbench.cli.watching.workers_table import WorkersTable

    return WorkersTable(pairs, _sizes(plan))


def show_costs(listener: TerminalListener | WorkersTable) -> None:
    """Print the time of workers by model and task, if there were workers."""
    from vlmbench.cli.watching.workers_table import WorkersTable

    if isinstance(listener, WorkersTable) and (spent := listener.spent()).pairs:
        from vlmbench.cli.watching.costs import costs_table

        print_line("")
        print_table(costs_table(spent))


def _sizes(plan: Plan) -> list[tuple[str, str, int]]:
    """The samples of each pair. Data that cannot be opened has none."""
    from vlmbench.tasks.base import question_data

    sizes = []
    for model, task in map(plan.pair, plan.pairs):
        if task.question is not None:
            size = sum(len(data.indices) for data in question_data(task.question).values())
            sizes.append((model.name, task.card.name, size))
    return sizes
