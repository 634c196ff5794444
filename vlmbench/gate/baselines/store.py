"""Saves and opens baselines: small folders of records and their answers, fit for Git.

``results/baselines/NAME/<task>.json`` is a record. ``<task>.csv`` beside it has the answers that pairing needs, one
line for each sample, in the dataset's order (detection ranks equal scores by it). Above 2 MiB it is ``<task>.parquet``.
If a baseline has several models, each has a folder. Equal records give equal bytes.

``vlmbench baseline``, ``compare`` and ``show`` and the data frames use it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from vlmbench.errors import RecordError, UsageError
from vlmbench.files import read_bytes
from vlmbench.gate.adapted_settings import Settings, file_name, settings_of
from vlmbench.gate.baselines.folder import settled, settled_name, write_folder, write_url
from vlmbench.gate.baselines.record import kept_record, record_text
from vlmbench.gate.entry import Entry
from vlmbench.paths import BASELINES, lies_beside, safe_name
from vlmbench.records import Predictions, Record
from vlmbench.registry import did_you_mean
from vlmbench.storage.base import Location
from vlmbench.storage.mirror import at_hand, bring, bring_folder
from vlmbench.storage.remote import RemoteFolder
from vlmbench.store import parse_record

if TYPE_CHECKING:
    import pyarrow as pa

MOST_CSV_BYTES = 2 * 2**20
"""The largest text table. A larger one is too long to read its changes; Parquet is much smaller."""
LARGE_BYTES = 10 * 2**20
"""The size above which saving warns: a larger baseline makes clones of the repository slow."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_AGAIN = "Save the baseline again: vlmbench baseline save NAME --force."


@dataclass(frozen=True)
class Baseline:
    """A saved baseline.

    Attributes:
        name: its name.
        path: its folder.
        entries: its records, in the order of their files.
        sizes: the bytes of each file, by its path in the folder.
        left_out: why some records are not among the entries.
    """

    name: str
    path: Path
    entries: Sequence[Entry]
    sizes: Mapping[str, int]
    left_out: Sequence[str] = ()

    @property
    def size(self) -> int:
        """The bytes of all files."""
        return sum(self.sizes.values())


def check_name(name: str) -> None:
    """Refuse a name that is not a plain folder name.

    Raises:
        UsageError: it has separators, begins with a dot or a dash, or is empty or too long.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be the name of a baseline",
            hint="Use letters, digits, dots, dashes and underscores, beginning with a letter or digit: main, v1.2.",
        )


def save_baseline(
    name: str,
    entries: Sequence[Entry],
    root: Location,
    *,
    replace: bool = False,
    left_out: Callable[[RecordError], None] | None = None,
) -> Baseline:
    """Save records, one for each model and task, as a baseline, completely or not at all. At a URL, each file is
    written so; see :func:`~vlmbench.gate.baselines.folder.write_url`.

    Args:
        root: the folder of all baselines.
        replace: whether to replace an existing baseline of this name.
        left_out: called with each entry that is left out because its predictions cannot be read; None: that is an
        error.

    Raises:
        UsageError: the name is not plain or exists, there is nothing to save, or two entries have the same model and
            task.
        RecordError: an entry has no predictions, or they cannot be read.
        StoreError: the folder cannot be written. The old baseline stays.
    """
    check_name(name)
    target = root / name
    exists = settled(target).exists() if isinstance(target, Path) else any(True for _ in RemoteFolder(target).entries())
    if exists and not replace:
        raise UsageError(f"the baseline {name!r} already exists in {str(root)!r}", hint="Replace it with --force.")
    files: dict[str, bytes] = {}
    broken: list[RecordError] = []
    for entry, stem in _stems(entries):
        try:
            files.update(_files(entry, stem))
        except RecordError as error:
            if left_out is None:
                raise
            broken.append(error)
            left_out(error)
    if not files:
        raise broken[0]
    if isinstance(target, Path):
        write_folder(target, files)
    else:
        write_url(target, files)
    return open_baseline(at_hand(target))


def open_baseline(path: Path, *, broken_left_out: bool = False) -> Baseline:
    """Open a baseline's folder.

    Args:
        broken_left_out: leave out records that cannot be read, and name them. It serves to list a baseline. A
            comparison must not use it, because it would ignore the missing records.

    Raises:
        UsageError: the folder does not exist.
        RecordError: it has no record, or one that cannot be read.
    """
    folder = settled(path)
    if not folder.is_dir():
        raise UsageError(
            f"no baseline {path.name!r} in {str(path.parent)!r}",
            hint=did_you_mean(path.name, baseline_names(path.parent)) or "Save one: vlmbench baseline save NAME.",
        )
    bring_folder(folder)
    files = sorted(place for place in folder.rglob("*") if not place.is_dir())
    entries, broken = [], []
    for place in files:
        if place.suffix == ".json":
            try:
                entries.append(baseline_entry(place))
            except RecordError as error:
                broken.append(error)
    if broken and not (broken_left_out and entries):
        raise broken[0]
    if not entries:
        raise RecordError(f"{str(path)!r} contains no record", hint=_AGAIN)
    sizes = {str(place.relative_to(folder)): place.stat().st_size for place in files if place.is_file()}
    return Baseline(path.name, path, entries, sizes, [error.message for error in broken])


def load_baseline(path: Path) -> list[Entry]:
    """The records of a baseline's folder; see :func:`open_baseline`."""
    return list(open_baseline(path).entries)


