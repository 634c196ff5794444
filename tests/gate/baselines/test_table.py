"""A baseline's table: text that says exactly the same, or none."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlmbench.errors import RecordError
from vlmbench.gate.baselines.table import from_csv, paired_columns, to_csv

MOST = 2**20
FLOATS = {32: st.floats(width=32, allow_nan=False), 64: st.floats(allow_nan=False)}


TEXT = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\r"), max_size=8)
INTEGERS = st.integers(-(2**31), 2**31 - 1)
FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)  # JSON has no infinity
KINDS: list[tuple[st.SearchStrategy[Any], pa.DataType]] = [
    (TEXT, pa.string()),
    (st.none() | INTEGERS, pa.int32()),
    (st.booleans(), pa.bool_()),
    (st.none() | FLOATS[32], pa.float32()),
    (FLOATS[64], pa.float64()),
    (st.lists(INTEGERS, max_size=3), pa.list_(pa.int32())),
    (st.lists(FLOATS[32], min_size=3, max_size=3), pa.list_(pa.float32(), 3)),
    (st.lists(st.booleans(), max_size=3), pa.list_(pa.bool_())),
    (st.lists(TEXT, max_size=3), pa.list_(pa.string())),
    (st.lists(st.lists(FINITE, min_size=4, max_size=4), max_size=3), pa.list_(pa.list_(pa.float32(), 4))),
    (st.lists(st.lists(st.booleans(), max_size=2), max_size=2), pa.list_(pa.list_(pa.bool_()))),
]
"""Every kind of column that a task writes, and deeper ones."""


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    """One to four columns of any kinds, of 0 to 6 rows: small enough to be drawn quickly."""
    rows = draw(st.integers(0, 6))
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=4))
    columns = {
        f"c{place}:,": pa.array(draw(st.lists(values, min_size=rows, max_size=rows)), kind)
        for place, (values, kind) in enumerate(kinds)
    }
    return pa.table(columns)


@settings(max_examples=200, deadline=None)
@given(tables())
def test_every_table_reads_back_exactly(table: pa.Table) -> None:
    data = to_csv(table, MOST)
    assert data is not None
    assert from_csv(data, "x.csv").equals(table)
    assert len(data.decode().split("\n")) >= table.num_rows + 2


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["a", None]),
        pa.array([[1], None], pa.list_(pa.int32())),
        pa.array([float("nan")], pa.float32()),
        pa.array([0], pa.timestamp("s")),
        pa.array([b"x"], pa.binary()),
    ],
)
def test_what_text_cannot_say_exactly_is_no_text(column: pa.Array) -> None:
    assert to_csv(pa.table({"c": column}), MOST) is None


def test_a_float32_is_as_short_as_it_can_be() -> None:
    table = pa.table(
        {"confidence": pa.array([0.1, 1 / 3], pa.float32()), "top": pa.array([[1, 2]] * 2, pa.list_(pa.int32(), 2))}
    )
    assert to_csv(table, MOST) == b"confidence:float32,top:int32[2]\n0.1,1 2\n0.33333334,1 2\n"


def test_a_table_above_the_limit_is_no_text() -> None:
    table = pa.table({"sample": ["x" * 50] * 100})
    assert to_csv(table, 5000) is None and to_csv(table, 5200) is not None


@pytest.mark.parametrize("data", [b"", b"\xff", b"a\n1\n", b"a:int33\n1\n", b"a:int32,b:int32\n1\n", b"a:int32\nx\n"])
def test_what_is_no_table_is_said(data: bytes) -> None:
    with pytest.raises(RecordError, match=r"x\.csv: not a table of a baseline"):
        from_csv(data, "x.csv")


def test_only_what_comparisons_read_is_kept() -> None:
    table = pa.table(
        {name: [1] for name in ("sample", "content", "label", "top", "top_scores", "confidence", "image_id")}
    )
    described = table.replace_schema_metadata({"vlmbench": "{}"})
    kept = paired_columns(described, "classification")
    assert (
        kept.column_names == ["sample", "content", "label", "top", "top_scores", "confidence"]
        and kept.schema.metadata is None
    )
    assert paired_columns(table, "somebody-elses").column_names == table.column_names
