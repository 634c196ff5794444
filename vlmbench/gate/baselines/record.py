"""Writes a baseline's record as text that Git can compare: one line for each metric, class or row of numbers.

``vlmbench baseline save`` uses it.
"""

from __future__ import annotations

import json
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from vlmbench.records import Predictions, Record

_WIDTH = 160
"""The most characters of a part on one line: a metric with its interval, a class with its values."""


def kept_record(record: Record, predictions: Predictions) -> Record:
    """The record in the form of a baseline: it names the baseline's table, and has no folders of this machine.

    Only the last name of an absolute path stays. Times stay on lines of their own, because budgets need them. A path in
    the name of a model or task stays too, because records are paired by it.
    """
    dataset = record.task.dataset.model_copy(update={"location": _without_folders(record.task.dataset.location)})
    task = record.task.model_copy(update={"dataset": dataset})
    return record.model_copy(update={"task": task, "predictions": predictions})


def record_text(record: Record) -> bytes:
    """The record's JSON: fields in the schema's order, the same bytes for the same record."""
    plain = json.loads(record.model_dump_json(by_alias=True))  # as in the store: values that are not finite become null
    return (_lines(plain, 0, "") + "\n").encode()


def _without_folders(location: str) -> str:
    if PureWindowsPath(location).is_absolute():
        return PureWindowsPath(location).name or location
    return PurePosixPath(location).name or location if PurePosixPath(location).is_absolute() else location


def _lines(value: Any, depth: int, before: str) -> str:
    """JSON that has line breaks only in parts that are too long for one line, or that contain such a part."""
    plain = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, (dict, list)) or not value or (depth > 0 and _fits(value, plain, depth + len(before))):
        return plain
    indent = " " * (depth + 1)
    if isinstance(value, dict):
        opened, closed = "{", "}"
        named = [(f"{json.dumps(key, ensure_ascii=False)}: ", part) for key, part in value.items()]
    else:
        opened, closed = "[", "]"
        named = [("", part) for part in value]
    parts = [f"{indent}{name}{_lines(part, depth + 1, name)}" for name, part in named]
    return opened + "\n" + ",\n".join(parts) + "\n" + " " * depth + closed


def _fits(value: Any, plain: str, used: int) -> bool:
    """Whether to keep a row of numbers on one line of any length: its numbers change together."""
    parts = value.values() if isinstance(value, dict) else value
    return used + len(plain) <= _WIDTH or all(part is None or isinstance(part, (int, float)) for part in parts)
