"""Makes the table of predictions of a segmentation run, with the pixel counts of each image.

The segmentation plugin writes it. Comparisons of runs, data frames and ``vlmbench show`` read it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vlmbench.metrics.segmentation import PixelCounts, image_mean_ious, image_pixel_accuracies
from vlmbench.tasks.columns import fixed_lists


def prediction_table(ids: Sequence[str], contents: Iterable[str], counts: PixelCounts) -> pa.Table:
    """The table of N images, with one row for each image.

    Columns:

    - sample: the id;
    - content: the content hash, in hexadecimal digits;
    - miou, pixel_accuracy: of this image alone; null if none of its pixels is scored;
    - intersection: C counts, in label order, of scored pixels of the class that were predicted as the class;
    - predicted: C counts of scored pixels that were predicted as the class;
    - truth: C counts of scored pixels of the class.

    The counts are enough to compute every metric of the dataset again, also for any resample of its images.
    """
    return pa.table(
        {
            "sample": pa.array(ids, pa.string()),
            "content": pa.array(list(contents), pa.string()),
            "miou": _fractions(image_mean_ious(counts)),
            "pixel_accuracy": _fractions(image_pixel_accuracies(counts)),
            "intersection": fixed_lists(counts.intersection),
            "predicted": fixed_lists(counts.predicted),
            "truth": fixed_lists(counts.truth),
        }
    )


def _fractions(values: NDArray[np.float64]) -> pa.Array:
    return pa.array([None if math.isnan(value) else value for value in values.tolist()], pa.float64())
