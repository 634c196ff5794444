"""check_report_table and check_executor: ours keep all promises, and broken ones are caught."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from vlmbench.errors import UsageError
from vlmbench.reports.registry import TABLES, ReportTable, TableRequest
from vlmbench.reports.table_data import Column, Table
from vlmbench.run.executors.local import EXECUTOR
from vlmbench.run.job import Job
from vlmbench.run.pair import PairAnswer, answer_job
from vlmbench.run.process_state import ProcessState
from vlmbench.testing import ConformanceError, check_executor, check_report_table

CALLS = count()


def make(request: TableRequest) -> Table:
    rows = [[record.model.name, record.task.name] for record in request.entries.records]
    data = [{"model": record.model.name, "task": record.task.name} for record in request.entries.records]
    return Table("Pairs", [Column("model"), Column("task")], rows, data)


def changed(**fields: Callable[[Table], Any]) -> Callable[[TableRequest], Table]:
    """Makes the table with these fields in place of its own."""

    def changed_table(request: TableRequest) -> Table:
        table = make(request)
        return replace(table, **{name: value(table) for name, value in fields.items()})

    return changed_table


TABLE = ReportTable("pairs", "which pairs there are", make, frozenset())


@pytest.mark.parametrize("table", [*TABLES, TABLE])
def test_tables_keep_every_promise(table: str | ReportTable) -> None:
    name = {"model": "first", "task": "cats", "survey": ""}.get(table, "") if isinstance(table, str) else ""
    assert len(check_report_table(table, name=name).kept) >= (9 if name else 17)


FLAWS: dict[str, tuple[ReportTable, str]] = {
    "says nothing": (replace(TABLE, shows=" "), "It states what it shows"),
    "an option that is not one": (replace(TABLE, options=frozenset({"colour"})), "It states what it shows"),
    "a cell too many": (
        replace(TABLE, make=changed(rows=lambda table: [[*row, "?"] for row in table.rows])),
        "It makes a table of records",
    ),
    "another each time": (
        replace(TABLE, make=changed(rows=lambda table: [[row[0], str(next(CALLS))] for row in table.rows])),
        "It makes a table of records",
    ),
    "no title": (replace(TABLE, make=changed(title=lambda table: "")), "It makes a table of records"),
    "objects as data": (
        replace(TABLE, make=changed(data=lambda table: [{"model": object} for _ in table.rows])),
        "The data of the table of records",
    ),
    "crashes on nothing": (
        replace(TABLE, make=lambda request: make(request) if request.entries.records else 1 / 0),  # type: ignore[arg-type,return-value]
        "It makes a table of an empty results folder",
    ),
}


@pytest.mark.parametrize("flaw", FLAWS)
def test_a_broken_table_is_caught(flaw: str) -> None:
    table, promise = FLAWS[flaw]
    with pytest.raises(ConformanceError) as caught:
        check_report_table(table)
    assert any(each.promise.startswith(promise) for each in caught.value.broken), str(caught.value)


class Flawed:
    """An executor in this process."""

    def __init__(self, flaw: str) -> None:
        self.flaw = flaw

    def run(self, jobs: Iterable[Job], state: ProcessState) -> Generator[PairAnswer, None, None]:
        listed = list(jobs)
        if self.flaw == "needs a job":
            listed[0]
        for job in listed[1:] if self.flaw == "one too few" else listed:
            if self.flaw != "silent":
                state.listener.pair_started(job.model.name, job.task.name)
            answer = answer_job(job, state)
            try:
                yield replace(answer, number=0) if self.flaw == "numbers" else answer
            except GeneratorExit:
                if self.flaw == "goes on":
                    yield answer
                raise


def test_a_table_with_the_name_of_another_is_not_mistaken_for_it() -> None:
    table = replace(TABLES.get("classification"), make=lambda request: 1 / 0)  # type: ignore[arg-type, return-value]
    with pytest.raises(UsageError, match="'classification' is registered already"):
        check_report_table(table)


def test_executors_keep_every_promise() -> None:
    assert len(check_executor("local").kept) == len(check_executor(EXECUTOR).kept) == 3
    check_executor(lambda argument: Flawed(""))


EXECUTORS = {
    "one too few": "Every job has one answer",
    "numbers": "Every job has one answer",
    "silent": "Every job has one answer",
    "goes on": "If it is closed after the first answer",
    "needs a job": "An empty list of jobs has no answers",
}


@pytest.mark.parametrize("flaw", EXECUTORS)
def test_a_broken_executor_is_caught(flaw: str) -> None:
    with pytest.raises(ConformanceError) as caught:
        check_executor(lambda argument: Flawed(flaw))
    assert any(each.promise.startswith(EXECUTORS[flaw]) for each in caught.value.broken), str(caught.value)
