"""Makes the ``base-to-new`` table: for each task, each method's accuracy on base and new classes, and H.

``vlmbench report`` prints it. Below the tasks are averages over all of them, with both H that papers print.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

from vlmbench.metrics.harmonic import BASE, HARMONIC, NEW, harmonic_mean
from vlmbench.records import Summary
from vlmbench.reports.adapted_groups import groups_of, how, named
from vlmbench.reports.cells import DASH, Cell, Label, Score
from vlmbench.reports.draws import Mean, harmonic_of, mean_over_draws, mean_over_tasks, newest_of_draws
from vlmbench.reports.registry import TableRequest
from vlmbench.reports.standing import LEAKY, LEAKY_TRACK, standing, unranked_of
from vlmbench.reports.table_data import Column, Table
from vlmbench.reports.table_view import Draft, TableRow, TableView, arranged
from vlmbench.transfer.asked import ZERO_SHOT

UNION = "acc1"
NOTES = (
    "base and new: accuracy among the classes of the image's own half; union: among all classes. The method learnt the "
    "base classes only. Numbers are means over draws, with intervals that cover draws and samples.",
    "H of averages: the harmonic mean of the averages of base and new; H mean: the average of the H of each draw and "
    "task. Papers print either. gain: H mean minus that of zero-shot.",
)


@dataclass(frozen=True)
class Key:
    """What a row is about, without the task.

    Attributes:
        detail: what tells it from other rows of the method, see :class:`~vlmbench.reports.adapted_groups.Group`.
    """

    model: str
    method: str
    track: str
    shots: int
    detail: str = ""


@dataclass(frozen=True)
class Halved:
    """One row: the means of one method.

    Attributes:
        harmonic: the mean of H over draws, and over tasks in an average.
        union: None: some record lacks it.
        start: zero-shot's H; None: it is not known, or draws have several.
        draws: the number of draws; of an average, the smallest of a task.
        unranked: remarks that leave it out of rankings.
        tasks: how many tasks it is the average of.
    """

    key: Key
    base: Mean
    new: Mean
    harmonic: Mean
    union: Mean | None
    start: float | None
    draws: int
    unranked: tuple[str, ...] = ()
    tasks: int = 1

    @property
    def of_averages(self) -> Mean:
        """H of the averages of base and new."""
        return harmonic_of(self.base, self.new)

    @property
    def gain(self) -> float | None:
        """Over zero-shot; None if that is not known."""
        return None if self.start is None else self.harmonic.value - self.start


@dataclass(frozen=True)
class Start:
    """Zero-shot's numbers with the same prompts and samples."""

    base: float
    new: float
    harmonic: float
    union: float | None


@dataclass(frozen=True)
class OfTask:
    """One model on one task.

    Attributes:
        start: None: not known, or records have several.
    """

    model: str
    task: str
    start: Start | None
    rows: Sequence[Halved]


def base_to_new_table(request: TableRequest) -> Table:
    """Rows of each task, zero-shot first, and then their averages.

    Raises:
        UsageError: the view names a column that the table does not have.
    """
    view = request.view
    found = halved(
        record
        for record in request.entries.records
        if view.wants_model(*record.model.names) and view.wants_task(record.task.name)
    )
    columns = [
        Column("model", heads=True, repeats=True),
        Column("task", repeats=True),
        Column("method", repeats=True),
        Column("track", spare=3),
        Column("K", "right"),
        Column("base", "right"),
        Column("new", "right"),
        Column("of averages", "right", group="H", spare=1),
        Column("mean", "right", group="H", strong=True),
        Column("union", "right", spare=2),
        Column("gain", "right"),
    ]
    every = [*found, *averages(found)]
    rows = [row for each in every for row in _rows(each, view)]
    draft = Draft(
        "Base to new",
        columns,
        rows,
        ranked=frozenset({"base", "new", "H of averages", "H mean", "union"}),
        notes=[*NOTES, *_average_note(found)],
        left_out=request.entries.left_out,
    )
    return arranged(draft, view)


def halved(records: Iterable[Summary]) -> list[OfTask]:
    """The records of the setting base-to-new by model and task, in the order of their first record."""
    by_task: dict[tuple[str, str], dict[Key, list[Summary]]] = {}
    fitting = (
        record
        for record in records
        if (info := record.transfer) is not None
        and info.setting == "base-to-new"
        and {BASE, NEW, HARMONIC} <= record.metrics.keys()
    )
    for group in groups_of(fitting):
        first, info = group.records[0], group.how
        rows = by_task.setdefault((first.model.name, first.task.name), {})
        for record in group.records:
            key = Key(first.model.name, info.method, info.track, how(record).shots, group.detail)
            rows.setdefault(key, []).append(record)
    return [_of_task(model, task, groups) for (model, task), groups in by_task.items()]


def _of_task(model: str, task: str, groups: Mapping[Key, list[Summary]]) -> OfTask:
    draws = {key: list(newest_of_draws(records).values()) for key, records in groups.items()}
    ordered = sorted(draws.items(), key=lambda each: (each[0].method, each[0].track, each[0].detail, each[0].shots))
    rows = [row for key, records in ordered if (row := _row(key, records)) is not None]
    return OfTask(model, task, _start(record for records in draws.values() for record in records), rows)


