"""Makes the survey's tables of results, models against tasks, from published numbers and records together.

``vlmbench report`` prints them under the names of their kinds of task, such as ``classification`` and ``ovd``.

The survey is Zhang et al., arXiv 2304.00685.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from vlmbench.asked import remarks_of
from vlmbench.records import Failure, ModelInfo, Summary
from vlmbench.remarks.base import Remark
from vlmbench.reports.builders.survey import Question, SurveyTable
from vlmbench.reports.cells import DASH, Cell, Label, Origin, Score, plain
from vlmbench.reports.entries import Entries, origin
from vlmbench.reports.facts import FACTS, ModelFacts, fact_columns
from vlmbench.reports.notes import shared, without
from vlmbench.reports.registry import TableRequest
from vlmbench.reports.scores import (
    ZERO_SHOT,
    failed_datum,
    failed_run,
    failed_score,
    measured_datum,
    measured_score,
    published_datum,
    published_score,
)
from vlmbench.reports.table_data import Column, Table
from vlmbench.reports.table_view import Draft, TableRow, TableView, arranged


@dataclass
class Line:
    """A row in the making: scores and data by the place of their question.

    Attributes:
        without: plain values of a row that has no number, and is shown all the same.
    """

    name: str
    origin: Origin
    model: str
    variant: Mapping[str, str] = field(default_factory=dict)
    info: ModelInfo | None = None
    notes: tuple[str, ...] = ()
    scores: dict[int, Score] = field(default_factory=dict)
    data: dict[int, dict[str, object]] = field(default_factory=dict)
    dates: dict[int, str] = field(default_factory=dict)
    without: dict[str, object] = field(default_factory=dict)


MoreLines = Callable[[Sequence[Question], Sequence[Line], TableRequest], Sequence[Line]]
"""From the columns, and the lines of published numbers, to lines that follow the measured ones. It may add notes to the
published lines."""


def no_more(questions: Sequence[Question], printed: Sequence[Line], request: TableRequest) -> Sequence[Line]:
    """No lines."""
    return ()


def survey_results_table(spec: SurveyTable, request: TableRequest, more: MoreLines = no_more) -> Table:
    """One of the survey's tables: its rows as printed, then other published numbers, then measured numbers.

    Records of adapted models are left to ``more``.

    Raises:
        UsageError: the view names a column that the table does not have.
    """
    entries, view, facts = request.entries.zero_shot, request.view, request.facts
    questions = _questions(spec, entries, view)
    printed = [] if view.published == "none" else _published_lines(spec, questions, request)
    said = _say_once([line for line in printed if not line.notes])
    if said and spec.without_numbers:
        said.append(f"Rows of the survey without a number, left out here: {spec.without_numbers}")
    measured = _measured_lines(spec, questions, entries, view)
    added = more(questions, printed, request)
    lines = [line for line in (*printed, *measured, *added) if line.scores or line.without]
    used = [place for place in range(len(questions)) if any(place in line.scores for line in lines)]
    rows = [_row(line, used, facts) for line in lines]
    columns = [
        Column("model", repeats=True),
        *_telling_apart(fact_columns(), spec.facts, rows),
        *(Column(questions[place].heading, "right", group=questions[place].group) for place in used),
    ]
    return arranged(
        Draft(
            title=spec.title,
            columns=columns,
            rows=rows,
            hidden=frozenset(FACTS) - frozenset(spec.facts) | _unknown(rows),
            ranked=frozenset(columns[i].full_name for i in range(len(columns) - len(used), len(columns))),
            notes=[*said, *([spec.note] if spec.note and lines else [])],
            left_out=entries.left_out,
        ),
        view if view.group_by or not spec.group_by else replace(view, group_by=spec.group_by),
    )


def _telling_apart(columns: Sequence[Column], printed: Sequence[str], rows: Sequence[TableRow]) -> list[Column]:
    """The columns of facts: a fact in which rows of one name differ is always shown beside the name."""
    names = Counter(plain(row.cells[0]) for row in rows)
    same = [row for row in rows if names[plain(row.cells[0])] > 1]
    made = []
    for place, column in enumerate(columns, start=1):
        kinds: dict[str, set[str]] = {}
        for row in same:
            kinds.setdefault(plain(row.cells[0]), set()).add(plain(row.cells[place]))
        needed = column.name in printed and any(len(kind) > 1 for kind in kinds.values())
        made.append(replace(column, repeats=True, spare=0) if needed else column)
    return made


def _unknown(rows: Sequence[TableRow]) -> frozenset[str]:
    """Facts that are unknown in every row."""
    return frozenset(
        name for place, name in enumerate(FACTS, start=1) if all(plain(row.cells[place]) in ("", DASH) for row in rows)
    )


def _say_once(lines: Sequence[Line]) -> list[str]:
    """Notes that hold for all of the survey's rows, and their source. They are removed from the single numbers."""
    notes = shared(score for line in lines for score in line.scores.values())
    for line in lines:
        line.scores = {place: without(score, notes) for place, score in line.scores.items()}
    sources = "; ".join(dict.fromkeys(score.source for line in lines for score in line.scores.values()))
    return [*(f"The survey's rows: {note}" for note in notes), *([f"Source: {sources}"] if sources else [])]


