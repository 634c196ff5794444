"""Registers every table and every format by name: those of this package and those that other packages add.

``vlmbench report`` looks them up here. The description of a table is known without importing the code that makes it, so
that the help is quick.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from vlmbench.errors import UsageError
from vlmbench.registry import Registry, did_you_mean, load_target, modules_in
from vlmbench.reports.table_view import TableView

if TYPE_CHECKING:
    from vlmbench.reports.entries import Entries
    from vlmbench.reports.facts import ModelFacts
    from vlmbench.reports.published import Published
    from vlmbench.reports.table_data import Table
    from vlmbench.store import ResultStore

OPTIONS: Mapping[str, str] = {
    "models": "--models",
    "tasks": "--tasks",
    "intervals": "--no-intervals",
    "digits": "--digits",
    "published": "--published",
    "flagged": "--no-flagged",
    "paired": "--no-paired",
    "against": "--against",
    "curve": "--curve",
}
"""Fields of a view that only some tables use, with their command line options. All other fields change every table."""
MEASURED = frozenset({"models", "tasks", "intervals", "digits"})
"""The options of tables that show measured numbers."""
NUMBERS = MEASURED | {"published", "flagged"}
"""The options of tables that also show published numbers."""


def _facts() -> ModelFacts:
    from vlmbench.reports.facts import ModelFacts

    return ModelFacts()


def _published() -> list[Published]:
    from vlmbench.reports.published import published

    return published()


def _published_fewshot() -> list[Published]:
    from vlmbench.reports.published import published_fewshot

    return published_fewshot()


@dataclass(frozen=True)
class TableRequest:
    """A table that a reader asked for.

    Attributes:
        name: the name of a model, task or list, for tables that take one.
        entries: the content of a results folder; empty without a folder.
        view: what the reader wants to see.
        store: the results folder; None without one.
        models: models that the reader named in full, not by a pattern.
        tasks: tasks that the reader named in full.
        facts: looks up facts about models.
        published: reads all published numbers but few-shot numbers.
        published_fewshot: reads published few-shot numbers.
    """

    name: str
    entries: Entries
    view: TableView
    store: ResultStore | None = None
    models: Sequence[str] = ()
    tasks: Sequence[str] = ()
    facts: ModelFacts = field(default_factory=_facts)
    published: Callable[[], Sequence[Published]] = _published
    published_fewshot: Callable[[], Sequence[Published]] = _published_fewshot


@dataclass(frozen=True)
class ReportTable:
    """One table of ``vlmbench report``.

    Attributes:
        name: its name on the command line.
        shows: what it shows, in a few words.
        make: makes it; a ``"module:function"`` is imported when the table is asked for.
        options: which of :data:`OPTIONS` change it.
        needs_records: whether it is empty without a results folder.
        takes_name: "needed" or "possible" if it is about one model, task or list; else "".
        place: its place in lists of tables, lowest first.
        adapted: whether it shows records of adapted models. A table of zero-shot numbers never gets them.
    """

    name: str
    shows: str
    make: Callable[[TableRequest], Table] | str
    options: frozenset[str] = frozenset(OPTIONS)
    needs_records: bool = False
    takes_name: Literal["needed", "possible", ""] = ""
    place: int = 100
    adapted: bool = False

    @property
    def usage(self) -> str:
        """How to ask for it on the command line."""
        return f"{self.name} NAME" if self.takes_name == "needed" else self.name


@dataclass(frozen=True)
class ReportFormat:
    """One format that a table can be written in.

    Attributes:
        name: its name on the command line.
        write: makes the whole file.
        for_programs: whether it has the table's ``data``, one row for each number, in place of its cells.
    """

    name: str
    write: Callable[[Table], str]
    for_programs: bool = False


FORMATS: Registry[ReportFormat] = Registry(
    "table format", modules_in("reports/formats", "FORMAT"), group="vlmbench.report_formats", expects=ReportFormat
)
TABLES: Registry[ReportTable] = Registry(
    "table", modules_in("reports/tables", "TABLE"), group="vlmbench.reports", expects=ReportTable
)


def tables() -> list[ReportTable]:
    """All tables, in their listed order."""
    return sorted(TABLES.usable(), key=lambda table: (table.place, table.name))


def make_table(table: str, request: TableRequest) -> Table:
    """The table of this name.

    Raises:
        UsageError: there is no such table, a name is missing or not expected, an option would change nothing, or a
            column is unknown.
    """
    check_table(table, request.name)
    check_options(table, request.view)
    asked = TABLES.get(table)
    if not asked.adapted:
        request = replace(request, entries=request.entries.zero_shot)
    make = asked.make
    made: Table = (load_target(make) if isinstance(make, str) else make)(request)
    return made


def check_table(table: str, name: str) -> None:
    """Refuse a wrong request before records are read.

    Raises:
        UsageError: there is no such table, or a name is missing or not expected.
    """
    if table not in TABLES:
        known = list(TABLES)
        raise UsageError(f"unknown table {table!r}", hint=did_you_mean(table, known) or f"Known: {', '.join(known)}.")
    asked = TABLES.get(table)
    if asked.takes_name == "needed" and not name:
        raise UsageError(f"`vlmbench report {table}` needs a name", hint=f"vlmbench report {table} NAME")
    if name and not asked.takes_name:
        raise UsageError(f"the table {table!r} takes no name, not {name!r}", hint="Filter with --models and --tasks.")


def check_options(table: str, view: TableView) -> None:
    """Refuse an option that would change nothing: a user who gives it expects a change.

    Raises:
        UsageError: there is such an option; the message names the tables that it changes.
    """
    asked = TABLES.get(table)
    for option, spelt in OPTIONS.items():
        value, default = getattr(view, option), getattr(TableView(), option)
        changed = bool(value) if isinstance(default, tuple) else value != default
        if changed and option not in asked.options:
            others = ", ".join(each.name for each in tables() if option in each.options)
            raise UsageError(f"{spelt} changes nothing in the table {table!r}", hint=f"It does in: {others}.")
