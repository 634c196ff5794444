"""Makes a tidy DataFrame of records, with a row for each record and metric: ``vlmbench.results_frame``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from vlmbench.asked import remarks_of
from vlmbench.frames.result_columns import OF_FAILURE, OF_PUBLISHED, RESULT_COLUMNS, ResultColumn
from vlmbench.frames.sources import Place, read_sources
from vlmbench.paths import RESULTS
from vlmbench.records import Failure, Summary
from vlmbench.remarks.base import Remark
from vlmbench.reports.cells import DASH
from vlmbench.reports.facts import FACTS, ModelFacts
from vlmbench.reports.published import Published
from vlmbench.reports.published import published as published_numbers

if TYPE_CHECKING:
    import pandas as pd

_FACT_COLUMNS = {
    "image_encoder": "image encoder",
    "text_encoder": "text encoder",
    "data_size": "data size",
    "objective": "objective",
}
"""The columns that show a fact about the model, with the name of the fact."""


def results_frame(
    places: Place | Iterable[Place] = RESULTS, *, published: bool = False, every: bool = False
) -> pd.DataFrame:
    """Records as a pandas DataFrame: a row for each record and metric, and a row for each pair that failed.

    The columns, their types and their meaning are always the same, also if there are no rows. ``docs/frames.md`` lists
    them. Values are fractions or ranks, never percent. If a place has several answers to the same question, only the
    newest is in the frame, as in ``vlmbench report``. Files that are broken or are not records are left out, and a
    :class:`~vlmbench.errors.VlmbenchWarning` names them.

    Args:
        places: a results folder, one model's folder in it, a record's file, a baseline's folder or name, the URL of
            one of these, a record (as :func:`vlmbench.evaluate` returns it), or several of these. An empty list means
            no records.
        published: add the numbers that papers and model zoos report, a row for each. Their ``origin`` is
            ``"published"``.
        every: keep older answers to the same question, too.

    Returns:
        The frame. Records come first, in the order of their files, then failures, then published numbers.

    Raises:
        UsageError: there is no such place.
    """
    return made_frame(read_rows(places, every=every), published_numbers() if published else ())


class _Rows:
    """The records and failures that become the rows of a frame, in order, each with the name of its place."""

    def __init__(self) -> None:
        self.records: list[tuple[str, Summary]] = []
        self.failures: list[tuple[str, Failure]] = []


def read_rows(places: Place | Iterable[Place], *, every: bool = False) -> _Rows:
    """Read the records and failures of all places."""
    rows = _Rows()
    for source in read_sources(places, every=every):
        rows.records += [(source.label, record) for record in source.entries.records]
        rows.failures += [(source.label, failure) for failure in source.entries.failures]
    return rows


def made_frame(rows: _Rows, numbers: Sequence[Published] = ()) -> pd.DataFrame:
    """Make the frame of these records, failures and published numbers."""
    import numpy as np
    import pandas as pd

    records = [record for _, record in rows.records]
    remarks = [remarks_of(record) for record in records]
    facts = _facts()
    others = len(rows.failures) + len(numbers)
    repeats = np.repeat(np.arange(len(records)), [len(record.metrics) for record in records])
    # Values of records become an array first, and are repeated for each metric afterwards: this takes half the time.
    index = np.concatenate([repeats, np.arange(len(records), len(records) + others)]).astype(np.intp)

    def array(column: ResultColumn) -> Any:
        rest = _others(column.name, rows.failures, numbers, facts)
        if column.of_metric is not None:
            of_metric = column.of_metric
            found = [of_metric(each, name, metric) for each in records for name, metric in each.metrics.items()]
            return typed(found + rest, column.dtype)
        return typed(_once(column, rows.records, remarks, facts) + rest, column.dtype)[index]

    return pd.DataFrame({column.name: array(column) for column in RESULT_COLUMNS})


def typed(values: Sequence[Any], dtype: str) -> Any:
    """Make a column of the pandas type ``dtype``. None becomes a missing value, but in a ``bool`` column False."""
    import numpy as np
    import pandas as pd

    if dtype == "bool":
        return np.array([bool(value) for value in values], dtype=bool)
    if dtype == "float64":
        return np.array(values, dtype=np.float64)
    if dtype.startswith("datetime64"):
        times = pd.to_datetime(list(values), utc=True, format="ISO8601", errors="coerce")
        return times.as_unit("us")
    return pd.array(list(values), dtype=dtype)


def _once(
    column: ResultColumn,
    records: Sequence[tuple[str, Summary]],
    remarks: Sequence[Sequence[Remark]],
    facts: Callable[..., str | None],
) -> list[object]:
    """A column's values for records, one value for each record."""
    if column.name == "results":
        return [label or None for label, _ in records]
    if column.name in _FACT_COLUMNS:
        return [facts(column.name, record.model.name) for _, record in records]
    if column.of_remarks is not None:
        return [column.of_remarks(each) for each in remarks]
    of_record = column.of_record
    return [None] * len(records) if of_record is None else [of_record(record) for _, record in records]


def _others(
    name: str, failures: Sequence[tuple[str, Failure]], numbers: Sequence[Published], facts: Callable[..., str | None]
) -> list[object]:
    """A column's values for failures and for published numbers."""
    if name == "results":
        return [*(label or None for label, _ in failures), *[None] * len(numbers)]
    if name in _FACT_COLUMNS:
        return [
            *(facts(name, failure.model) for _, failure in failures),
            *(facts(name, number.model, tuple(sorted(number.variant.items()))) for number in numbers),
        ]
    failed, printed = OF_FAILURE.get(name), OF_PUBLISHED.get(name)
    return [
        *(failed(failure) if failed else None for _, failure in failures),
        *(printed(number) if printed else None for number in numbers),
    ]


def _facts() -> Callable[..., str | None]:
    """A function that returns a fact about a model by column, model and variant. Each model is looked up once."""
    known = ModelFacts()

    @cache
    def row(model: str, variant: tuple[tuple[str, str], ...]) -> Mapping[str, str]:
        return dict(zip(FACTS, known.row(model, variant=dict(variant)), strict=True))

    def fact(column: str, model: str, variant: tuple[tuple[str, str], ...] = ()) -> str | None:
        text = row(model, variant)[_FACT_COLUMNS[column]]
        return None if text in ("", DASH) else text

    return fact
