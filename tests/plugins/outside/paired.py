"""How two runs of the kind "agreement" are compared."""

from __future__ import annotations

import pyarrow as pa

from vlmbench.answers.columns import numbers
from vlmbench.answers.measured import Measured, Pairing
from vlmbench.records import Record


def measured(record: Record, table: pa.Table, metric: str) -> Measured | None:
    if metric != "agreement":
        return None
    right = numbers(table, "wanted") == numbers(table, "said")
    return Measured(len(right), lambda weights: weights @ right / len(right), right, right=right)


PAIRING = Pairing(measured, columns=("wanted", "said"), answers=("said",))
