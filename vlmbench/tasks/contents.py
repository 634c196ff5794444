"""The content hashes of the samples that were scored, at 40 bytes each where strings and a dictionary take 250."""

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
"""(N, 32) SHA-256."""
_ROWS = 4096
"""Hashes that are spelled out at once."""


class Contents(Mapping[int, str]):
    """Sample index to hex content hash, in the dataset's order.

    Args:
        indices: (N,) in any order, none twice.
        digests: (N, 32), in the same order.
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

    def column(self) -> pa.Array:
        """The N hashes in hex, as tables beside records have them."""
        letters = np.empty((len(self), 2 * HASH_BYTES), dtype=np.uint8)
        for start in range(0, len(self), _ROWS):
            part = self._digests[start : start + _ROWS]
            letters[start : start + _ROWS] = np.frombuffer(part.tobytes().hex().encode(), np.uint8).reshape(
                len(part), -1
            )
        ends = np.arange(len(self) + 1, dtype=np.int32) * (2 * HASH_BYTES)
        return pa.StringArray.from_buffers(len(self), pa.py_buffer(ends), pa.py_buffer(letters))


class ContentKeeper:
    """Collects hashes batch by batch.

    Args:
        most: how many samples there are at most. Rows that are never filled cost no memory.
    """

    def __init__(self, most: int) -> None:
        self._indices = np.empty(most, dtype=np.int64)
        self._digests = np.empty((most, HASH_BYTES), dtype=np.uint8)
        self._count = 0

    def add(self, batch: ImageBatch) -> slice:
        """Keep a batch's; returns the rows that are its."""
        rows = slice(self._count, self._count + len(batch.indices))
        self._indices[rows] = batch.indices
        self._digests[rows] = digests(batch.contents)
        self._count = rows.stop
        return rows

    def indices(self) -> npt.NDArray[np.int64]:
        """(N,) of the samples so far, in the order they came in."""
        return self._indices[: self._count]

    def contents(self) -> Contents:
        """Those of the samples so far."""
        return Contents(self.indices(), self._digests[: self._count])


def digests(contents: Sequence[str]) -> Digests:
    """N hex hashes to (N, 32)."""
    return np.frombuffer(bytes.fromhex("".join(contents)), dtype=np.uint8).reshape(len(contents), HASH_BYTES)


def dataset_order(indices: npt.NDArray[np.int64]) -> npt.NDArray[np.int64] | None:
    """The places that put samples into the dataset's order; None where they are in it."""
    return None if (np.diff(indices) > 0).all() else np.argsort(indices, kind="stable")


def in_order(rows: npt.NDArray[N], order: npt.NDArray[np.int64] | None) -> npt.NDArray[N]:
    """Rows in another order; where they are in order, themselves and no copy."""
    return rows if order is None else rows[order]
