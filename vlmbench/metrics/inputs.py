"""Names the array types that metrics accept, and checks them. A message names the first wrong sample.

All metrics of samples call it first.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

IntArray: TypeAlias = NDArray[np.integer[Any]]
FloatArray: TypeAlias = NDArray[np.floating[Any]]
BoolArray: TypeAlias = NDArray[np.bool_]


def class_indices(values: IntArray, name: str, *, num_classes: int | None = None, ndim: int = 1) -> NDArray[np.int64]:
    """Class indices as int64, each at least 0 and, if `num_classes` is given, below it.

    Raises:
        ValueError: no samples, the wrong number of axes, not integers, or an index out of range.
    """
    array = _of_rank(values, name, ndim)
    if not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"{name} must be integers, got {array.dtype}")
    outside = array < 0
    if num_classes is not None:
        outside |= array >= num_classes
    if outside.any():
        first = _first(outside)
        allowed = "0 or more" if num_classes is None else f"in [0, {num_classes})"
        raise ValueError(f"{name}{list(first)} is {array[first]}; class indices must be {allowed}")
    return array.astype(np.int64, copy=False)


def real_scores(values: FloatArray, name: str, *, ndim: int = 1) -> NDArray[np.float64]:
    """Scores as float64 without NaN.

    Raises:
        ValueError: no samples, the wrong number of axes, or a NaN.
    """
    array = _of_rank(values, name, ndim).astype(np.float64, copy=False)
    undefined = np.isnan(array)
    if undefined.any():
        raise ValueError(f"{name}{list(_first(undefined))} is NaN")
    return array


def flags(values: BoolArray, name: str, *, ndim: int = 1) -> BoolArray:
    """Booleans. Numbers are accepted if each is 0 or 1.

    Raises:
        ValueError: no samples, the wrong number of axes, or a value that is neither 0 nor 1.
    """
    array = _of_rank(values, name, ndim)
    if array.dtype == np.bool_:
        return array
    other = (array != 0) & (array != 1)
    if other.any():
        # VOC marks "difficult" with a third value. Read as True, it would silently change the metric.
        first = _first(other)
        raise ValueError(f"{name}{list(first)} is {array[first]}; it must be 0 or 1")
    return array.astype(np.bool_)


def same_length(**arrays: NDArray[Any]) -> int:
    """The common length of these arrays along their first axis.

    Raises:
        ValueError: they differ.
    """
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError("lengths differ: " + ", ".join(f"{name} {n}" for name, n in lengths.items()))
    return next(iter(lengths.values()))


def _of_rank(values: NDArray[Any], name: str, ndim: int) -> NDArray[Any]:
    array = np.asarray(values)
    if array.ndim != ndim:
        raise ValueError(f"{name} must have {ndim} axes, got shape {array.shape}")
    if array.size == 0:
        raise ValueError(f"{name} has no samples (shape {array.shape}); a metric needs at least one")
    return array


def _first(mask: BoolArray) -> tuple[int, ...]:
    return tuple(int(axis) for axis in np.unravel_index(int(mask.argmax()), mask.shape))
