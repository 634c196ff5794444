"""What of a record's file no schema can check: keys that stand twice, and a place that is another record's."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from vlmbench.errors import RecordError
from vlmbench.records import Failure, Summary, safe_name

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
    around = [
        ("task", task, path.parent.name, safe_name(task)),
        ("model", model, path.parent.parent.name, safe_name(model)),
    ]
    file = [] if isinstance(entry, Failure) else [("id", entry.id, path.stem, entry.id)]
    for what, said, there, expected in (*around[:folders], *file):
        if there != expected:
            raise RecordError(
                f"{path}: it is a copy or was renamed: its {what} is {cut(said)!r}, whose place is {cut(expected)!r}, "
                f"not {cut(there)!r}"
            )


_KEYS = (
    "schema",
    "model",
    "task",
    "metrics",
    "main_metric",
    "predictions",
    "run",
    "environment",
    "dataset",
    "per_class",
)
_ONCE = tuple(f'"{name}"'.encode() for name in _KEYS)
"""Keys of which a record has one each, so that counting tells whether a large file is worth another look."""
_SMALL = 32 * 2**10
"""Bytes that are looked through in a tenth of a millisecond."""


def check_keys(data: bytes) -> None:
    """Refuse a file in which a key stands twice: which of the two values counts, no reader could tell.

    Raises:
        RecordError: one does.
    """
    if len(data) <= _SMALL or any(data.count(key) > 1 for key in _ONCE):
        try:
            json.loads(data, object_pairs_hook=_distinct)
        except (ValueError, RecursionError) as error:  # a number of thousands of digits
            raise RecordError(str(error)) from error


def _distinct(pairs: list[tuple[str, object]]) -> None:
    if len(dict(pairs)) < len(pairs):
        key = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise RecordError(f"the key {key!r} stands twice")
