"""Columns of the tables that are kept beside records."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from numpy.typing import NDArray


def fixed_lists(rows: NDArray[Any]) -> pa.Array:
    """(N, K) numbers as N lists of K each, in the numbers' own type."""
    return pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), rows.shape[1])
