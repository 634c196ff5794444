"""What of a record's file no schema can check: keys that stand twice, numbers that are none, another record's place.

A folder may hold thousands of records, so that their thousands of classes are not looked at one by one.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from pydantic_core import from_json, to_json

from vlmbench.errors import RecordError
from vlmbench.paths import lies_beside, safe_name
from vlmbench.records import Failure, Summary

_LONGEST_REASON = 300


def cut(text: str) -> str:
    """One line of bearable length: what a broken file says may be long."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_REASON else f"{line[:_LONGEST_REASON]}…"


def check_place(entry: Summary | Failure, path: Path, *, folders: int = 2) -> None:
    """Refuse a record or a note of a failure that lies where another belongs: a copy, or one that was renamed.

    Its pictures and predictions would be looked for elsewhere, and its number would be shown twice.

    Args:
        folders: how many of the folders around the file are the store's: 2, the model's and the task's.

    Raises:
        RecordError: the file's or its folders' names are not those of what it says.
    """
    model, task = (entry.model, entry.task) if isinstance(entry, Failure) else (entry.model.name, entry.task.name)
    *_, model_folder, task_folder, file = ("", "", *os.fspath(path).split(os.sep))
    around = [("task", task, task_folder, _safe_name(task)), ("model", model, model_folder, _safe_name(model))]
    own = [] if isinstance(entry, Failure) else [("id", entry.id, file, f"{entry.id}.json")]
    for what, said, there, expected in (*around[:folders], *own):
        if there != expected:
            raise RecordError(
                f"{path}: it is a copy or was renamed: its {what} is {cut(said)!r}, whose place is {cut(expected)!r}, "
                f"not {cut(there)!r}"
            )


_safe_name = lru_cache(maxsize=4096)(safe_name)


def check_content(entry: Summary, data: bytes) -> None:
    """Refuse a record that fits its schema, and whose file no run has written.

    Args:
        entry: what was read.
        data: the file's bytes.

    Raises:
        RecordError: a key stands twice, a number is NaN or infinite, a name is no file's, or a time is none.
    """
    _check_keys(data)
    if place := next((place for place, numbers in _numbers(entry) if not _finite(numbers)), None):
        raise RecordError(f"{place} is not finite")
    for place, name in (("id", entry.id), ("predictions.file", entry.predictions.file if entry.predictions else "x")):
        if not lies_beside(name):
            raise RecordError(f"{place} {name!r} is no name of a file beside the record")
    try:
        datetime.fromisoformat(entry.run.started.removesuffix("Z"))
    except ValueError as error:
        raise RecordError(f"run.started {entry.run.started!r} is no time") from error


_CLASSES = b'"per_class"'
_GOES_ON = re.compile(rb"\]\s*,")
"""What follows on a list, and in the rows of classes, as they are written, on none."""


def _check_keys(data: bytes) -> None:
    """Which of two values of one key counts, no reader could tell.

    The classes are nine tenths of a file and come last: then what stands before them has every other key.
    """
    start = data.find(_CLASSES)
    if start < 0 or _GOES_ON.search(data, start) or not _is_distinct(data[:start] + _CLASSES + b": []}"):
        _refuse_doubled(data)


def _is_distinct(head: bytes) -> bool:
    """Whether this is a JSON object without doubled keys: written again, it has as many quotation marks.

    It is none if the classes are a part of something in the record. An escape could stand for a quotation mark.
    """
    try:
        return b"\\u" not in head and to_json(from_json(head)).count(b'"') == head.count(b'"')
    except ValueError:
        return False


def _refuse_doubled(data: bytes) -> None:
    try:
        json.loads(data, object_pairs_hook=_distinct)
    except (ValueError, RecursionError) as error:  # a number of thousands of digits
        raise RecordError(str(error)) from error


def _distinct(pairs: list[tuple[str, object]]) -> None:
    if len(dict(pairs)) < len(pairs):
        key = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise RecordError(f"the key {key!r} stands twice")


def _numbers(entry: Summary) -> Iterator[tuple[str, object]]:
    """Where numbers stand that JSON may have as NaN or infinity, and the numbers; of classes the schema has none."""
    for name, metric in entry.metrics.items():
        yield f"metrics.{name}", (metric.value, metric.chance, metric.ci95)
    model, run = entry.model, entry.run
    yield "model", (model.logit_scale, model.logit_bias, model.options)
    yield "task.protocol", entry.task.protocol
    yield "run", (run.images_per_second, run.seconds, run.settings)


def _finite(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(map(_finite, value.values()))
    return all(map(_finite, value)) if isinstance(value, list | tuple) else True
