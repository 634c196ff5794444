"""Every table and every format by its name: those of this package, and what other packages add.

What a table shows is known without importing what makes it, so that the help is quick.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
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
}
"""Fields of a view that not every table has a use for, and how they are asked for. All others change every table."""
MEASURED = frozenset({"models", "tasks", "intervals", "digits"})
"""Those of tables that show what was measured."""
NUMBERS = MEASURED | {"published", "flagged"}
"""Those of tables that show published numbers, too."""


def _facts() -> ModelFacts:
    from vlmbench.reports.facts import ModelFacts

    return ModelFacts()


def _published() -> list[Published]:
    from vlmbench.reports.published import published

    return published()


@dataclass(frozen=True)
class TableRequest:
    """A table that a reader asked for.

    Attributes:
        name: of the model, task or list, for tables that take one.
        entries: of a results folder; empty where there is none.
        view: what is shown.
        store: the folder, where there is one.
        models: models named outright rather than by a pattern.
        tasks: the same of tasks.
        facts: of models.
        published: reads all published numbers.
    """

    name: str
    entries: Entries
    view: TableView
    store: ResultStore | None = None
    models: Sequence[str] = ()
    tasks: Sequence[str] = ()
    facts: ModelFacts = field(default_factory=_facts)
    published: Callable[[], Sequence[Published]] = _published


@dataclass(frozen=True)
class ReportTable:
    """One of the tables.

    Attributes:
        name: what the command line calls it.
        shows: what it shows, in a few words.
        make: how it is made; as ``"module:function"``, it is imported when the table is asked for.
        options: which of :data:`OPTIONS` change it.
        needs_records: it is empty without a results folder.
        takes_name: "needed" or "possible" where it is of one model, task or list; "" where it is not.
        place: in lists of tables, lowest first.
    """

    name: str
    shows: str
    make: Callable[[TableRequest], Table] | str
    options: frozenset[str] = frozenset(OPTIONS)
    needs_records: bool = False
    takes_name: Literal["needed", "possible", ""] = ""
    place: int = 100

    @property
    def usage(self) -> str:
        """How the command line asks for it."""
        return f"{self.name} NAME" if self.takes_name == "needed" else self.name


@dataclass(frozen=True)
class ReportFormat:
    """What a table may be written as.

    Attributes:
        name: what the command line calls it.
        write: the whole file.
        for_programs: it holds the table's ``data``, a row a number, and not its cells.
    """

    name: str
    write: Callable[[Table], str]
    for_programs: bool = False


FORMATS: Registry[ReportFormat] = Registry(
    "format", modules_in("reports/formats", "FORMAT"), group="vlmbench.report_formats"
)
TABLES: Registry[ReportTable] = Registry("table", modules_in("reports/tables", "TABLE"), group="vlmbench.reports")


def tables() -> list[ReportTable]:
    """All tables, in the order in which they are listed."""
    return sorted(TABLES.usable(), key=lambda table: (table.place, table.name))


def make_table(table: str, request: TableRequest) -> Table:
    """The table of this name.

    Raises:
        UsageError: there is none, a name is missing or too many, an option would change nothing, or a column is
            unknown.
    """
    check_table(table, request.name)
    check_options(table, request.view)
    make = TABLES.get(table).make
    made: Table = (load_target(make) if isinstance(make, str) else make)(request)
    return made


def check_table(table: str, name: str) -> None:
    """Refuse what cannot be before records are read.

    Raises:
        UsageError: there is no such table, or a name is missing or too many.
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
    """Refuse an option that would change nothing: who gives it expects something of it.

    Raises:
        UsageError: there is one; the tables that it changes are named.
    """
    asked = TABLES.get(table)
    for option, spelt in OPTIONS.items():
        value, default = getattr(view, option), getattr(TableView(), option)
        changed = bool(value) if isinstance(default, tuple) else value != default
        if changed and option not in asked.options:
            others = ", ".join(each.name for each in tables() if option in each.options)
            raise UsageError(f"{spelt} changes nothing in the table {table!r}", hint=f"It does in: {others}.")
