"""Content hashes of samples, read once and kept from run to run. Transfer compares roles of a task by them."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vlmbench.data.base import ImageDataset, content_sha256

_BYTES = 32


class ContentHashes:
    """The content hash of each sample that was asked for.

    Hashes are kept on disk for each state of a dataset, a hash of names, sizes and times. Like ``make`` and ``git``,
    this assumes that a file with the same size and time is the same file.

    Args:
        folder: where they are kept; None: nowhere, and each run reads the files again.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._known: dict[int, _OfDataset] = {}

    def get(self, dataset: ImageDataset, index: int) -> str:
        """The hex content hash of one sample.

        Raises:
            BadSampleError: it cannot be read.
        """
        return self._of(dataset).get(index)

    def keep(self) -> None:
        """Write what was read, except of datasets whose files changed meanwhile."""
        for known in self._known.values():
            known.keep()

    def _of(self, dataset: ImageDataset) -> _OfDataset:
        if id(dataset) not in self._known:  # the value keeps the dataset, so that its id stays its own
            self._known[id(dataset)] = _OfDataset(dataset, self._folder)
        return self._known[id(dataset)]


class _OfDataset:
    """The hashes of one dataset: (N, 32) bytes, all 0 for a sample that was not read."""

    def __init__(self, dataset: ImageDataset, folder: Path | None) -> None:
        self._dataset, self._state = dataset, dataset.state()
        self._file = None
        if folder is not None and self._state:
            place = f"{dataset.info.kind} {dataset.info.location} {self._state} {len(dataset.samples)}"
            self._file = folder / f"{sha256(place.encode()).hexdigest()}.contents"
        self._hashes = self._stored()
        self._new = False

    def get(self, index: int) -> str:
        row = self._hashes[index]
        if not row.any():
            row[:] = np.frombuffer(bytes.fromhex(content_sha256(self._dataset, index)), np.uint8)
            self._new = True
        return bytes(row).hex()

    def keep(self) -> None:
        if self._file is None or not self._new or self._dataset.state() != self._state:
            return
        temporary = self._file.with_name(f".{self._file.name}.{socket.gethostname()}.{os.getpid()}")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(self._hashes.tobytes())
            temporary.replace(self._file)
        except OSError:  # no harm: the next run reads the files again
            with suppress(OSError):  # if nothing can be written, there is nothing to remove
                temporary.unlink(missing_ok=True)
        self._new = False

    def _stored(self) -> npt.NDArray[np.uint8]:
        size = len(self._dataset.samples) * _BYTES
        empty = np.zeros((len(self._dataset.samples), _BYTES), np.uint8)
        if self._file is None:
            return empty
        try:
            if self._file.stat().st_size != size:
                return empty
            empty[:] = np.frombuffer(self._file.read_bytes(), np.uint8).reshape(-1, _BYTES)
            return empty
        except (OSError, ValueError):  # missing, or cut off meanwhile: read again
            return empty
