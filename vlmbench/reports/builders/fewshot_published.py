"""Makes the published rows of the ``fewshot`` table: numbers of papers on the same dataset, method and CLIP model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from vlmbench.records import ModelInfo
from vlmbench.reports.cells import DASH, Cell, Label, Score
from vlmbench.reports.curves import Curve
from vlmbench.reports.published import Published
from vlmbench.reports.scores import published_datum
from vlmbench.reports.table_view import TableRow, TableView
from vlmbench.transfer.asked import ZERO_SHOT
from vlmbench.wording import listed

SETTINGS = ("few-shot all classes", "zero-shot")
"""The settings of published numbers that answer the question of this table: all classes, learnt and tested."""
TRACK = "published"
SPLITS = (
    "Published numbers are accuracies on CoOp's splits, each with its authors' own draws and way to choose settings. "
    "They are never ranked, and are not comparable with other splits."
)
_EMPTY_AT_THE_END = 12
"""The columns after those of shots."""


def published_rows(
    curves: Sequence[Curve], shots: Sequence[int], numbers: Iterable[Published], view: TableView
) -> list[TableRow]:
    """One row for each method, CLIP model, dataset and source.

    Shown are numbers of the curves' datasets in the curves' metrics. If the view does not ask for all of them, the
    method and the CLIP model must be among those of the curves, too; of zero-shot only the model.
    """
    tasks = dict.fromkeys(curve.task for curve in curves)
    asked = {(curve.task, curve.metric) for curve in curves}
    run = {curve.method for curve in curves} | {ZERO_SHOT}
    backbones = {backbone_of(record.model) for curve in curves for point in curve.points for record in point.records}
    groups: dict[tuple[str, ...], list[Published]] = {}
    for number in numbers:
        said = number.variant
        if (number.task, number.metric) not in asked or not _of_this_question(number):
            continue
        matching = said.get("runs_as") in run and said["backbone"] in backbones
        if (matching or view.published == "all") and (view.flagged or not number.flag):
            groups.setdefault((number.task, said["backbone"], number.model, number.source, number.metric), []).append(
                number
            )
    order = list(tasks)
    rows = sorted(groups.items(), key=lambda group: (order.index(group[0][0]), group[0][1]))
    return [_row(own, shots, view) for _, own in rows if any(int(n.variant["shots"]) in (0, *shots) for n in own)]


def of_other_metrics(curves: Sequence[Curve], numbers: Iterable[Published]) -> list[str]:
    """A note on each dataset whose published numbers are all in metrics that its curves do not have."""
    ours: dict[str, list[str]] = {}
    for curve in curves:
        if curve.metric not in ours.setdefault(curve.task, []):
            ours[curve.task].append(curve.metric)
    theirs: dict[str, list[str]] = {}
    for number in numbers:
        if (
            number.task in ours
            and _of_this_question(number)
            and number.metric not in theirs.setdefault(number.task, [])
        ):
            theirs[number.task].append(number.metric)
    return [
        f"Published numbers of {task} are {listed(found, most=3)}. They are not shown, because the metric of the rows "
        f"is {listed(ours[task], most=3)}."
        for task, found in theirs.items()
        if not set(found) & set(ours[task])
    ]


def _of_this_question(number: Published) -> bool:
    return number.variant["setting"] in SETTINGS and "shots" in number.variant


def backbone_of(model: ModelInfo) -> str | None:
    """The name that papers give to OpenAI's CLIP model with these weights, such as "ViT-B/16"; None for other models.

    >>> from vlmbench.testing.toy_records import make_record
    >>> model = make_record("m", "t").model
    >>> [backbone_of(model.model_copy(update={"adapter": a, "spec": s})) for a, s in (
    ...     ("open_clip", "RN50-quickgelu/openai"), ("open_clip", "ViT-B-16/laion400m_e32"),
    ...     ("transformers", "openai/clip-vit-base-patch32"))]
    ['RN50', None, 'ViT-B/32']
    """
    own = re.fullmatch(r"(RN\w+|ViT-\w-\d+)(?:-quickgelu)?/openai", model.spec)
    if model.adapter == "open_clip" and own:
        return re.sub(r"^(ViT-\w)-", r"\1/", own[1])
    if found := re.fullmatch(r"openai/clip-vit-(base|large)-patch(\d+)", model.spec):
        return f"ViT-{found[1][0].upper()}/{found[2]}"
    return None


def _row(numbers: Sequence[Published], shots: Sequence[int], view: TableView) -> TableRow:
    by_shots = {int(number.variant["shots"]): number for number in numbers}
    first = numbers[0]
    draws = {number.variant["seeds"] for number in numbers if "seeds" in number.variant}
    count = int(draws.pop()) if len(draws) == 1 else 0
    said = [f"mean of {count} draws" if count > 1 else "one draw"] if count else []
    cells: list[Cell] = [
        Label(f"CLIP {first.variant['backbone']}", origin="published"),
        first.task,
        Label(first.model, notes=(first.source, *said)),
        Label(TRACK, tone="quiet"),
        first.metric,
        _score(by_shots[0], view) if 0 in by_shots else DASH,
        *(_score(by_shots[k], view) if k and k in by_shots else DASH for k in shots),
        *([DASH] * _EMPTY_AT_THE_END),
    ]
    return TableRow(cells, [published_datum(number) for number in numbers])


def _score(number: Published, view: TableView) -> Score:
    """A published number. Its flag and note are its footnotes; no number here is ranked, flagged or not."""
    return Score(
        number.value,
        origin="published",
        source=number.source,
        notes=tuple(filter(None, (number.flag, number.note))),
        comparable=False,
        digits=view.digits,
    )
