"""Finds the record that RECORD on the command line means: a file, a run id, MODEL/TASK, or a saved baseline's record.

``vlmbench show`` calls :func:`choose_record`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vlmbench.errors import RecordError, UsageError
from vlmbench.gate.baselines.store import baseline_names, load_baseline
from vlmbench.gate.entry import Entry
from vlmbench.gate.sides import Side, side_at, side_label
from vlmbench.paths import report_command
from vlmbench.records import Failure
from vlmbench.registry import did_you_mean
from vlmbench.storage.mirror import readable
from vlmbench.store import ResultStore
from vlmbench.wording import counted, either

_LISTED = 10
_ID = re.compile(r"[A-Za-z0-9]{4,}")
"""The form of a run id, or of its beginning with four characters or more."""
_SHORT_ID = re.compile(r"[0-9a-f]{1,3}")
"""The beginning of a run id that is too short to be one."""
_TABLES = (".parquet", ".csv")


@dataclass(frozen=True)
class Chosen:
    """The record that the user meant.

    Attributes:
        entry: the record, with a function that reads its predictions.
        of_baseline: it belongs to a saved baseline, whose folder is for Git.
        older: older records of the same model and task.
    """

    entry: Entry
    of_baseline: bool = False
    older: Sequence[Entry] = ()


def choose_record(name: str, results: Path, baselines: Path) -> Chosen:
    """The record that an argument means.

    Args:
        name: one of these: the path of a record, of its predictions, or of a folder with the records of one pair; a run
            id or its beginning; MODEL/TASK; BASELINE/TASK; BASELINE/MODEL/TASK.
        results: the results folder, in which ids and MODEL/TASK are looked up.
        baselines: the folder of all baselines.

    Raises:
        UsageError: there is no such record, it cannot be read, the pair failed, or several models or tasks are meant.
    """
    if not name.strip() or "\0" in name:
        raise UsageError(
            "the record's name is empty or has a NUL character", hint="Name a record's file, a run id or MODEL/TASK."
        )
    try:
        path = readable(name)
        found = _at(path) if os.path.exists(path) else None
        found = found or _of_pair(name, results) or _of_id(name, results) or _of_baseline(name, baselines)
        if found is None and os.path.exists(path):
            raise _nothing_in(side_at(path), str(path))
    except RecordError as error:
        raise UsageError(error.message, hint=error.hint) from error
    if found is None:
        raise no_such_record(name, results, hint=_hint(name, results, baselines))
    return found


def no_such_record(name: str, results: Path, *, hint: str) -> UsageError:
    """The error for a name that matches no record. :func:`vlmbench.predictions_frame` raises it, too.

    Args:
        name: what the user named.
        results: the results folder in which it was looked up.
        hint: what the user can name instead.
    """
    return UsageError(f"there is no record {side_label(name)!r} in {side_label(str(results))!r}", hint=hint)


def _at(path: Path) -> Chosen | None:
    """The record at a path. None for a folder without records: a pair or a baseline may have the same name."""
    if path.suffix in _TABLES and path.is_file():
        record = path.with_suffix(".json")
        if not record.is_file():
            raise UsageError(f"{path}: its record {record.name} is not beside it", hint="Name the record's .json file.")
        path = record
    side = side_at(path)
    if path.is_dir() and not side.entries and not side.failures:
        return None
    return _one(side, str(path))


def _of_pair(name: str, results: Path) -> Chosen | None:
    store = ResultStore(results)
    for model, task in _splits(name):
        folder = store.folder(model, task)
        if folder.is_dir():
            return _one(side_at(folder), name)
    return None


def _splits(name: str) -> Iterator[tuple[str, str]]:
    """Every way to split a name into MODEL and TASK at a slash. The names themselves may have slashes, too."""
    for place, sign in enumerate(name):
        if sign == "/" and 0 < place < len(name) - 1:
            yield name[:place], name[place + 1 :]


def _of_id(name: str, results: Path) -> Chosen | None:
    if not _ID.fullmatch(name) or not results.is_dir():
        return None
    paths = ResultStore(results).files_of(name)
    if not paths:
        return None
    if len(paths) > 1:
        entries = [entry for path in paths for entry in side_at(path).entries]
        raise _several(f"{name!r} is the beginning of {counted(len(paths), 'run id')}", entries)
    return _one(side_at(paths[0]), name)


def _of_baseline(name: str, baselines: Path) -> Chosen | None:
    first, _, rest = name.partition("/")
    if first not in baseline_names(baselines):
        return None
    entries = [
        entry
        for entry in load_baseline(baselines / first)
        if rest in ("", entry.record.task.name, f"{entry.record.model.name}/{entry.record.task.name}")
    ]
    if not entries:
        raise UsageError(f"the baseline {first!r} has no record {rest!r}", hint=f"See: vlmbench baseline show {first}")
    return _one(Side(name, entries, of_baseline=True), name)


def _one(side: Side, name: str) -> Chosen:
    """The newest record of a side. All its records must be of one model and task."""
    if not side.entries:
        raise _nothing_in(side, name)
    pairs = {(entry.record.model.name, entry.record.task.name) for entry in side.entries}
    if len(pairs) > 1:
        raise _several(f"{name!r} has records of {len(pairs):,} models and tasks", side.entries)
    newest, *older = sorted(side.entries, key=lambda entry: entry.record.run.started, reverse=True)
    return Chosen(newest, side.of_baseline, older)


def _nothing_in(side: Side, name: str) -> UsageError:
    if side.failures:
        failure: Failure = max(side.failures, key=lambda each: each.started)
        what = "cannot be asked" if failure.status == "unsupported" else "failed on"
        start = f"{failure.model} {what} {failure.task}: "
        message = (failure.message or failure.error).removeprefix(start)
        return UsageError(
            f"there is no record: {failure.model} {what} {failure.asked}: {message}",
            hint=failure.hint,
        )
    why = "".join(f"\n{note.removeprefix('left out: ')}" for note in side.notes[:_LISTED])
    return UsageError(f"no record can be read in {name!r}{why}", hint="Make records with `vlmbench run`.")


def _several(what: str, entries: Iterable[Entry]) -> UsageError:
    known = sorted(entries, key=lambda entry: (entry.record.model.name, entry.record.task.name))
    lines = [f"  {entry.record.id}  {entry.record.model.name}/{entry.record.task.name}" for entry in known[:_LISTED]]
    if len(known) > _LISTED:
        lines.append(f"  and {len(known) - _LISTED:,} more")
    return UsageError("\n".join([f"{what}:", *lines]), hint="Name one of them, by its id or as MODEL/TASK.")


def _hint(name: str, results: Path, baselines: Path) -> str:
    """A hint: the most similar name of a pair. If no name is similar, it says what can be named."""
    if _SHORT_ID.fullmatch(name):
        return "If this is the beginning of a run id, name four characters of it, or more."
    if not results.is_dir():
        return f"There is no results folder {str(results)!r}. Name one with --results, or make one with `vlmbench run`."
    known, failed = ResultStore(results).pairs()
    hint = did_you_mean(name, [f"{folder.parent.name}/{folder.name}" for folder in known])
    hint = hint or "Name a record's file, the first characters of a run id, MODEL/TASK, or BASELINE/TASK."
    if failed:
        said = f"{counted(len(failed), 'pair')} {either(len(failed), 'has', 'have')} only a failure and no record"
        hint += f" {said}: see {report_command(results)}"
    return hint
