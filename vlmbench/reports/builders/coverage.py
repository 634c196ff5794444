"""Makes the table of ``vlmbench report coverage``: which pairs were run, which failed, and which are missing."""

from __future__ import annotations

from collections.abc import Sequence

from vlmbench.reports.cells import DASH, Label
from vlmbench.reports.entries import Entries, origin
from vlmbench.reports.registry import TableRequest
from vlmbench.reports.scores import reason
from vlmbench.reports.table_data import Column, Table
from vlmbench.reports.table_view import Draft, TableRow, arranged
from vlmbench.wording import counted

STATES = ("done", "imported", "failed", "unsupported", "missing")
COLUMNS = (
    Column("model", repeats=True),
    *(Column(state, "right", strong=state == "done") for state in STATES),
    Column("not done"),
)


def coverage_table(request: TableRequest) -> Table:
    """One row for each model: counts of its pairs by state, and the names of those that are not done.

    Models and tasks that the request names are expected, too, besides those of the folder. ``data`` has one object a
    pair.
    """
    states, view = _states(request.entries), request.view
    names = {record.model.name: record.model.names for record in request.entries.records}
    models = {model for model, _ in states if view.wants_model(*names.get(model, (model,)))}
    tasks = {task for _, task in states if view.wants_task(task)}
    everyone, every = (
        sorted(known | set(named), key=str.casefold)
        for known, named in ((models, request.models), (tasks, request.tasks))
    )
    rows = [_row(model, every, states) for model in everyone]
    pairs = len(everyone) * len(every)
    done = sum(states.get((model, task), ("", ""))[0] in ("done", "imported") for model in everyone for task in every)
    shape = f"{counted(len(everyone), 'model')} × {counted(len(every), 'task')}"
    title = f"Coverage: {done:,} of {counted(pairs, 'pair')} ({shape})"
    unused = frozenset(
        state
        for state in ("imported", "failed", "unsupported")
        if not any(state == found for found, _ in states.values())
    )
    return arranged(Draft(title, COLUMNS, rows, hidden=unused, left_out=request.entries.left_out), view)


def _states(entries: Entries) -> dict[tuple[str, str], tuple[str, str]]:
    """Each known pair's state and reason. A record counts even if a later run failed."""
    states = {(failure.model, failure.task): (str(failure.status), reason(failure)) for failure in entries.failures}
    for record in entries.records:
        pair = (record.model.name, record.task.name)
        if origin(record) == "measured":
            states[pair] = ("done", "")
        elif states.get(pair, ("",))[0] != "done":
            states[pair] = ("imported", "")
    return states


def _row(model: str, tasks: Sequence[str], states: dict[tuple[str, str], tuple[str, str]]) -> TableRow:
    own = {task: states.get((model, task), ("missing", "")) for task in tasks}
    counts = {state: sum(found == state for found, _ in own.values()) for state in STATES}
    said = []
    for state in ("failed", "unsupported", "missing"):
        names = [task for task, (found, _) in own.items() if found == state]
        if names:
            said.append(f"{state}: {', '.join(names)}")
    reasons = tuple(f"{task}: {why}" for task, (found, why) in own.items() if found == "failed")
    return TableRow(
        cells=[Label(model, notes=reasons), *(str(counts[state] or DASH) for state in STATES), "; ".join(said)],
        data=[
            {"model": model, "task": task, "status": found, **({"reason": why} if why else {})}
            for task, (found, why) in own.items()
        ],
    )