def _row(key: Key, records: Sequence[Summary]) -> Halved | None:
    base, new, harmonic = (mean_over_draws([r.metrics[name] for r in records]) for name in (BASE, NEW, HARMONIC))
    if base is None or new is None or harmonic is None:
        return None
    union = mean_over_draws([r.metrics[UNION] for r in records if UNION in r.metrics])
    start = _start(records)
    known = start.harmonic if start else None
    return Halved(key, base, new, harmonic, union, known, len(records), unranked_of(records))


def _start(records: Iterable[Summary]) -> Start | None:
    found = {
        tuple(
            None if (value := info.zero_shot.get(name)) is None else round(value, 12)
            for name in (BASE, NEW, HARMONIC, UNION)
        )
        for record in records
        if (info := record.transfer) is not None
    }
    if len(found) != 1:
        return None
    base, new, harmonic, union = found.pop()
    return None if base is None or new is None or harmonic is None else Start(base, new, harmonic, union)


def averages(found: Sequence[OfTask]) -> list[OfTask]:
    """For each model with several tasks, the averages of the methods that have all of these tasks."""
    made = []
    for model in dict.fromkeys(each.model for each in found):
        tasks = [each for each in found if each.model == model]
        if len(tasks) < 2:
            continue
        by_key: dict[Key, list[Halved]] = {}
        for task in tasks:
            for row in task.rows:
                by_key.setdefault(row.key, []).append(row)
        rows = [_average(key, own) for key, own in by_key.items() if len(own) == len(tasks)]
        starts = [task.start for task in tasks if task.start is not None]
        start = _average_start(starts) if len(starts) == len(tasks) else None
        made.append(OfTask(model, f"average of {len(tasks)}", start, rows))
    return made


def _average(key: Key, rows: Sequence[Halved]) -> Halved:
    unions, starts = [row.union for row in rows if row.union], [row.start for row in rows if row.start is not None]
    return Halved(
        key,
        mean_over_tasks([row.base for row in rows]),
        mean_over_tasks([row.new for row in rows]),
        mean_over_tasks([row.harmonic for row in rows]),
        mean_over_tasks(unions) if len(unions) == len(rows) else None,
        mean(starts) if len(starts) == len(rows) else None,
        min(row.draws for row in rows),
        tuple(dict.fromkeys(remark for row in rows for remark in row.unranked)),
        len(rows),
    )


def _average_start(starts: Sequence[Start]) -> Start:
    unions = [start.union for start in starts if start.union is not None]
    return Start(
        mean(start.base for start in starts),
        mean(start.new for start in starts),
        mean(start.harmonic for start in starts),
        mean(unions) if len(unions) == len(starts) else None,
    )


def _average_note(found: Sequence[OfTask]) -> list[str]:
    several = len({each.task for each in found}) > 1
    return ["A method has an average only if it has all tasks of its model."] if several else []


def _rows(of_task: OfTask, view: TableView) -> list[TableRow]:
    start = of_task.start
    rows = []
    if start is not None:
        numbers = (start.base, start.new, harmonic_mean(start.base, start.new), start.harmonic, start.union)
        cells: list[Cell] = [
            Label(of_task.model, origin="measured"),
            of_task.task,
            ZERO_SHOT,
            DASH,
            "0",
            *(DASH if value is None else Score(value, digits=view.digits, comparable=False) for value in numbers),
            DASH,
        ]
        names = ("base", "new", "h_of_averages", "mean_of_h", "union")
        datum = {"model": of_task.model, "task": of_task.task, "method": ZERO_SHOT, "shots": 0}
        rows.append(TableRow(cells, [{**datum, **dict(zip(names, numbers, strict=True))}]))
    return [*rows, *(_method_row(of_task, row, view) for row in of_task.rows)]


def _method_row(of_task: OfTask, row: Halved, view: TableView) -> TableRow:
    key = row.key
    leaky = (LEAKY,) if key.track == LEAKY_TRACK else ()
    stands = standing(key.track, row.draws, row.unranked)
    question = f"{of_task.model} {of_task.task} {key.track} {key.shots}"

    def score(found: Mean | None) -> Cell:
        if found is None:
            return DASH
        interval = found.interval if view.intervals else None
        return Score(
            found.value,
            interval,
            digits=view.digits,
            question=question,
            comparable=stands.comparable,
            notes=stands.notes,
        )

    means = {
        "base": row.base,
        "new": row.new,
        "h_of_averages": row.of_averages,
        "mean_of_h": row.harmonic,
        "union": row.union,
    }
    cells: list[Cell] = [
        Label(of_task.model, origin="measured"),
        of_task.task,
        named(key.method, key.detail),
        Label(key.track, notes=leaky, tone="bad" if leaky else ""),
        str(key.shots),
        *map(score, means.values()),
        DASH if row.gain is None else Score(row.gain, digits=view.digits, comparable=False, signed=True),
    ]
    datum: dict[str, object] = {
        "model": of_task.model,
        "task": of_task.task,
        "method": key.method,
        "detail": key.detail,
        "track": key.track,
        "shots": key.shots,
        "draws": row.draws,
        "tasks": row.tasks,
    }
    for name, found in means.items():
        datum |= {
            name: None if found is None else found.value,
            f"{name}_ci95_low": None if found is None else found.low,
            f"{name}_ci95_high": None if found is None else found.high,
        }
    return TableRow(cells, [{**datum, "zero_shot_h": row.start, "gain": row.gain, "leaky": bool(leaky)}])
