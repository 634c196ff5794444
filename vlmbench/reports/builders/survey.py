"""Describes a table of the survey: its columns, and the tasks whose records fill them.

The files in :mod:`vlmbench.reports.tables` each hold one description, and ``vlmbench report`` prints it.

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
        heading: the heading that the survey prints.
        task: the task of its published numbers and records.
        metric: the metric of that task.
        group: a heading over several columns.
        also: other tasks whose records are shown in this column with a note: their names to how they differ.
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
        title: its title.
        kind: the task plugin whose other records get columns of their own.
        table: the published table whose rows it prints; "" if the survey has no such table.
        questions: its columns of numbers.
        facts: the facts that are shown beside a model's name, in this order.
        own_protocols: whether its rows quote papers with different protocols, which are ranked among themselves only.
        note: a line under the table.
        group_by: what its rows are grouped by if the reader does not choose.
        without_numbers: rows without any number in the survey; they are left out.
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
    """The table of ``vlmbench report`` for a table of the survey; it has the models of a results folder, too."""

    def make(request: TableRequest) -> Table:
        made: Table = load_target("vlmbench.reports.builders.survey_results:survey_results_table")(survey, request)
        return made

    return ReportTable(name, shows, make, NUMBERS, place=place)
