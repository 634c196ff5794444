"""What is kept of each image, for those who compare two runs image by image."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vlmbench.metrics.segmentation import PixelCounts, image_mean_ious, image_pixel_accuracies
from vlmbench.tasks.columns import fixed_lists


def prediction_table(ids: Sequence[str], contents: Iterable[str], counts: PixelCounts) -> pa.Table:
    """One row an image, N of them.

    Columns: sample (id), content (hex content hash), miou and pixel_accuracy of the image alone (null where none of its
    pixels is scored), and the pixels of each class that were met, predicted and true (intersection, predicted, truth; C
    in label order), of which every metric of the dataset, and of any resample of its images, can be computed again.
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
