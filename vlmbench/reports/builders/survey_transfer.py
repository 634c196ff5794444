"""Makes the table of ``vlmbench report transfer``: the survey's Table 9, and what was measured here beside it.

Measured rows stand in groups of their own, one for each track and number of shots. They are ranked with rows of the
same model, track and shots, and never with published rows. Methods of the survey's Table 4 that do not run here say
why.

The survey is Zhang et al., arXiv 2304.00685.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vlmbench.records import Summary
from vlmbench.registry import load_target
from vlmbench.reports.builders.fewshot import datum
from vlmbench.reports.builders.survey import Question
from vlmbench.reports.builders.survey_results import Line, survey_results_table
from vlmbench.reports.cells import Score
from vlmbench.reports.curves import Curve, Point, curves_of, in_order
from vlmbench.reports.published import survey_methods_reasons
from vlmbench.reports.registry import TableRequest
from vlmbench.reports.standing import LEAKY, LEAKY_TRACK, standing
from vlmbench.reports.table_view import TableView
from vlmbench.reports.tables.transfer import SURVEY
from vlmbench.transfer.asked import TRACKS, ZERO_SHOT

if TYPE_CHECKING:
    from vlmbench.reports.table_data import Table

NOT_HERE = "does not run here"


def transfer_table(request: TableRequest) -> Table:
    """The survey's rows, zero-shot records, adapted records, and the methods that do not run here.

    Raises:
        UsageError: the view names a column that the table does not have.
    """
    return survey_results_table(SURVEY, request, _more_lines)


def _more_lines(questions: Sequence[Question], printed: Sequence[Line], request: TableRequest) -> list[Line]:
    missing = {} if request.view.published == "none" else reasons()
    for line in printed:
        if line.model in missing:
            line.notes = (*line.notes, f"{NOT_HERE}: {missing[line.model]}")
    there = {line.model for line in printed}
    rest = {
        method: reason for method, reason in missing.items() if method not in there and request.view.wants_model(method)
    }
    return [*_adapted_lines(questions, request), *_without_numbers(rest)]


def reasons() -> dict[str, str]:
    """By the survey's name, why a transfer method of its Table 4 does not run here.

    A method runs here if a transfer method of its names is registered, in this package or in another one.
    """
    registered: Any = load_target("vlmbench.transfer:METHODS")
    return {
        method: row["reason"]
        for method, row in survey_methods_reasons().items()
        if not any(name in registered for name in row["runs_as"].split(";"))
    }


def _without_numbers(missing: Mapping[str, str]) -> list[Line]:
    return [
        Line(
            method,
            "published",
            method,
            {"setup": NOT_HERE},
            notes=(reason,),
            without={"model": method, "status": NOT_HERE, "reason": reason, "origin": "published"},
        )
        for method, reason in missing.items()
    ]


def _adapted_lines(questions: Sequence[Question], request: TableRequest) -> list[Line]:
    """For each model, track and number of shots: zero-shot, then a line for each method and each of its settings."""
    view = request.view
    places = {(question.task, question.metric): place for place, question in enumerate(questions)}
    groups: dict[tuple[str, str, int], dict[str, Line]] = {}
    starts: dict[tuple[str, str, int], dict[int, set[float | None]]] = {}
    for curve in in_order(curves_of(_with_metric(request.entries.records, places))):
        place = places.get((curve.task, curve.metric))
        if place is None or not view.wants_model(curve.model, curve.method):
            continue
        point = curve.points[-1]
        key = (curve.model, curve.track, point.shots)
        lines = groups.setdefault(key, {ZERO_SHOT: _line(curve, point, ZERO_SHOT)})
        line = lines.setdefault(curve.named, _line(curve, point, curve.named))
        line.scores[place] = _score(curve, point, view)
        line.data[place] = datum(curve, point)
        start = None if curve.zero_shot is None else round(curve.zero_shot, 12)
        starts.setdefault(key, {}).setdefault(place, set()).add(start)
    for key, found in starts.items():
        for place, values in found.items():
            value = values.pop() if len(values) == 1 else None
            if value is not None:
                groups[key][ZERO_SHOT].scores[place] = Score(value, digits=view.digits, comparable=False)
    order: dict[str, int] = {track: place for place, track in enumerate(TRACKS)}
    keys = sorted(groups, key=lambda key: (order.get(key[1], len(order)), key[2], key[0]))
    return [groups[key][method] for key in keys for method in groups[key]]


def _with_metric(records: Sequence[Summary], places: Mapping[tuple[str, str], int]) -> list[Summary]:
    """Adapted records on the table's tasks, each with the column's metric as its main one if it has it."""
    metrics = dict(places)
    found = []
    for record in records:
        column = next((metric for task, metric in metrics if task == record.task.name), None)
        if record.transfer is not None and column in record.metrics:
            found.append(record.model_copy(update={"main_metric": column}))
    return found


def _line(curve: Curve, point: Point, method: str) -> Line:
    shots = f"{point.shots}-shot" if point.shots else "no shots"
    leaky = (LEAKY,) if curve.track == LEAKY_TRACK and method != ZERO_SHOT else ()
    setup = f"measured here: {shots}, {curve.track}"
    info = point.records[0].model
    return Line(f"{method} ({curve.model})", "measured", curve.model, {"setup": setup}, info=info, notes=leaky)


def _score(curve: Curve, point: Point, view: TableView) -> Score:
    stands = standing(curve.track, len(point.values), point.unranked)
    return Score(
        point.mean,
        interval=point.interval if view.intervals else None,
        digits=view.digits,
        question=f"measured: {curve.model} {curve.track} {point.shots}",
        comparable=stands.comparable,
        notes=stands.notes,
    )
