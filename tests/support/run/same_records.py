"""Compares the records of runs that were carried out differently."""

from __future__ import annotations

import json

from vlmbench.records import Record
from vlmbench.run.listener import NotesAsWarnings

HOW_IT_RAN = frozenset({"started", "seconds", "images_per_second", "peak_memory_bytes", "workers"})
"""The fields of a record's run that may differ between one process and several."""


class Notes(NotesAsWarnings):
    def __init__(self) -> None:
        super().__init__()
        self.notes: list[str] = []

    def note(self, message: str) -> None:
        self.notes.append(message)


def same(record: Record) -> dict[str, object]:
    """A record without what differs between two runs: times, memory and threads."""
    plain = json.loads(record.model_dump_json(by_alias=True))
    for name in HOW_IT_RAN:
        plain["run"].pop(name)
    return dict(plain)
