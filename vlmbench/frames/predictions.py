"""Makes a DataFrame of a model's answers, sample by sample: ``vlmbench.predictions_frame``."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from vlmbench.answers.frame_columns import FrameColumn
from vlmbench.answers.frame_rows import FrameRows
from vlmbench.errors import RecordError, UnpairableError, UsageError, VlmbenchError
from vlmbench.frames.records import find_entry
from vlmbench.kinds import known_kind
from vlmbench.paths import RESULTS
from vlmbench.records import Record
from vlmbench.registry import did_you_mean
from vlmbench.storage.mirror import readable
from vlmbench.storage.shown import naming_urls

if TYPE_CHECKING:
    import pandas as pd


def predictions_frame(
    record: Record | str | Path, each: str | None = None, *, results: str | Path = RESULTS
) -> pd.DataFrame:
    """The answers of a record's model as a pandas DataFrame.

    A kind of task has one or several views, and the view decides what a row is. ``docs/frames.md`` lists all views with
    their columns.

    - Classification: a row for each sample, or for each sample and ``"candidate"``.
    - Retrieval: a row for each image, or for each ``"caption"``.
    - Detection: a row for each ``"box"``, ``"object"``, ``"region"`` or ``"sample"``.
    - Segmentation: a row for each image, or for each image and ``"class"``.

    A kind of task from another package may declare no view. Then the frame has the columns of the record's table, and a
    row for each sample.

    Args:
        record: a record, its file, its run id (or the beginning of it), or a folder with one record.
        each: the view, named by what one row is; None: the first view of the kind.
        results: the results folder or its URL, in which run ids and the predictions of records in memory are looked up.

    Raises:
        UsageError: there is no such record or view, or the record has no predictions, such as an imported record.
        RecordError: the predictions are missing, broken, or belong to another record.
    """
    if not isinstance(results, str | os.PathLike):
        raise UsageError(f"results is a folder, and {results!r} is a {type(results).__name__}")
    with naming_urls():
        entry = find_entry(record, readable(results))
        kind = entry.record.task.plugin
        views = frame_views(kind)
        if not views and each not in (None, "sample"):
            raise UsageError(
                f"the kind of task {kind!r} has no view {each!r}", hint="Leave `each` out: a row is a sample."
            )
        view = _view(kind, views, each) if views else None
        try:
            table = entry.table()
        except UnpairableError as error:
            name = f"{entry.record.model.name} on {entry.record.task.name}"
            raise UsageError(f"{name}: the record has no predictions", hint=error.hint) from error
        return _plain_frame(table) if view is None else _view_frame(view, table, entry.record, entry.where)


def frame_views(kind: str) -> Sequence[FrameRows]:
    """The views of a kind of task, the usual one first; empty if the kind is not installed or declares no view."""
    known = known_kind(kind)
    try:
        found = known.load_frames() if known else None
    except VlmbenchError as error:
        raise UsageError(f"the views of {kind!r} cannot be imported: {error.message}", hint=error.hint) from error
    return tuple(found) if isinstance(found, tuple) else ()


def _view(kind: str, views: Sequence[FrameRows], each: str | None) -> FrameRows:
    if each is None:
        return views[0]
    known = {view.each: view for view in views}
    if each not in known:
        raise UsageError(f"{kind} has no view with a row for each {each!r}", hint=did_you_mean(each, known))
    return known[each]


def _view_frame(view: FrameRows, table: pa.Table, record: Record, where: str) -> pd.DataFrame:
    import pandas as pd

    try:
        made = view.make(table, [row.name for row in record.per_class])
    except RecordError as error:
        raise RecordError(f"{where}: {error.message}", hint=error.hint) from error
    except (ValueError, IndexError, pa.ArrowException) as error:  # a table that no run of vlmbench writes
        raise RecordError(f"{where}: its predictions cannot be read: {error}") from error
    rows = len(next(iter(made.values()), ()))
    return pd.DataFrame({column.name: _typed(column, made, rows) for column in view.columns})


def _typed(column: FrameColumn, made: Mapping[str, Any], rows: int) -> Any:
    """A column in its declared type. If the view left it out, the value is missing in every row."""
    import pandas as pd

    values = made.get(column.name)
    if values is None:
        return pd.array([None] * rows, dtype=column.dtype) if column.dtype != "float64" else np.full(rows, np.nan)
    if not isinstance(values, np.ndarray):
        chunks = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
        if column.dtype == "float64":
            return chunks.cast(pa.float64()).to_numpy(zero_copy_only=False)
        return pd.array(chunks.to_pylist(), dtype=column.dtype)
    return values.astype(np.float64) if column.dtype == "float64" else pd.array(values, dtype=column.dtype)


def _plain_frame(table: pa.Table) -> pd.DataFrame:
    """A frame with the columns of the record's table. Lists stay Arrow lists, because pandas has a type for them."""
    import pandas as pd

    return table.to_pandas(types_mapper=lambda kind: pd.StringDtype() if kind == pa.string() else pd.ArrowDtype(kind))
