"""open_clip's result files: the tables of its documentation, and ``results.jsonl`` of its training."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vlmbench.errors import RecordError
from vlmbench.interchange.names import OPEN_CLIP_COLUMNS, OPEN_CLIP_RETRIEVAL, OPEN_CLIP_TRAINING, model_name
from vlmbench.interchange.results import Result, fraction

RETRIEVAL_TASKS = frozenset(task for task, _ in OPEN_CLIP_RETRIEVAL.values())


def read_results(path: Path, cards: Mapping[str, str], model: str | None = None) -> Iterator[Result | RecordError]:
    """What a file holds, one item a (model, task) pair; what is wrong with a row is its item.

    Args:
        path: ``openclip_results.csv``, ``openclip_classification_results.csv``, ``openclip_retrieval_results.csv``, or
            a ``results.jsonl``, of which the last line counts.
        cards: specs of open_clip cards to their names.
        model: the name of the model that was trained, which a ``results.jsonl`` does not say.

    Raises:
        RecordError: the file as a whole is none of open_clip's.
    """
    if path.suffix == ".csv":
        yield from _table(path, cards)
    else:
        yield from _training(path, model)


def _table(path: Path, cards: Mapping[str, str]) -> Iterator[Result | RecordError]:
    columns = {**OPEN_CLIP_COLUMNS, **OPEN_CLIP_RETRIEVAL}
    try:
        rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"), newline=""), strict=True))
    except (OSError, ValueError, csv.Error) as error:
        raise RecordError(f"{path}: cannot be read: {error}") from error
    if not rows or "name" not in rows[0] or "pretrained" not in rows[0] or not columns.keys() & rows[0].keys():
        raise RecordError(
            f"{path}: no results of open_clip", hint="They have columns name, pretrained and one a dataset."
        )
    for line, row in enumerate(rows, start=2):
        try:
            yield from _row(row, columns, f"{path}, line {line}", path.name, cards)
        except RecordError as error:
            yield error


def _row(
    row: Mapping[str, str], columns: Mapping[str, tuple[str, str]], where: str, file: str, cards: Mapping[str, str]
) -> list[Result]:
    by_task: dict[str, dict[str, float]] = {}
    for column, (task, metric) in columns.items():
        if row.get(column):
            by_task.setdefault(task, {})[metric] = fraction(row[column], f"{where}: {column}")
    return [
        Result(
            model=model_name(row["name"], row["pretrained"], cards),
            task=task,
            plugin=_plugin(task),
            metrics=metrics,
            spec=f"{row['name']}/{row['pretrained']}",
            protocol={"table": file},  # the same pair's other metrics may come from another table
        )
        for task, metrics in by_task.items()
    ]


def _training(path: Path, model: str | None) -> Iterator[Result | RecordError]:
    try:
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        last: Any = json.loads(lines[-1]) if lines else None
    except (OSError, ValueError, RecursionError) as error:
        raise RecordError(f"{path}: cannot be read: {error}") from error
    found = {key: value for key, value in last.items() if key in OPEN_CLIP_TRAINING} if isinstance(last, dict) else {}
    if not isinstance(last, dict) or not found:
        raise RecordError(
            f"{path}: no zero-shot results in its last line",
            hint="open_clip's training writes them with --imagenet-val or --imagenet-v2.",
        )
    if model is None:
        raise RecordError(f"{path}: does not say which model it is of", hint="Name it with --model.")
    by_task: dict[str, dict[str, float]] = {}
    for key, value in found.items():
        task, metric = OPEN_CLIP_TRAINING[key]
        by_task.setdefault(task, {})[metric] = fraction(value, f"{path}: {key}")
    for task, metrics in by_task.items():
        yield Result(model, task, _plugin(task), metrics, protocol={"epoch": last.get("epoch")})


def _plugin(task: str) -> str:
    return "retrieval" if task in RETRIEVAL_TASKS else "classification"
