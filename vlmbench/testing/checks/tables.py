"""Checks a report table against :mod:`vlmbench.reports.registry`; authors of tables call :func:`check_report_table`."""

from __future__ import annotations

import json

from vlmbench.records import Record
from vlmbench.reports.entries import Entries, gather
from vlmbench.reports.registry import FORMATS, OPTIONS, TABLES, ReportTable, TableRequest, make_table
from vlmbench.reports.table_data import Table
from vlmbench.reports.table_view import TableView
from vlmbench.testing.conformance import Conformance, Inspection
from vlmbench.testing.one_entry import registered, require_entry
from vlmbench.testing.toy_records import make_failure, make_record
from vlmbench.wording import counted


def check_report_table(
    table: str | ReportTable, *, records: tuple[Record, ...] | None = None, name: str = ""
) -> Conformance:
    """Check everything that a report table promises.

    Args:
        table: its registered name, or the table itself.
        records: the records from which the table is made; None: toy records of two models on two tasks.
        name: the name of the model, task or list, if the table takes one.

    Raises:
        ConformanceError: promises are broken; it lists all of them.
        UsageError: another table has the name of the table that was given.
    """
    if isinstance(table, ReportTable):
        require_entry(TABLES, table.name, table, "the table")
    if isinstance(table, ReportTable) and table.name not in TABLES:
        with registered(TABLES, table.name, table):
            return check_report_table(table, records=records, name=name)
    found = TABLES.get(table) if isinstance(table, str) else table
    toys = tuple(
        make_record(model, task, id=f"{number:016x}", value=0.2 + 0.1 * number)
        for number, (model, task) in enumerate((m, t) for m in ("first", "second") for t in ("cats", "dogs"))
    )
    some = gather([*(records if records is not None else toys), make_failure("second", "birds")])
    inspection = Inspection(f"the table {found.name!r}")
    with inspection.promise(
        "It states what it shows, and which options change it", fix="Fill ReportTable.shows and options."
    ):
        inspection.require(isinstance(found.shows, str) and found.shows.strip(), f"shows is {found.shows!r}")
        strange = sorted(found.options - OPTIONS.keys())
        inspection.require(not strange, f"these are not options: {strange}")
    _check_made(inspection, found, TableRequest(name=name, entries=some, view=TableView()), "of records")
    words = "of an empty results folder"
    if name:
        inspection.skip(f"It makes a table {words}", f"an empty folder may have nothing about {name!r}")
    else:
        _check_made(inspection, found, TableRequest(name="", entries=Entries(), view=TableView()), words)
    return inspection.conclude()


def _check_made(inspection: Inspection, found: ReportTable, request: TableRequest, words: str) -> None:
    made: list[Table] = []
    with inspection.promise(
        f"It makes a table {words}, the same each time, with one cell for each column",
        fix="Return a Table in which each row has a cell for each column. Sort the rows, and use no random numbers.",
    ):
        table, again = make_table(found.name, request), make_table(found.name, request)
        inspection.require(isinstance(table, Table), f"it gives a {type(table).__name__}")
        inspection.require(isinstance(table.title, str) and table.title.strip(), f"the title is {table.title!r}")
        wrong = [row for row in table.rows if len(row) != len(table.columns)]
        inspection.require(
            not wrong,
            f"a row has {counted(len(wrong[0]) if wrong else 0, 'cell')}, but there are {len(table.columns)} columns",
        )
        inspection.require(again.rows == table.rows and again.data == table.data, "the second table differs")
        made.append(table)
    if not made:
        return
    with inspection.promise(
        f"The data of the table {words} consists of plain values for JSON and CSV",
        fix="Put texts, numbers and None into Table.data.",
    ):
        for row in made[0].data:
            inspection.require(isinstance(row, dict) and all(isinstance(key, str) for key in row), f"a row is {row!r}")
            json.dumps(row)
    for form in FORMATS.usable():
        with inspection.promise(f"The format {form.name} writes the table {words}", fix="Use vlmbench.reports.cells."):
            inspection.require(isinstance(form.write(made[0]), str), "it does not return a text")
