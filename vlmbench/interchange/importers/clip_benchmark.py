"""Reads results of CLIP_benchmark: its JSON files, or the CSV that ``clip_benchmark build`` makes of them.

``vlmbench import clip_benchmark`` uses it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vlmbench.errors import RecordError
from vlmbench.interchange.files import Row, parse_json, parse_table, read_text
from vlmbench.interchange.names import metric_name, model_name, task_name
from vlmbench.interchange.registry import Importer
from vlmbench.interchange.results import Result, fraction, is_missing

PLUGINS = {"zeroshot_classification": "classification", "zeroshot_retrieval": "retrieval"}
"""Its tasks that vlmbench has. It also trains linear probes and scores captions."""
DESCRIBED = ("dataset", "model", "pretrained", "task")
NOT_METRICS = frozenset({*DESCRIBED, "language", "model_fullname", "classnames", "templates"})
ENGLISH = "en"
_INDEX = re.compile(r"(Unnamed: [0-9]+.*|index|level_[0-9]+)?")
"""Columns that pandas adds when it writes a table with its row numbers, and reads it back."""
HINT = f"It has {', '.join(DESCRIBED)} and metrics."


def read_results(path: Path, cards: Mapping[str, str], model: str | None = None) -> Iterator[Result | RecordError]:
    """The evaluations in a file: one item each, a result or the error that says what is wrong with it.

    ``model`` is not used: the files name their models.

    Raises:
        RecordError: the file is not a result file of CLIP_benchmark.
    """
    for where, evaluation in _evaluations(path):
        try:
            yield _result(evaluation, where, cards)
        except RecordError as error:
            yield error


def _evaluations(path: Path) -> Iterator[tuple[str, dict[str, Any] | RecordError]]:
    """The place of each evaluation in the file, and its JSON object."""
    text = read_text(path)
    if path.suffix.lower() != ".csv":
        data = parse_json(text, path)
        if not isinstance(data, dict):
            raise RecordError(f"{path}: not a result of CLIP_benchmark: the JSON is not an object", hint=HINT)
        yield str(path), data
        return
    columns, rows = parse_table(text, path)
    if missing := [name for name in DESCRIBED if name not in columns]:
        raise RecordError(f"{path}: not results of CLIP_benchmark: there is no column {', '.join(missing)}", hint=HINT)
    for where, row in rows:
        yield where, row if isinstance(row, RecordError) else _of_row(row)


def _of_row(row: Row) -> dict[str, Any]:
    """A row of the CSV as the JSON object that it was made from."""
    cells = {name: value for name, value in row.items() if value}
    metrics = {name: value for name, value in cells.items() if name not in NOT_METRICS}
    return {**{name: value for name, value in cells.items() if name in NOT_METRICS}, "metrics": metrics}


def _result(evaluation: Mapping[str, Any] | RecordError, where: str, cards: Mapping[str, str]) -> Result:
    if isinstance(evaluation, RecordError):
        raise evaluation
    missing = [name for name in DESCRIBED if not _is_name(evaluation.get(name))]
    metrics = evaluation.get("metrics")
    if isinstance(metrics, dict):
        metrics = {name: value for name, value in metrics.items() if not _INDEX.fullmatch(name)}
    if missing or not isinstance(metrics, dict) or not all([metrics, *map(_is_name, metrics)]):
        raise RecordError(
            f"{where}: not a result of CLIP_benchmark: there is no {', '.join(missing) or 'metrics'}", hint=HINT
        )
    kind = evaluation["task"]
    if kind not in PLUGINS:
        raise RecordError(f"{where}: a result of {kind!r}, which is not a zero-shot task of vlmbench")
    language = evaluation.get("language") or ENGLISH
    if not _is_name(language):
        raise RecordError(f"{where}: language is {language!r}, which is not the name of a language")
    task = task_name(evaluation["dataset"])
    numbers = {name: value for name, value in metrics.items() if not is_missing(value)} or metrics
    return Result(
        model=model_name(evaluation["model"], evaluation["pretrained"], cards),
        # Class names and prompts of another language are another question.
        task=task if language == ENGLISH else f"{task}:{language}",
        plugin=PLUGINS[kind],
        metrics={metric_name(name): fraction(value, f"{where}: {name}") for name, value in numbers.items()},
        left_out=[metric_name(name) for name in metrics if name not in numbers],
        spec=f"{evaluation['model']}/{evaluation['pretrained']}",
        protocol={"dataset": evaluation["dataset"], "language": language},
    )


def _is_name(value: object) -> bool:
    """Whether it is text with something after its last slash."""
    return isinstance(value, str) and bool(value.rpartition("/")[2].strip())


IMPORTER = Importer(
    "clip_benchmark", "its JSON files, or the CSV that `clip_benchmark build` makes of them", read_results
)
