"""Reads the arguments BASELINE and CANDIDATE: results folders, folders of one model, records, saved baselines.

``vlmbench compare``, ``baseline save``, ``show`` and the data frames use it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vlmbench.answers.tables import read_answers
from vlmbench.errors import RecordError, UsageError
from vlmbench.gate.adapted_settings import file_name, settings_of
from vlmbench.gate.baselines.revisions import baseline_at_revision
from vlmbench.gate.baselines.store import baseline_entry, baseline_names, load_baseline
from vlmbench.gate.entry import Entry
from vlmbench.paths import BASELINES, safe_name
from vlmbench.record_checks import check_place
from vlmbench.records import Failure, Record
from vlmbench.registry import did_you_mean
from vlmbench.storage.base import is_url
from vlmbench.storage.mirror import readable
from vlmbench.store import Unreadable, read_entry

_REVISION = re.compile(r"(?P<revision>.+):(?P<name>[^:]+)")


@dataclass(frozen=True)
class Side:
    """One side of a comparison.

    Attributes:
        label: the side as the user named it.
        entries: its records.
        failures: pairs whose last run failed.
        notes: what was left out, with reasons.
        of_baseline: the records belong to a saved baseline, whose folder is for Git.
    """

    label: str
    entries: Sequence[Entry]
    failures: Sequence[Failure] = ()
    notes: Sequence[str] = ()
    of_baseline: bool = False


def side_label(name: str) -> str:
    """The argument as valid text: a file's name may contain bytes that are not text."""
    return name.encode("utf-8", "replace").decode()


def read_side(name: str, *, baselines: Path = BASELINES) -> Side:
    """The side that an argument names: a path, else the NAME of a baseline, else REV:NAME.

    Raises:
        UsageError: nothing has that name, or it contains no record.
    """
    try:
        side = _side(name, baselines)
    except RecordError as error:  # exit code 2: an unreadable file is not a regression
        raise UsageError(error.message, hint=error.hint) from error
    if not side.entries:
        failed = "".join(f"\n{failure.asked} failed: {failure.message}" for failure in side.failures)
        raise UsageError(
            f"no records in {name!r}" + "".join(f"\n{note}" for note in side.notes) + failed,
            hint="It should be a results folder, as `vlmbench run` writes it, one model's folder in it, or a record.",
        )
    return side


def _side(name: str, baselines: Path) -> Side:
    path = readable(name)
    if not name.strip():  # Path("") would be the working directory: an empty variable in a script must not name it
        raise UsageError("a side's name is empty", hint="Name a results folder, a record, or a saved baseline.")
    if os.path.exists(path):  # Path.exists raises if the name is too long
        return side_at(path, label=side_label(name))
    if name in baseline_names(baselines):
        return Side(side_label(name), load_baseline(baselines / name), of_baseline=True)
    if not is_url(name) and (found := _REVISION.fullmatch(name)):
        entries = baseline_at_revision(found["revision"], found["name"], baselines)
        return Side(side_label(name), entries, of_baseline=True)
    raise _nothing(name, baselines)


def side_at(path: Path, *, label: str = "") -> Side:
    """The side at a path: a results folder, the folder of one model or pair in it, a record, or a baseline.

    Raises:
        RecordError: a baseline's record cannot be read.
    """
    if not path.is_dir():
        entry = read_entry(path)
        if isinstance(entry, Record) and _of_baseline(path, entry):
            return Side(label, [baseline_entry(path)], of_baseline=True)
        read = [(path, entry)]
    else:
        files = _result_files(path)
        found = [(file, read_entry(file)) for file in files]
        read = [(file, _placed(file, entry, path)) for file, entry in found]
        records = [file for file, entry in read if isinstance(entry, Record)]
        if not records and any(isinstance(entry, Record) and _of_baseline(file, entry) for file, entry in found):
            return Side(label, load_baseline(path), of_baseline=True)
    return Side(
        label,
        [_run_entry(file, entry) for file, entry in read if isinstance(entry, Record)],
        [entry for _, entry in read if isinstance(entry, Failure)],
        [f"left out: {entry.reason}" for _, entry in read if isinstance(entry, Unreadable)],
    )


def _of_baseline(path: Path, record: Record) -> bool:
    """Whether this is a baseline's record: a baseline names files by task, a run names them by id."""
    stems = {safe_name(name) for name in (record.asked, file_name(record.asked, settings_of(record)))}
    table = Path(record.predictions.file) if record.predictions else path
    return path.stem == table.stem and path.stem in stems - {record.id}


def _placed(file: Path, entry: Record | Failure | Unreadable, folder: Path) -> Record | Failure | Unreadable:
    """The entry, or the reason why a record or failure is left out: it is in a folder of another pair. Folders above
    ``folder`` may have any name."""
    try:
        if not isinstance(entry, Unreadable):
            check_place(entry, file, folders=len(file.relative_to(folder).parts) - 1)
    except RecordError as error:
        return Unreadable(file, error.message)
    return entry


def _run_entry(path: Path, record: Record) -> Entry:
    """A run's record at this path, with its predictions beside it."""
    return Entry(record, lambda: read_answers(record, path.parent).table, str(path))


def _result_files(folder: Path) -> list[Path]:
    """The records of a results folder, of one model's folder in it, or of one pair's."""
    return next((files for level in ("*/*/*", "*/*", "*") if (files := sorted(folder.glob(f"{level}.json")))), [])


def _nothing(name: str, baselines: Path) -> UsageError:
    known = baseline_names(baselines)
    meant = did_you_mean(name, known)
    return UsageError(
        f"{name!r} is no results folder, no record, and no baseline in {str(baselines)!r}",
        hint=meant or "Name a folder that `vlmbench run` wrote, or save a baseline: vlmbench baseline save NAME.",
    )
