"""Every table by its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from vlmbench.errors import UsageError
from vlmbench.registry import did_you_mean
from vlmbench.reports.comparison import comparison_table
from vlmbench.reports.coverage import coverage_table
from vlmbench.reports.entries import Entries
from vlmbench.reports.facts import ModelFacts
from vlmbench.reports.one_model import model_table
from vlmbench.reports.one_task import task_table
from vlmbench.reports.published import Published, published, survey_datasets, survey_methods
from vlmbench.reports.ranking import ranking_table
from vlmbench.reports.results import results_table
from vlmbench.reports.survey import COMPARISONS
from vlmbench.reports.survey_lists import datasets_table, methods_table
from vlmbench.reports.table import Table
from vlmbench.reports.view import View
from vlmbench.store import ResultStore


@dataclass(frozen=True)
class Request:
    """A table that somebody asked for.

    Attributes:
        name: of the model, task or list, for tables that take one.
        entries: of a results folder; empty where there is none.
        view: what is shown.
        store: the folder, where there is one.
        models: models named outright rather than by a pattern.
        tasks: the same of tasks.
        facts: of models.
    """

    name: str
    entries: Entries
    view: View
    store: ResultStore | None = None
    models: Sequence[str] = ()
    tasks: Sequence[str] = ()
    facts: ModelFacts = field(default_factory=ModelFacts)


def _results(request: Request, *, all_metrics: bool) -> Table:
    numbers: list[Published] = published() if request.view.published == "all" else []
    title = "Every metric" if all_metrics else "Results"
    return results_table(request.entries, title=title, all_metrics=all_metrics, published=numbers, view=request.view)


def _comparison(request: Request, name: str) -> Table:
    return comparison_table(COMPARISONS[name], request.entries, published(), request.view, request.facts)


def _model(request: Request) -> Table:
    return model_table(request.name, request.entries, published(), request.view, request.facts)


def _task(request: Request) -> Table:
    return task_table(request.name, request.entries, published(), request.view, request.facts, request.store)


TABLES: Mapping[str, tuple[str, Callable[[Request], Table]]] = {
    "results": ("the main metric of every pair", lambda r: _results(r, all_metrics=False)),
    "metrics": ("every metric of every pair", lambda r: _results(r, all_metrics=True)),
    "ranking": (
        "models over common tasks: mean, mean rank, Borda",
        lambda r: ranking_table(r.entries, r.view, r.facts, store=r.store, tasks=r.tasks),
    ),
    "coverage": (
        "what was run, what failed, what is missing",
        lambda r: coverage_table(r.entries, r.view, models=r.models, tasks=r.tasks),
    ),
    "model": ("NAME: all that is known of one model", _model),
    "task": ("NAME: models in the order of one task", _task),
    "datasets": ("the survey's Table 2", lambda r: datasets_table(survey_datasets(), r.entries, r.view)),
    "methods": (
        "the survey's Table 3 (or 4, 5: NAME)",
        lambda r: methods_table(survey_methods(), r.facts, r.view, r.name),
    ),
    "classification": ("its Table 6, with your models", lambda r: _comparison(r, "classification")),
    "segmentation": ("its Table 7", lambda r: _comparison(r, "segmentation")),
    "detection": ("its Table 8", lambda r: _comparison(r, "detection")),
    "transfer": ("its Table 9", lambda r: _comparison(r, "transfer")),
    "ovd": ("its Table 10", lambda r: _comparison(r, "ovd")),
    "ovs": ("its Table 11", lambda r: _comparison(r, "ovs")),
    "retrieval": ("the same of retrieval", lambda r: _comparison(r, "retrieval")),
}
"""Names to what they show and who makes them."""
NEED_RECORDS = frozenset({"results", "metrics", "ranking", "coverage"})
"""Tables that are empty without a results folder."""
TAKE_A_NAME = frozenset({"model", "task"})
MAY_TAKE_A_NAME = TAKE_A_NAME | {"methods"}


def make_table(table: str, request: Request) -> Table:
    """The table of this name.

    Raises:
        UsageError: there is none, a name is missing or too many, or a column is unknown.
    """
    check_table(table, request.name)
    return TABLES[table][1](request)


def check_table(table: str, name: str) -> None:
    """Refuse what cannot be before records are read.

    Raises:
        UsageError: there is no such table, or a name is missing or too many.
    """
    if table not in TABLES:
        raise UsageError(f"unknown table {table!r}", hint=did_you_mean(table, TABLES) or f"Known: {', '.join(TABLES)}.")
    if table in TAKE_A_NAME and not name:
        raise UsageError(f"`vlmbench report {table}` needs a name", hint=f"vlmbench report {table} NAME")
    if name and table not in MAY_TAKE_A_NAME:
        raise UsageError(f"the table {table!r} takes no name, not {name!r}", hint="Filter with --models and --tasks.")
