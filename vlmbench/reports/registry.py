"""Every table by its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from vlmbench.errors import UsageError
from vlmbench.registry import did_you_mean
from vlmbench.reports.entries import Entries
from vlmbench.reports.facts import ModelFacts
from vlmbench.reports.published import Published, published, survey_datasets, survey_methods
from vlmbench.reports.table import Table
from vlmbench.reports.tables.comparison import comparison_table
from vlmbench.reports.tables.coverage import coverage_table
from vlmbench.reports.tables.one_model import model_table
from vlmbench.reports.tables.one_task import task_table
from vlmbench.reports.tables.ranking import ranking_table
from vlmbench.reports.tables.results import results_table
from vlmbench.reports.tables.survey import COMPARISONS
from vlmbench.reports.tables.survey_lists import datasets_table, methods_table
from vlmbench.reports.view import TableView
from vlmbench.store import ResultStore


@dataclass(frozen=True)
class TableRequest:
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
    view: TableView
    store: ResultStore | None = None
    models: Sequence[str] = ()
    tasks: Sequence[str] = ()
    facts: ModelFacts = field(default_factory=ModelFacts)


def _results(request: TableRequest, *, all_metrics: bool) -> Table:
    numbers: list[Published] = published() if request.view.published == "all" else []
    title = "Every metric" if all_metrics else "Results"
    return results_table(request.entries, title=title, all_metrics=all_metrics, published=numbers, view=request.view)


def _comparison(request: TableRequest, name: str) -> Table:
    return comparison_table(COMPARISONS[name], request.entries, published(), request.view, request.facts)


def _model(request: TableRequest) -> Table:
    return model_table(request.name, request.entries, published(), request.view, request.facts)


def _task(request: TableRequest) -> Table:
    return task_table(request.name, request.entries, published(), request.view, request.facts, request.store)


_MEASURED = frozenset({"models", "tasks", "intervals", "digits"})
_NUMBERS = _MEASURED | {"published", "flagged"}


@dataclass(frozen=True)
class Kind:
    """One of the tables.

    Attributes:
        shows: what it shows, in a few words.
        make: how it is made.
        options: which of :data:`OPTIONS` change it.
        needs_records: it is empty without a results folder.
        name: "needed", "possible", or "" for none.
    """

    shows: str
    make: Callable[[TableRequest], Table]
    options: frozenset[str]
    needs_records: bool = False
    name: Literal["needed", "possible", ""] = ""


def _survey(name: str, shows: str) -> Kind:
    return Kind(shows, lambda request: _comparison(request, name), _NUMBERS)


TABLES: Mapping[str, Kind] = {
    "results": Kind(
        "the main metric of every pair", lambda r: _results(r, all_metrics=False), _NUMBERS, needs_records=True
    ),
    "metrics": Kind(
        "every metric of every pair", lambda r: _results(r, all_metrics=True), _NUMBERS, needs_records=True
    ),
    "ranking": Kind(
        "models over common tasks: mean, mean rank, Borda",
        lambda r: ranking_table(r.entries, r.view, r.facts, store=r.store, tasks=r.tasks),
        _MEASURED | {"paired"},
        needs_records=True,
    ),
    "coverage": Kind(
        "what was run, what failed, what is missing",
        lambda r: coverage_table(r.entries, r.view, models=r.models, tasks=r.tasks),
        frozenset({"models", "tasks"}),
        needs_records=True,
    ),
    "model": Kind("all that is known of one model", _model, _NUMBERS - {"models"}, name="needed"),
    "task": Kind("models in the order of one task", _task, (_NUMBERS | {"paired"}) - {"tasks"}, name="needed"),
    "datasets": Kind(
        "the survey's Table 2",
        lambda r: datasets_table(survey_datasets(), r.entries, r.view),
        frozenset({"tasks"}),
    ),
    "methods": Kind(
        "the survey's Tables 3 to 5",
        lambda r: methods_table(survey_methods(), r.facts, r.view, r.name),
        frozenset({"models"}),
        name="possible",
    ),
    "classification": _survey("classification", "its Table 6, with your models"),
    "segmentation": _survey("segmentation", "its Table 7"),
    "detection": _survey("detection", "its Table 8"),
    "transfer": _survey("transfer", "its Table 9"),
    "ovd": _survey("ovd", "its Table 10"),
    "ovs": _survey("ovs", "its Table 11"),
    "retrieval": _survey("retrieval", "the same of retrieval"),
}
"""Names to what they are."""
OPTIONS: Mapping[str, str] = {
    "models": "--models",
    "tasks": "--tasks",
    "intervals": "--no-intervals",
    "digits": "--digits",
    "published": "--published",
    "flagged": "--no-flagged",
    "paired": "--no-paired",
}
"""Fields of a view that not every table has a use for, and how they are asked for. All others change every table."""


def make_table(table: str, request: TableRequest) -> Table:
    """The table of this name.

    Raises:
        UsageError: there is none, a name is missing or too many, an option would change nothing, or a column is
            unknown.
    """
    check_table(table, request.name)
    check_options(table, request.view)
    return TABLES[table].make(request)


def check_table(table: str, name: str) -> None:
    """Refuse what cannot be before records are read.

    Raises:
        UsageError: there is no such table, or a name is missing or too many.
    """
    if table not in TABLES:
        raise UsageError(f"unknown table {table!r}", hint=did_you_mean(table, TABLES) or f"Known: {', '.join(TABLES)}.")
    if TABLES[table].name == "needed" and not name:
        raise UsageError(f"`vlmbench report {table}` needs a name", hint=f"vlmbench report {table} NAME")
    if name and not TABLES[table].name:
        raise UsageError(f"the table {table!r} takes no name, not {name!r}", hint="Filter with --models and --tasks.")


def check_options(table: str, view: TableView) -> None:
    """Refuse an option that would change nothing: who gives it expects something of it.

    Raises:
        UsageError: there is one; the tables that it changes are named.
    """
    for option, spelt in OPTIONS.items():
        asked, default = getattr(view, option), getattr(TableView(), option)
        changed = bool(asked) if isinstance(default, tuple) else asked != default
        if changed and option not in TABLES[table].options:
            others = ", ".join(name for name, kind in TABLES.items() if option in kind.options)
            raise UsageError(f"{spelt} changes nothing in the table {table!r}", hint=f"It does in: {others}.")
