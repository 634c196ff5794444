"""Makes the reliability curve of a record: confidence against accuracy, in the bins of the ECE.

The leaderboard's pages of models and ``vlmbench show`` draw it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vlmbench.answers.paired_metric import pairing
from vlmbench.errors import RecordError, UnpairableError
from vlmbench.files import check_regular
from vlmbench.metrics.classification import ECE_BINS, confidence_bins
from vlmbench.paths import lies_beside
from vlmbench.records import Summary

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from vlmbench.answers.measured import Confidences


@dataclass(frozen=True)
class Bin:
    """Answers of similar confidence.

    Attributes:
        low: confidences are above it; in the first bin, from it on.
        high: confidences are at most this one.
        n: the number of answers.
        confidence: the mean confidence; None if the bin has no answers.
        accuracy: the share of right answers; None if the bin has no answers.
    """

    low: float
    high: float
    n: int
    confidence: float | None
    accuracy: float | None


@dataclass(frozen=True)
class Reliability:
    """A reliability curve, or the reason why there is no curve.

    Attributes:
        bins: the bins from which the ECE is computed.
        reason: why there are no bins.
    """

    bins: Sequence[Bin] = ()
    reason: str = ""


def reliability(record: Summary, folder: Path) -> Reliability | None:
    """The curve of a record; None for tasks that state no confidence, and for imported records.

    The metric ``ece`` says whether the confidences are probabilities at all.
    """
    ece = record.metrics.get("ece")
    if ece is None or record.predictions is None or (confidences := _confidences(record)) is None:
        return None
    if ece.value is None:
        return Reliability(reason="The model has no logit scale, so a softmax of its similarities is not a confidence.")
    file = record.predictions.file
    if not lies_beside(file):
        return Reliability(reason="The record names predictions outside its folder.")
    return _read(folder / file, confidences)


def _confidences(record: Summary) -> Confidences | None:
    try:
        return pairing(record.task.plugin).confidences
    except UnpairableError:  # the kind of task is not installed here
        return None


def _read(path: Path, confidences: Confidences) -> Reliability:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        check_regular(path)
        with pq.ParquetFile(path) as file:
            table = file.read(
                columns=list(confidences.columns), use_threads=False
            )  # there are thousands of small files
        return Reliability(_bins(*confidences.compute(table)))
    except FileNotFoundError:
        return Reliability(reason="The predictions are not beside the record.")
    except (OSError, ValueError, RecordError, pa.ArrowException) as error:
        return Reliability(reason=f"The predictions cannot be read: {str(error).splitlines()[0]}")


def _bins(confidence: NDArray[np.float64], correct: NDArray[np.bool_]) -> list[Bin]:
    import numpy as np

    certainty = np.minimum(confidence, 1.0)  # a softmax in float32 may end a rounding error above 1
    index = confidence_bins(certainty, ECE_BINS)
    counts = np.bincount(index, minlength=ECE_BINS)
    hits = np.bincount(index, weights=correct, minlength=ECE_BINS)
    sums = np.bincount(index, weights=certainty, minlength=ECE_BINS)
    return [
        Bin(
            low=bin / ECE_BINS,
            high=(bin + 1) / ECE_BINS,
            n=int(counts[bin]),
            confidence=float(sums[bin] / counts[bin]) if counts[bin] else None,
            accuracy=float(hits[bin] / counts[bin]) if counts[bin] else None,
        )
        for bin in range(ECE_BINS)
    ]
