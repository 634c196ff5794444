"""Reads results of open_clip: the tables of its documentation, and the ``results.jsonl`` of a training run.

``vlmbench import open_clip`` uses it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from vlmbench.errors import RecordError
from vlmbench.interchange.files import Row, parse_json, parse_table, read_text
from vlmbench.interchange.names import OPEN_CLIP_COLUMNS, OPEN_CLIP_RETRIEVAL, OPEN_CLIP_TRAINING, model_name
from vlmbench.interchange.registry import Importer
from vlmbench.interchange.results import Result, fraction, is_missing

RETRIEVAL_TASKS = frozenset(task for task, _ in OPEN_CLIP_RETRIEVAL.values())
TABLES = (("zero-shot", OPEN_CLIP_COLUMNS), ("retrieval", OPEN_CLIP_RETRIEVAL))
"""The tables of its documentation. Two files repeat the same zero-shot numbers. The third has other metrics of the same
retrieval tasks, so a record of one table must not replace a record of the other."""
DESCRIBED = ("name", "pretrained")


def read_results(path: Path, cards: Mapping[str, str], model: str | None = None) -> Iterator[Result | RecordError]:
    """The results in a file: one item for each (model, task) pair, or the error that says what is wrong with a row.

    Args:
        path: ``openclip_results.csv``, ``openclip_classification_results.csv``, ``openclip_retrieval_results.csv``, or
            a ``results.jsonl``, whose last line counts.
        cards: the specs of open_clip cards to the cards' names.
        model: the name of the model that was trained, which a ``results.jsonl`` does not say.

    Raises:
        RecordError: the file is not a result file of open_clip.
    """
    text = read_text(path)
    if path.suffix.lower() == ".csv":
        yield from _table(text, path, cards)
    else:
        yield from _training(text, path, model)


def _table(text: str, path: Path, cards: Mapping[str, str]) -> Iterator[Result | RecordError]:
    columns, rows = parse_table(text, path)
    if not set(columns).issuperset(DESCRIBED) or not any(of_table.keys() & set(columns) for _, of_table in TABLES):
        raise RecordError(
            f"{path}: not results of open_clip",
            hint="Its tables have the columns name, pretrained, and one column a dataset.",
        )
    for where, row in rows:
        try:
            yield from _row(row, where, cards)
        except RecordError as error:
            yield error


def _row(row: Row | RecordError, where: str, cards: Mapping[str, str]) -> list[Result]:
    if isinstance(row, RecordError):
        raise row
    if missing := [name for name in DESCRIBED if not row[name].strip()]:
        raise RecordError(f"{where}: there is no {', '.join(missing)}")
    return [
        Result(
            model=model_name(row["name"], row["pretrained"], cards),
            task=task,
            plugin=_plugin(task),
            metrics=metrics,
            spec=f"{row['name']}/{row['pretrained']}",
            protocol={"table": table},
            left_out=_left_out(row, of_table, task),
        )
        for table, of_table in TABLES
        for task, metrics in _by_task(row, of_table, where).items()
    ]


def _training(text: str, path: Path, model: str | None) -> Iterator[Result | RecordError]:
    lines = [line for line in text.splitlines() if line.strip()]
    last = parse_json(lines[-1], path) if lines else None
    if not isinstance(last, dict) or not last.keys() & OPEN_CLIP_TRAINING.keys():
        raise RecordError(
            f"{path}: there are no zero-shot results in the last line",
            hint="open_clip's training writes them with --imagenet-val or --imagenet-v2.",
        )
    if model is None:
        raise RecordError(f"{path}: the file does not say which model it is of", hint="Name it with --model.")
    epoch = last.get("epoch")
    for task, metrics in _by_task(last, OPEN_CLIP_TRAINING, str(path)).items():
        yield Result(
            model,
            task,
            _plugin(task),
            metrics,
            protocol={"epoch": epoch if isinstance(epoch, int) else None},
            left_out=_left_out(last, OPEN_CLIP_TRAINING, task),
        )


def _by_task(
    found: Mapping[str, object], places: Mapping[str, tuple[str, str]], where: str
) -> dict[str, dict[str, float]]:
    """Tasks to metrics to values, for the places that have a value."""
    by_task: dict[str, dict[str, float]] = {}
    for place, (task, metric) in places.items():
        if not is_missing(found.get(place)):
            by_task.setdefault(task, {})[metric] = fraction(found[place], f"{where}: {place}")
    return by_task


def _left_out(found: Mapping[str, object], places: Mapping[str, tuple[str, str]], task: str) -> list[str]:
    """The task's metrics without a number in the file. An empty cell does not count: most models lack most tables."""
    asked = {place: metric for place, (of_task, metric) in places.items() if of_task == task}
    return [metric for place, metric in asked.items() if found.get(place, "") != "" and is_missing(found[place])]


def _plugin(task: str) -> str:
    return "retrieval" if task in RETRIEVAL_TASKS else "classification"


IMPORTER = Importer(
    "open_clip",
    "the tables of its documentation (openclip_results.csv, …), or results.jsonl of a training run",
    read_results,
)
