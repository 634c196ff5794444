"""Lists the samples whose answers differ most between the two sides, from their aligned tables.

``vlmbench compare`` shows them as evidence.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vlmbench.answers.paired_metric import pairing
from vlmbench.errors import VlmbenchError, VlmbenchWarning, unexpected
from vlmbench.gate.outcome import SampleFlip

if TYPE_CHECKING:
    import pyarrow as pa

LOSSES, GAINS = 10, 5
"""The number of samples to show of losses and of gains: losses matter more in a release."""


def flipped_samples(
    baseline: pa.Table, candidate: pa.Table, plugin: str, class_names: Sequence[str]
) -> list[SampleFlip]:
    """The samples that changed most: losses first, then gains, the largest change first. Empty if the kind of task does
    not state changes.

    Both tables have the same samples in the same order.

    Raises:
        UnpairableError: answers of this kind cannot be compared.
    """
    try:
        changes = pairing(plugin).changes(baseline, candidate, class_names)
    except VlmbenchError:
        raise
    except Exception as error:  # a bug in a third party's code: the verdict is useful without the samples
        message = f"the changed samples of {plugin} tasks are not shown: {unexpected(error).message}"
        warnings.warn(message, VlmbenchWarning, stacklevel=2)
        return []
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
    """The rows of the largest values above 0. Equal values stay in order."""
    order = np.argsort(-values, kind="stable")[:most]
    return [int(row) for row in order if values[row] > 0]
