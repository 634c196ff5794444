"""Makes the table of ``vlmbench report ranking``: models ranked over the tasks that all of them have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vlmbench.records import Summary
from vlmbench.reports.aggregates import Answer, Errors, Standing, Standings, standings
from vlmbench.reports.cells import DASH, Label, Origin, Score
from vlmbench.reports.entries import Entries, differing, is_unranked, origin
from vlmbench.reports.facts import FACTS, fact_columns
from vlmbench.reports.paired_errors import paired_errors
from vlmbench.reports.registry import TableRequest
from vlmbench.reports.scores import answer_of
from vlmbench.reports.table_data import Column, Table
from vlmbench.reports.table_view import Draft, TableRow, TableView, arranged
from vlmbench.store import ResultStore
from vlmbench.wording import counted, either, listed

TASKS_NAMED = 12
"""A note names this many common tasks, and counts the rest."""
GAPS_NAMED = 3
"""Tasks that a note names of those a model lacks."""
RANK_DIGITS = 2
"""The fewest decimals of mean ranks: two models over eight tasks may have 1.25 and 1.75."""


def ranking_table(request: TableRequest) -> Table:
    """One row for each model: mean, mean of each kind of task, average rank and Borda share over common tasks.

    Only records that answer their cards' own questions count. If the request names tasks, models that lack one of them
    are left out, and a note names them. Otherwise the tasks are those that all models have.
    """
    entries, view, facts = request.entries, request.view, request.facts
    records = comparable_records(entries, view)
    found, kinds = answers_of(records)
    errors = _errors(records, request.store) if view.paired and request.store is not None else {}
    made = standings(found, kinds, tasks=list(request.tasks) or None, errors=errors)
    named = list(dict.fromkeys(kinds.get(task, "other") for task in made.tasks))
    kinds_shown = named if len(named) > 1 else []
    infos = {record.model.name: record.model for record in records.values()}
    rows = []
    for standing in made.models:
        label = _label(standing.model, {task: origin(records[task, standing.model]) for task in made.tasks})
        known = facts.row(standing.model, variant={}, info=infos[standing.model])
        rows.append(_row(standing, label, known, kinds_shown, view))
    columns = [
        Column("rank", "right"),
        Column("model", repeats=True),
        Column("mean %", "right", strong=True),
        *(Column(f"{kind} %", "right") for kind in kinds_shown),
        Column("mean rank", "right"),
        Column("Borda %", "right"),
        *fact_columns(),
    ]
    return arranged(
        Draft(
            title=f"Ranking over common tasks: {len(made.tasks):,}",
            columns=columns,
            rows=rows,
            hidden=frozenset(FACTS),
            ranked=frozenset({"mean %", "mean rank", "Borda %", *(f"{kind} %" for kind in kinds_shown)}),
            notes=[*_notes(made, len(found)), *_doubts(made, records)],
            left_out=entries.left_out,
        ),
        view,
    )


def comparable_records(entries: Entries, view: TableView) -> dict[tuple[str, str], Summary]:
    """The last record of each (task, model) pair that answers the card's own question."""
    chosen: dict[tuple[str, str], Summary] = {}
    for record in entries.records:
        if record.main.value is None or is_unranked(record):
            continue
        if view.wants_model(*record.model.names) and view.wants_task(record.task.name):
            pair = (record.task.name, record.model.name)
            if pair not in chosen or chosen[pair].run.started <= record.run.started:
                chosen[pair] = record
    return chosen


def answers_of(
    records: dict[tuple[str, str], Summary],
) -> tuple[dict[str, dict[str, Answer]], dict[str, str]]:
    """Main metrics by task and model, and the tasks' kinds."""
    found: dict[str, dict[str, Answer]] = {}
    kinds = {}
    for (task, model), record in records.items():
        if (answer := answer_of(record)) is not None:
            found.setdefault(task, {})[model] = answer
            kinds[task] = record.task.plugin
    return found, kinds


def _errors(records: dict[tuple[str, str], Summary], store: ResultStore) -> dict[str, Errors]:
    by_task: dict[str, list[Summary]] = {}
    for (task, _), record in records.items():
        by_task.setdefault(task, []).append(record)
    return {task: errors for task, own in by_task.items() if (errors := paired_errors(own, store))}


def _label(model: str, origins: Mapping[str, Origin]) -> Label:
    """A model's name; a note names its imported numbers if others are measured."""
    imported = [task for task, where in origins.items() if where == "imported"]
    if not imported or len(imported) == len(origins):
        return Label(model, origin="imported" if imported else "measured")
    return Label(model, origin="imported", notes=(f"imported: {', '.join(imported)}; the others are measured here",))


def _row(standing: Standing, label: Label, known: Sequence[str], kinds: Sequence[str], view: TableView) -> TableRow:
    mean = Score(standing.mean, interval=standing.interval, digits=view.digits, spread_shown=view.intervals)
    return TableRow(
        cells=[
            standing.place.text if standing.place else DASH,
            label,
            mean,
            *(Score(standing.by_kind.get(kind), digits=view.digits) for kind in kinds),
            Score(standing.average_rank, unit="points", higher_is_better=False, digits=max(view.digits, RANK_DIGITS)),
            Score(standing.borda, digits=view.digits),
            *known,
        ],
        data=[
            {
                "model": standing.model,
                "rank_first": standing.place.first if standing.place else None,
                "rank_last": standing.place.last if standing.place else None,
                "mean": standing.mean,
                "ci95_low": standing.interval[0] if standing.interval else None,
                "ci95_high": standing.interval[1] if standing.interval else None,
                **{f"mean_{kind}": standing.by_kind.get(kind) for kind in kinds},
                "average_rank": standing.average_rank,
                "borda": standing.borda,
            }
        ],
    )


def _notes(made: Standings, known: int) -> list[str]:
    notes = []
    if made.tasks:
        named = listed(made.tasks, most=TASKS_NAMED)
        others = known - len(made.tasks)
        lack = (
            f"; {counted(others, 'other task')} {either(others, 'does', 'do')} not count: some model lacks "
            f"{either(others, 'it', 'them')}"
            if others > 0
            else ""
        )
        notes.append(f"tasks: {named}{lack}")
        notes.append("rank: by the mean. 1–3 or half a rank is a tie: the data cannot tell the models apart at 95%")
        notes.append("Borda: the share of other models that the model beats, over all tasks; a tie counts half")
    for model, gaps in made.left_out.items():
        notes.append(f"left out: {model} lacks {listed(gaps, most=GAPS_NAMED)}")
    if not made.tasks and known:
        notes.append(
            "the models have no task in common: choose with --tasks and --models (see `vlmbench report coverage`)"
        )
    return notes


def _doubts(made: Standings, records: Mapping[tuple[str, str], Summary]) -> list[str]:
    """Notes that a reader needs to judge the order: questions that changed, and numbers without an interval."""
    notes: list[str] = []
    exact: dict[str, None] = {}
    for task in made.tasks:
        own = [records[task, standing.model] for standing in made.models]
        differs = differing(own)
        if differs:
            notes.append(f"{task}: not the same {', '.join(differs)} for all models")
        exact.update(dict.fromkeys(record.model.name for record in own if record.main.ci95 is None))
    if exact:
        notes.append(f"number without an interval, which counts as exact: {', '.join(exact)}")
    return notes