def _questions(spec: SurveyTable, entries: Entries, view: TableView) -> list[Question]:
    """The table's own columns, then one column for each other task of this kind that was run."""
    known = {question.task for question in spec.questions}
    others = {
        record.task.name: record.main_metric
        for record in entries.records
        if record.task.plugin == spec.kind and record.task.name not in known
    }
    every = [*spec.questions, *(Question(task, task, metric) for task, metric in sorted(others.items()))]
    return [q for q in every if view.wants_task(q.task) or any(view.wants_task(task) for task in q.also)]


def _published_lines(spec: SurveyTable, questions: Sequence[Question], request: TableRequest) -> list[Line]:
    """The survey's rows first, then rows of other sources: of the models that were run, or of all models."""
    view, facts = request.view, request.facts
    places = {(question.task, question.metric): place for place, question in enumerate(questions)}
    run = {record.model.name for record in request.entries.records}
    own: dict[tuple[object, ...], Line] = {}
    others: dict[tuple[object, ...], Line] = {}
    for found in request.published():
        place = places.get((found.task, found.metric))
        mine = found.table == spec.table
        if place is None or not (mine or view.published == "all" or found.model in run):
            continue
        if (found.flag and not view.flagged) or not view.wants_model(found.model, facts.title(found.model)):
            continue
        key = (found.model, found.table, tuple(sorted(found.variant.items())))
        name = facts.title(found.model) if mine else found.model
        line = (own if mine else others).setdefault(key, Line(name, "published", found.model, found.variant))
        score = published_score(found, view)
        line.scores[place] = (
            replace(score, question=spec.table) if mine and not score.question and spec.own_protocols else score
        )
        line.data[place] = published_datum(found)
    for line in others.values():
        source = next(iter(line.scores.values())).source
        line.notes = (source,)
    return [*own.values(), *others.values()]


def _measured_lines(spec: SurveyTable, questions: Sequence[Question], entries: Entries, view: TableView) -> list[Line]:
    """One line a model and way of running it. If two records belong into a cell, the later is shown."""
    places: dict[str, list[int]] = {}
    for place, question in enumerate(questions):
        for task in (question.task, *question.also):
            places.setdefault(task, []).append(place)
    lines: dict[tuple[object, ...], Line] = {}
    for record in entries.records:
        if record.task.name not in places or not view.wants_model(*record.model.names):
            continue
        remarks = remarks_of(record)
        everywhere = tuple(remark.brief for remark in remarks if remark.everywhere)
        here = [remark for remark in remarks if not remark.everywhere]
        limit = record.run.limit
        key = (record.model.name, origin(record), limit, everywhere)
        line = lines.setdefault(
            key, Line(record.model.name, origin(record), record.model.name, info=record.model, notes=everywhere)
        )
        for place in places[record.task.name]:
            if questions[place].metric in record.metrics and record.run.started >= line.dates.get(place, ""):
                line.dates[place] = record.run.started
                line.scores[place] = _measured_cell(spec, questions[place], record, here, view)
                line.data[place] = measured_datum(record, questions[place].metric)
    for failure in entries.failures:
        if failure.task in places and view.wants_model(failure.model):
            _note_failure(lines, failure, places[failure.task])
    return sorted(lines.values(), key=lambda line: (line.name.casefold(), line.notes))


def _measured_cell(
    spec: SurveyTable, question: Question, record: Summary, remarks: Sequence[Remark], view: TableView
) -> Score:
    score = measured_score(record, question.metric, view, remarks=remarks)
    differs = question.also.get(record.task.name)
    if differs:
        score = replace(score, notes=(f"{record.task.name}: {differs}", *score.notes))
    if not spec.own_protocols:
        return score
    return replace(score, question=ZERO_SHOT if spec.table == "survey-9" else "measured")


def _note_failure(lines: dict[tuple[object, ...], Line], failure: Failure, places: Iterable[int]) -> None:
    """Note a pair that gave no number in the model's first line."""
    own = next((line for line in lines.values() if line.model == failure.model and line.origin == "measured"), None)
    if own is None:
        own = lines.setdefault((failure.model,), Line(failure.model, "measured", failure.model))
    for place in places:
        if place not in own.scores:
            own.scores[place] = failed_score(failure, notes=(f"{failure.task}: {failed_run(failure)}",))
            own.data[place] = failed_datum(failure)


def _row(line: Line, used: Sequence[int], facts: ModelFacts) -> TableRow:
    missing = Score(None, origin=line.origin)
    cells: list[Cell] = [
        Label(line.name, notes=line.notes, origin=line.origin),
        *facts.row(line.model, variant=line.variant, info=line.info),
        *(line.scores.get(place, missing) for place in used),
    ]
    data = [line.data[place] for place in used if place in line.data]
    return TableRow(cells, data or ([line.without] if line.without else []))
