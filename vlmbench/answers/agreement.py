"""Tells whether the answers of two runs differ only by rounding. The gate uses it.

They do if every score is within its tolerance and all decisions are equal. A decision is the answer to a sample: its
class, its rank, its pixels, or the label of a box. Numbers computed from the scores, such as average precisions, must
also be equal within the tolerance: if two scores change places, such numbers change.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from vlmbench.answers.columns import row_bytes
from vlmbench.answers.measured import ClassShares, ClassStatistics, Measured, Pairing
from vlmbench.answers.rounding import TOLERANCE, Rounding, largest_distance
from vlmbench.answers.tables import Aligned


def rounding(aligned: Aligned, own: Pairing) -> Rounding | None:
    """How much the scores of two tables differ, if they differ only by rounding and no decision differs; else None."""
    if aligned.only_baseline or aligned.only_candidate or not own.scores:
        return None
    before = aligned.baseline
    after = own.rearranged(before, aligned.candidate)
    found = []
    for scores in own.scores:
        there = [scores.column in table.column_names for table in (before, after)]
        if scores.optional and not all(there):
            continue
        distance = largest_distance(before, after, scores) if all(there) else None
        if distance is None or distance > TOLERANCE:
            return None
        found.append(Rounding(distance, scores.column))
    return max(found, key=lambda each: each.largest) if found and _same_decisions(before, after, own) else None


def same_values(before: Measured, after: Measured) -> bool:
    """Whether a metric and its value for each class are equal in both, apart from rounding."""
    if not abs(after.value - before.value) <= TOLERANCE:
        return False
    if before.right is not None and after.right is not None and not np.array_equal(before.right, after.right):
        return False
    if before.classes is None or after.classes is None:
        return before.classes is after.classes
    first, second = before.classes(), after.classes()
    if isinstance(first, ClassShares) and isinstance(second, ClassShares):
        return np.array_equal(first.labels, second.labels) and np.array_equal(first.right, second.right)
    if isinstance(first, ClassStatistics) and isinstance(second, ClassStatistics):
        every = np.ones((1, before.n), dtype=np.int32)
        old, new = first.statistics(every), second.statistics(every)
        return old.shape == new.shape and np.allclose(old, new, rtol=0, atol=TOLERANCE, equal_nan=True)
    return False


def _same_decisions(before: pa.Table, after: pa.Table, own: Pairing) -> bool:
    kept = [name for name in before.column_names if name in after.column_names]
    if own.decisions is not None:
        pairs = zip(own.decisions(before.select(kept)), own.decisions(after.select(kept)), strict=True)
        return all(np.array_equal(first, second) for first, second in pairs)
    scores = {each.column for each in own.scores}
    wanted = {*own.answers, *own.columns} - scores
    return set(own.answers) - scores <= set(kept) and all(
        row_bytes(before, name) == row_bytes(after, name) for name in kept if name in wanted
    )
