"""What BASELINE and CANDIDATE stand for: a results folder, one model's folder in it, a record, a saved baseline."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from vlmbench.errors import RecordError, UsageError
from vlmbench.gate.entry import Entry
from vlmbench.records import Failure, Record
from vlmbench.registry import did_you_mean
from vlmbench.store import FAILED, Unreadable, read_entry

BASELINES = Path("results/baselines")
_REVISION = re.compile(r"(?P<revision>[^:]+):(?P<name>[^:]+)")


@dataclass(frozen=True)
class Side:
    """One side of a comparison.

    Attributes:
        label: as it was asked for.
        entries: its records.
        failures: pairs that gave no record when they were last asked.
        notes: what was left out, and why.
    """

    label: str
    entries: Sequence[Entry]
    failures: Sequence[Failure] = ()
    notes: Sequence[str] = ()


def read_side(name: str, *, baselines: Path = BASELINES) -> Side:
    """The side that an argument stands for: what lies at that path, else a baseline's NAME, else REV:NAME.

    Args:
        name: the argument.
        baselines: the folder of saved baselines.

    Raises:
        UsageError: there is nothing of that name, or no record in it.
    """
    path = Path(name).expanduser()
    if path.is_file():
        side = _of_files(name, [path])
        if not side.entries:
            raise UsageError("; ".join(side.notes) or f"{name}: this pair failed: {side.failures[0].message}")
        return side
    if path.is_dir() and not _is_baseline(path):
        side = _of_files(name, _result_files(path))
    elif path.is_dir():
        side = _of_baseline(name, path)
    elif _is_name(name) and (baselines / name).is_dir():
        side = _of_baseline(name, baselines / name)
    elif found := _REVISION.fullmatch(name):
        side = _of_revision(name, found["revision"], found["name"], baselines)
    else:
        raise _nothing(name, baselines)
    if not side.entries:
        raise UsageError(
            f"no records in {name!r}" + "".join(f"\n{note}" for note in side.notes),
            hint="It should be a results folder, as `vlmbench run` writes it, or one model's folder in it.",
        )
    return side


def _result_files(folder: Path) -> list[Path]:
    """The records of a results folder, of one model's folder in it, or of one pair's."""
    return next((files for level in ("*/*/*", "*/*", "*") if (files := sorted(folder.glob(f"{level}.json")))), [])


def _of_files(label: str, paths: Iterable[Path]) -> Side:
    entries, failures, notes = [], [], []
    for path in paths:
        entry = read_entry(path)
        if isinstance(entry, Record):
            entries.append(Entry(entry, partial(_table, entry, path), str(path)))
        elif isinstance(entry, Failure):
            failures.append(entry)
        elif isinstance(entry, Unreadable):
            notes.append(f"left out: {entry.reason}")
    return Side(label, entries, failures, notes)


def _table(record: Record, path: Path):  # noqa: ANN202
    raise NotImplementedError


def _is_name(name: str) -> bool:
    return "/" not in name and "\\" not in name and name not in ("", ".", "..")