def baseline_names(root: Path) -> list[str]:
    """The baselines under a folder, in alphabetical order."""
    found = {settled_name(path) for path in root.iterdir() if path.is_dir()} if root.is_dir() else set()
    return sorted(name for name in found if _NAME.fullmatch(name))


def newest_of_pairs(entries: Iterable[Entry]) -> tuple[list[Entry], list[Entry]]:
    """The latest record of each model, task and way to adapt the model, and all others.

    The others answer the task's question with other prompts, samples or precision, or are older.
    """
    latest: dict[tuple[str, str, Settings], Entry] = {}
    others = []
    for entry in sorted(entries, key=lambda entry: entry.record.run.started):
        pair = _pair(entry)
        if pair in latest:
            others.append(latest[pair])
        latest[pair] = entry
    return [latest[pair] for pair in sorted(latest)], others


def record_from(data: bytes, where: str) -> Record:
    """A baseline's record from its file's bytes.

    Raises:
        RecordError: it is a pointer of Git LFS, or not a record.
    """
    _refuse_pointer(data, where)
    return parse_record(data, where)


def table_file(record: Record, where: str) -> str:
    """The name of the table beside a baseline's record.

    Raises:
        RecordError: it has no table, or one in another folder.
    """
    predictions = record.predictions
    if predictions is None or not lies_beside(predictions.file):
        raise RecordError(f"{where}: the record has no table of answers beside it", hint=_AGAIN)
    return predictions.file


def table_from(data: bytes, record: Record, where: str) -> pa.Table:
    """A baseline's table of answers from its file's bytes.

    Raises:
        RecordError: it is a pointer of Git LFS, belongs to another record, or is not a table.
    """
    _refuse_pointer(data, where)
    if record.predictions is None or sha256(data).hexdigest() != record.predictions.sha256:
        converted = b"\r\n" in data
        rule = f"{BASELINES.as_posix()}/** -text"
        hint = f"Its line ends were converted: put `{rule}` into .gitattributes, and check it out again."
        raise RecordError(f"{where}: this table does not belong to its record", hint=hint if converted else _AGAIN)
    if where.endswith(".csv"):
        from vlmbench.gate.baselines.table import from_csv

        return from_csv(data, where)
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(BytesIO(data)).read()  # pq.read_table would import pandas, which takes half a second
    except (OSError, pa.ArrowException) as error:
        raise RecordError(f"{where}: not a Parquet file: {error}", hint=_AGAIN) from error


