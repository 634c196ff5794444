"""Keeps the content hashes of scored samples in 40 bytes each; a dictionary of strings needs 250.

Classification, rare actions and retrieval use it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vlmbench.data.base import HASH_BYTES
from vlmbench.features.images.batch import ImageBatch

N = TypeVar("N", bound=np.generic)
Digests = npt.NDArray[np.uint8]
"""(N, 32) bytes: one SHA-256 hash in each row."""
_ROWS = 4096
"""The number of hashes that are converted to hex at once."""


class Contents(Mapping[int, str]):
    """Maps the index of a sample to its content hash in hex. The samples are in the dataset's order.

    Args:
        indices: (N,) sample indices, in any order, without duplicates.
        digests: (N, 32) the samples' hashes, in the same order.
    """

    def __init__(self, indices: npt.NDArray[np.int64], digests: Digests) -> None:
        order = dataset_order(indices)
        self.indices, self._digests = in_order(indices, order), in_order(digests, order)

    def __getitem__(self, index: int) -> str:
        place = int(np.searchsorted(self.indices, index))
        if place == len(self.indices) or self.indices[place] != index:
            raise KeyError(index)
        return bytes(self._digests[place]).hex()

    def __iter__(self) -> Iterator[int]:
        return map(int, self.indices)

    def __len__(self) -> int:
        return len(self.indices)

    def only(self, kept: npt.NDArray[np.bool_]) -> Contents:
        """The hashes of some of the samples.

        Args:
            kept: (N,) whether each sample is kept.
        """
        return self if kept.all() else Contents(self.indices[kept], self._digests[kept])

    def column(self) -> pa.Array:
        """The N hashes in hex, as a column of a prediction table."""
        letters = np.empty((len(self), 2 * HASH_BYTES), dtype=np.uint8)
        for start in range(0, len(self), _ROWS):
            part = self._digests[start : start + _ROWS]
            letters[start : start + _ROWS] = np.frombuffer(part.tobytes().hex().encode(), np.uint8).reshape(
                len(part), -1
            )
        ends = np.arange(len(self) + 1, dtype=np.int32) * (2 * HASH_BYTES)
        return pa.StringArray.from_buffers(len(self), pa.py_buffer(ends), pa.py_buffer(letters))


class ContentKeeper:
    """Collects the content hashes of samples, batch by batch.

    Args:
        most: the highest possible number of samples. Rows that are never filled use no memory.
    """

    def __init__(self, most: int) -> None:
        self._indices = np.empty(most, dtype=np.int64)
        self._digests = np.empty((most, HASH_BYTES), dtype=np.uint8)
        self._count = 0

    def add(self, batch: ImageBatch) -> slice:
        """Keep the hashes of a batch.

        Returns:
            The batch's rows, for other arrays that have one row for each sample in the order of arrival.
        """
        rows = slice(self._count, self._count + len(batch.indices))
        self._indices[rows] = batch.indices
        self._digests[rows] = digests(batch.contents)
        self._count = rows.stop
        return rows

    def indices(self) -> npt.NDArray[np.int64]:
        """(N,) the indices of the samples so far, in the order of arrival."""
        return self._indices[: self._count]

    def contents(self) -> Contents:
        """The hashes of the samples so far."""
        return Contents(self.indices(), self._digests[: self._count])


def digests(contents: Sequence[str]) -> Digests:
    """N hashes in hex, as (N, 32) bytes."""
    return np.frombuffer(bytes.fromhex("".join(contents)), dtype=np.uint8).reshape(len(contents), HASH_BYTES)


def dataset_order(indices: npt.NDArray[np.int64]) -> npt.NDArray[np.int64] | None:
    """The places that sort samples into the dataset's order; None if they already have this order."""
    return None if (np.diff(indices) > 0).all() else np.argsort(indices, kind="stable")


def in_order(rows: npt.NDArray[N], order: npt.NDArray[np.int64] | None) -> npt.NDArray[N]:
    """The rows, sorted by ``order``. If it is None, the same array is returned and not copied."""
    return rows if order is None else rows[order]
