"""Columns of the tables that are kept beside records."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

import pyarrow as pa
from numpy.typing import NDArray

_ROWS = 4096
"""Strings that are held at once while they become a column."""


def strings(values: Iterable[str]) -> pa.ChunkedArray:
    """A column of strings, from strings that need not be there all at once."""
    left = iter(values)
    chunks = iter(lambda: list(islice(left, _ROWS)), [])
    return pa.chunked_array([pa.array(chunk, pa.string()) for chunk in chunks], pa.string())


def fixed_lists(rows: NDArray[Any]) -> pa.Array:
    """(N, K) numbers as N lists of K each, in the numbers' own type."""
    return pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), rows.shape[1])