def _refuse_pointer(data: bytes, where: str) -> None:
    if data.startswith(_LFS_POINTER):
        raise RecordError(
            f"{where}: this is a pointer of Git LFS, not the file",
            hint="Get the file with `git lfs pull`. For another revision, check it out first and name its folder.",
        )


def baseline_entry(path: Path) -> Entry:
    """A baseline's record with its table beside it.

    Raises:
        RecordError: it cannot be read.
    """
    record = record_from(_content(path), str(path))
    return Entry(record, _table_reader(path, record), str(path))


def _table_reader(path: Path, record: Record) -> Callable[[], pa.Table]:
    def read() -> pa.Table:
        table = path.with_name(table_file(record, str(path)))
        bring([table])
        return table_from(_content(table), record, str(table))

    return read


def _content(path: Path) -> bytes:
    try:
        return read_bytes(path)
    except OSError as error:
        raise RecordError(f"{path}: cannot be read: {error.strerror}", hint=_AGAIN) from error


def _stems(entries: Sequence[Entry]) -> Iterator[tuple[Entry, str]]:
    """Each entry and the path of its files without suffix.

    The files of a single model are in the baseline's own folder. So the answers of the next model change the same
    files.
    """
    if not entries:
        raise UsageError("nothing to save", hint="Run the models first: vlmbench run.")
    pairs = Counter(map(_pair, entries))
    (model, task, _), count = pairs.most_common(1)[0]
    if count > 1:
        raise UsageError(f"{count} records of {model} on {task}: a baseline has one for each model and task")
    _refuse_mixed(entries)
    several = len({model for model, *_ in pairs}) > 1
    settings = Counter((model, asked) for model, asked, _ in pairs)
    for entry in entries:
        model, asked, own = _pair(entry)
        stem = safe_name(asked if settings[model, asked] == 1 else file_name(asked, own))
        yield entry, f"{safe_name(entry.record.model.name)}/{stem}" if several else stem


def _pair(entry: Entry) -> tuple[str, str, Settings]:
    """The model, the name of the question, and the settings of the method."""
    record = entry.record
    return record.model.name, record.asked, settings_of(record)


def _refuse_mixed(entries: Sequence[Entry]) -> None:
    """Refuse two models with one name: a comparison could not state which one it uses."""
    models: dict[str, dict[tuple[str, ...], list[Record]]] = {}
    for entry in entries:
        model = entry.record.model
        models.setdefault(model.name, {}).setdefault(model.key, []).append(entry.record)
    for name, found in models.items():
        if len(found) > 1:
            parts = [
                f"weights {own[0].model.weights_sha256[:8]} on {', '.join(record.task.name for record in own[:3])}"
                f"{', …' if len(own) > 3 else ''}"
                for own in found.values()
            ]
            raise UsageError(
                f"the newest records of {name} come from {len(found)} different models: {'; '.join(parts)}",
                hint="Run all tasks with one of them, choose tasks with --task, or name another folder with --results.",
            )


def _files(entry: Entry, stem: str) -> Iterator[tuple[str, bytes]]:
    """A record's two files: their paths inside the baseline, and their contents."""
    import pyarrow.parquet as pq

    from vlmbench.gate.baselines.table import paired_columns, to_csv

    if entry.record.predictions is None:
        raise RecordError(f"{entry.where}: it has no predictions, so it cannot be compared")
    table = paired_columns(entry.table(), entry.record.task.plugin)
    data, suffix = to_csv(table, MOST_CSV_BYTES), ".csv"
    if data is None:
        sink, suffix = BytesIO(), ".parquet"
        pq.write_table(table, sink, compression="zstd")
        data = sink.getvalue()
    file = Path(stem + suffix).name
    predictions = Predictions(file=file, rows=table.num_rows, sha256=sha256(data).hexdigest())
    yield f"{stem}.json", record_text(kept_record(entry.record, predictions))
    yield f"{stem}{suffix}", data
