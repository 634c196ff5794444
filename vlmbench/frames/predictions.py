"""``vlmbench.predictions_frame``: what a model answered, sample by sample, as a DataFrame."""

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
from vlmbench.paths import RESULTS, user_path
from vlmbench.records import Record
from vlmbench.registry import did_you_mean

if TYPE_CHECKING:
    import pandas as pd


def predictions_frame(
    record: Record | str | Path, each: str | None = None, *, results: str | Path = RESULTS
) -> pd.DataFrame:
    """What a record's model answered, as a pandas DataFrame.

    What a row is depends on the kind of task; ``docs/frames.md`` lists the views of each kind with their columns.
    Classification has a row a sample, or a row a sample and ``"candidate"``; retrieval a row an image, or a row a
    ``"caption"``; detection a row a ``"box"``, an ``"object"``, a ``"region"`` or a ``"sample"``; segmentation a row an
    image, or a row an image and ``"class"``. Of a kind from another package that declares no view, the frame has the
    columns of the record's table as they are, a row a sample.

    Args:
        record: a record, its file, its run id (or the beginning of it), or a folder that holds one record.
        each: what a row is of; None: the kind's first view.
        results: the results folder, in which run ids and records from memory are looked up.

    Raises:
        UsageError: there is no such record or view, or the record has no predictions, as an imported one.
        RecordError: the predictions are missing, broken, or not the record's own.
    """
    if not isinstance(results, str | os.PathLike):
        raise UsageError(f"results is a folder, and {results!r} is a {type(results).__name__}")
    entry = find_entry(record, user_path(results))
    kind = entry.record.task.plugin
    views = frame_views(kind)
    if not views and each not in (None, "sample"):
        raise UsageError(f"the kind of task {kind!r} has no view {each!r}", hint="It has rows of samples only.")
    view = _view(kind, views, each) if views else None
    try:
        table = entry.table()
    except UnpairableError as error:
        name = f"{entry.record.model.name} on {entry.record.task.name}"
        raise UsageError(f"{name}: the record has no predictions", hint=error.hint) from error
    return _plain_frame(table) if view is None else _view_frame(view, table, entry.record, entry.where)


def frame_views(kind: str) -> Sequence[FrameRows]:
    """The views of a kind of task, the usual one first; none of a kind that is not installed or declares none."""
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
        raise UsageError(f"{kind} has no view with a row a {each!r}", hint=did_you_mean(each, known))
    return known[each]


def _view_frame(view: FrameRows, table: pa.Table, record: Record, where: str) -> pd.DataFrame:
    import pandas as pd

    try:
        made = view.make(table, [row.name for row in record.per_class])
    except RecordError as error:
        raise RecordError(f"{where}: {error.message}", hint=error.hint) from error
    except (ValueError, IndexError, pa.ArrowException) as error:  # a table that no run writes
        raise RecordError(f"{where}: its predictions cannot be read: {error}") from error
    rows = len(next(iter(made.values()), ()))
    return pd.DataFrame({column.name: _typed(column, made, rows) for column in view.columns})


def _typed(column: FrameColumn, made: Mapping[str, Any], rows: int) -> Any:
    """A column in its declared type; missing in every row if the view left it out."""
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
    """The table's own columns: lists stay Arrow lists, which pandas has a type for."""
    import pandas as pd

    return table.to_pandas(types_mapper=lambda kind: pd.StringDtype() if kind == pa.string() else pd.ArrowDtype(kind))
