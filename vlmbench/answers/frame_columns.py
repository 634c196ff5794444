"""Describes a column of a data frame: its name, its pandas type and its meaning.

``vlmbench.results_frame`` and ``predictions_frame`` declare their columns with it. It imports neither NumPy nor pandas,
because ``vlmbench export`` reads the columns of results from here and must start at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

DType: TypeAlias = Literal["string", "float64", "Int64", "bool", "boolean", "datetime64[us, UTC]"]
"""The pandas types of columns. Numbers with decimals are ``float64``, whose missing value is NaN. ``Int64`` and
``boolean`` have a missing value of their own (``pd.NA``), so that counts stay whole numbers. In ``bool`` nothing is
missing."""


@dataclass(frozen=True)
class FrameColumn:
    """One column of a frame.

    Attributes:
        name: its name.
        dtype: its pandas type, also where a frame has no rows.
        meaning: what a value says, for the documentation.
    """

    name: str
    dtype: DType
    meaning: str
