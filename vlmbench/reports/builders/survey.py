"""What a table of the survey is: the columns that it prints, and which tasks answer them.

Source: Zhang et al., "Vision-Language Models for Vision Tasks: A Survey", arXiv 2304.00685, Tables 6 to 11.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vlmbench.registry import load_target
from vlmbench.reports.registry import NUMBERS, ReportTable, TableRequest

if TYPE_CHECKING:
    from vlmbench.reports.table_data import Table


@dataclass(frozen=True)
class Question:
    """One column of numbers.

    Attributes:
        heading: as the survey prints it.
        task: the task that published numbers and records answer.
        metric: of that task.
        group: a heading over several columns.
        also: other tasks whose records stand in this column, marked: their names to how they differ.
    """

    heading: str
    task: str
    metric: str
    group: str = ""
    also: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SurveyTable:
    """One table of models against tasks.

    Attributes:
        title: of the table.
        kind: the task plugin whose other records get columns of their own.
        table: the published table whose rows it prints; "" where the survey has none.
        questions: its columns of numbers.
        facts: what stands beside a model's name, in the order in which it is printed.
        own_protocols: its rows quote papers with protocols of their own, so that they are ranked among themselves.
        note: a line under the table.
        group_by: what its rows are grouped by where a reader does not say.
        without_numbers: rows that the survey prints without any number, which are left out.
    """

    title: str
    kind: str
    table: str
    questions: Sequence[Question]
    facts: Sequence[str] = ("image encoder", "text encoder", "data size")
    own_protocols: bool = False
    note: str = ""
    group_by: str = ""
    without_numbers: str = ""


def survey_report(name: str, shows: str, survey: SurveyTable, *, place: int) -> ReportTable:
    """One of these tables as a table of ``vlmbench report``, with the models of a results folder."""

    def make(request: TableRequest) -> Table:
        made: Table = load_target("vlmbench.reports.builders.survey_results:survey_results_table")(survey, request)
        return made

    return ReportTable(name, shows, make, NUMBERS, place=place)
