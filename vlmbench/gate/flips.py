"""The samples that two sides answered most differently, from their aligned tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vlmbench.answers.paired_metric import pairing
from vlmbench.gate.outcome import SampleFlip

if TYPE_CHECKING:
    import pyarrow as pa

LOSSES, GAINS = 10, 5
"""Samples shown. Who looks at a release looks for what it lost."""


def flipped_samples(
    baseline: pa.Table, candidate: pa.Table, plugin: str, class_names: Sequence[str]
) -> list[SampleFlip]:
    """The samples that changed most, losses first, each the greatest first; none where the kind does not tell.

    Both tables hold the same samples in the same order.

    Raises:
        UnpairableError: answers of this kind cannot be compared.
    """
    changes = pairing(plugin).changes(baseline, candidate, class_names)
    if changes is None:
        return []
    return [
        SampleFlip(
            sample=str(baseline["sample"][row].as_py()),
            truth=changes.truth(row),
            baseline=changes.baseline(row),
            candidate=changes.candidate(row),
            lost=bool(changes.gain[row] < 0),
        )
        for row in (*_greatest(-changes.gain, LOSSES), *_greatest(changes.gain, GAINS))
    ]


def _greatest(values: NDArray[Any], most: int) -> list[int]:
    """The rows of the greatest values above 0; of equal ones, in their order."""
    order = np.argsort(-values, kind="stable")[:most]
    return [int(row) for row in order if values[row] > 0]
