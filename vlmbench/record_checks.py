"""Checks a record's file for what its schema cannot check: repeated keys, NaN, infinity, a file in the wrong place.

The store and the gate call it for each record that they read. A folder may hold thousands of records, so the classes of
a record, which may be thousands too, are not checked one by one.
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

from pydantic import ValidationError
from pydantic_core import from_json, to_json

from vlmbench.errors import RecordError
from vlmbench.paths import lies_beside, safe_name
from vlmbench.record_parts.transfer import TransferQuestion
from vlmbench.records import Failure, Summary
from vlmbench.storage.shown import with_urls

_LONGEST_REASON = 300


def cut(text: str) -> str:
    """A text on one line, cut to 300 characters: the content of a broken file may be long."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_REASON else f"{line[:_LONGEST_REASON]}…"


def check_place(entry: Summary | Failure, path: Path | str, *, folders: int = 2) -> None:
    """Refuse a record, or the note of a failure, in another record's place: it was copied or renamed.

    Its pictures and predictions would not be found, and its number would be shown twice.

    Args:
        path: the file's path, or its URL.
        folders: how many of the folders around the file belong to the store: 2, the model's and the task's.

    Raises:
        RecordError: the names of the file and its folders do not fit the id, task and model in the file.
    """
    model, task = (entry.model, entry.task) if isinstance(entry, Failure) else (entry.model.name, entry.task.name)
    *_, model_folder, task_folder, file = ("", "", *os.fspath(path).split("/" if isinstance(path, str) else os.sep))
    around = [("task", task, task_folder, _safe_name(task)), ("model", model, model_folder, _safe_name(model))]
    own = [] if isinstance(entry, Failure) else [("id", entry.id, file, f"{entry.id}.json")]
    for what, said, there, expected in (*around[:folders], *own):
        if there != expected:
            raise RecordError(
                f"{with_urls(str(path))}: it is a copy or was renamed: its {what} is {cut(said)!r}, whose place is "
                f"{cut(expected)!r}, not {cut(there)!r}"
            )


_safe_name = lru_cache(maxsize=4096)(safe_name)


def check_content(entry: Summary, data: bytes) -> None:
    """Refuse a record that fits its schema but that no run can have written.

    Args:
        entry: the record.
        data: the bytes of its file.

    Raises:
        RecordError: a key is repeated, a number is NaN or infinite, a name is not a file name, a time cannot be
            read, or the protocol and the part about transfer do not agree.
    """
    _check_keys(data)
    if place := next((place for place, numbers in _numbers(entry) if not _finite(numbers)), None):
        raise RecordError(f"{place} is not finite")
    for place, name in (("id", entry.id), ("predictions.file", entry.predictions.file if entry.predictions else "x")):
        if not lies_beside(name):
            raise RecordError(f"{place} {name!r} is not a plain file name: the file must lie in the record's folder")
    _check_transfer(entry)
    try:
        datetime.fromisoformat(entry.run.started.removesuffix("Z"))
    except ValueError as error:
        raise RecordError(f"run.started {entry.run.started!r} is not a time") from error


def _check_transfer(entry: Summary) -> None:
    """Refuse a record that says in two ways how its model was adapted. Older records say the method alone.

    Raises:
        RecordError: the protocol and the part about transfer differ, or one of them is missing.
    """
    how, protocol = entry.transfer, entry.task.protocol
    if how is None:
        stated = sorted({"shots", "draw", "track"} & protocol.keys()) if "transfer" in protocol else []
        if stated or not isinstance(protocol.get("transfer", ""), str):
            raise RecordError("task.protocol says how the model was adapted, but the record has no part 'transfer'")
        return
    try:
        asked = TransferQuestion.of(protocol)
    except ValidationError as error:
        place = ".".join(map(str, error.errors(include_input=False, include_url=False)[0]["loc"]))
        raise RecordError(f"the record has a part 'transfer', but task.protocol does not state its {place}") from error
    for name in TransferQuestion.model_fields:
        if getattr(asked, name) != getattr(how, name):
            raise RecordError(
                f"transfer.{name} is {getattr(how, name)!r}, but task.protocol states {getattr(asked, name)!r}"
            )


_CLASSES = b'"per_class"'
_GOES_ON = re.compile(rb"\]\s*,")
"""A comma after a list. In the rows of classes, as vlmbench writes them, no list has one."""


def _check_keys(data: bytes) -> None:
    """Refuse repeated keys: no reader could tell which of the two values counts.

    The classes are nine tenths of a file and come last, so all other keys are in the part before them.
    """
    start = data.find(_CLASSES)
    if start < 0 or _GOES_ON.search(data, start) or not _is_distinct(data[:start] + _CLASSES + b": []}"):
        _refuse_doubled(data)


def _is_distinct(head: bytes) -> bool:
    """Whether this is a JSON object without repeated keys: written again, it has the same number of quotation marks.

    False too if the classes are inside another part of the record, or if there is an escape, which could be a quotation
    mark.
    """
    try:
        return b"\\u" not in head and to_json(from_json(head)).count(b'"') == head.count(b'"')
    except ValueError:
        return False


def _refuse_doubled(data: bytes) -> None:
    try:
        json.loads(data, object_pairs_hook=_distinct)
    except (ValueError, RecursionError) as error:  # ValueError also for a number of thousands of digits
        raise RecordError(str(error)) from error


def _distinct(pairs: list[tuple[str, object]]) -> None:
    if len(dict(pairs)) < len(pairs):
        key = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise RecordError(f"the key {key!r} is there twice")


def _numbers(entry: Summary) -> Iterator[tuple[str, object]]:
    """The fields that JSON could fill with NaN or infinity, and their values. For classes the schema refuses both."""
    for name, metric in entry.metrics.items():
        yield f"metrics.{name}", (metric.value, metric.chance, metric.ci95)
    model, run = entry.model, entry.run
    yield "model", (model.logit_scale, model.logit_bias, model.options)
    yield "task.protocol", entry.task.protocol
    if entry.transfer is not None:
        yield "transfer", (entry.transfer.options, entry.transfer.chosen)
    yield "run", (run.images_per_second, run.seconds, run.settings)


def _finite(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(map(_finite, value.values()))
    return all(map(_finite, value)) if isinstance(value, list | tuple) else True
