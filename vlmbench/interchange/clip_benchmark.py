"""CLIP_benchmark's result files: one JSON an evaluation, or the CSV that ``clip_benchmark build`` makes of them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vlmbench.errors import RecordError
from vlmbench.interchange.names import metric_name, model_name, task_name
from vlmbench.interchange.results import Result, fraction

PLUGINS = {"zeroshot_classification": "classification", "zeroshot_retrieval": "retrieval"}
"""Its tasks that are ours; it also trains linear probes and scores captions."""
DESCRIBED = ("dataset", "model", "pretrained", "task")
NOT_METRICS = frozenset({*DESCRIBED, "language", "model_fullname", "classnames", "templates"})
ENGLISH = "en"
HINT = f"It has {', '.join(DESCRIBED)} and metrics."


def read_results(path: Path, cards: Mapping[str, str]) -> Iterator[Result | RecordError]:
    """What a file holds, one item an evaluation; what is wrong with one is its item.

    Args:
        path: a ``.json`` or a ``.csv`` file.
        cards: specs of open_clip cards to their names.

    Raises:
        RecordError: the file as a whole is none of CLIP_benchmark's.
    """
    for where, evaluation in _evaluations(path):
        try:
            yield _result(evaluation, where, cards)
        except RecordError as error:
            yield error


def _evaluations(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """Each evaluation as its JSON has it, and where it stands."""
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".csv":
            return _rows(text, path)
        data = json.loads(text)
    except (OSError, ValueError, csv.Error, RecursionError) as error:
        raise RecordError(f"{path}: cannot be read: {error}") from error
    if not isinstance(data, dict):
        raise RecordError(f"{path}: no result of CLIP_benchmark, which is an object", hint=HINT)
    return [(str(path), data)]


def _rows(text: str, path: Path) -> list[tuple[str, dict[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    missing = [name for name in DESCRIBED if name not in (reader.fieldnames or ())]
    if missing:
        raise RecordError(f"{path}: no results of CLIP_benchmark: no column {', '.join(missing)}", hint=HINT)
    return [(f"{path}, line {reader.line_num}", _of_row(row)) for row in reader]


def _of_row(row: Mapping[str | None, Any]) -> dict[str, Any]:
    """A row of the CSV as the JSON that it was made of."""
    cells = {name: value for name, value in row.items() if name is not None and value not in (None, "")}
    metrics = {name: value for name, value in cells.items() if name not in NOT_METRICS}
    return {**{name: value for name, value in cells.items() if name in NOT_METRICS}, "metrics": metrics}


def _result(evaluation: Mapping[str, Any], where: str, cards: Mapping[str, str]) -> Result:
    missing = [name for name in DESCRIBED if not isinstance(evaluation.get(name), str) or not evaluation[name]]
    metrics = evaluation.get("metrics")
    if missing or not isinstance(metrics, dict) or not metrics:
        raise RecordError(f"{where}: no result of CLIP_benchmark: no {', '.join(missing) or 'metrics'}", hint=HINT)
    kind = evaluation["task"]
    if kind not in PLUGINS:
        raise RecordError(f"{where}: a result of {kind!r}, which is no zero-shot task of ours")
    language = evaluation.get("language") or ENGLISH
    task = task_name(evaluation["dataset"])
    spec = f"{evaluation['model']}/{evaluation['pretrained']}"
    return Result(
        model=model_name(evaluation["model"], evaluation["pretrained"], cards),
        # Class names and prompts of another language are another question.
        task=task if language == ENGLISH else f"{task}:{language}",
        plugin=PLUGINS[kind],
        metrics={metric_name(name): fraction(value, f"{where}: {name}") for name, value in metrics.items()},
        spec=spec,
        protocol={"dataset": evaluation["dataset"], "language": str(language)},
    )
