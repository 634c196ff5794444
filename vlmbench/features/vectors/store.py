"""Keeps large arrays of numbers: in memory while they are small, else in a temporary file.

The vectors of 25,000 captions of 77 tokens are 2 GB, and so are not held in memory. The engine keeps vectors here, and
retrieval the similarities of all pairs.
"""

from __future__ import annotations

import os
import tempfile

import numpy as np
import numpy.typing as npt

from vlmbench.errors import VlmbenchError

Floats = npt.NDArray[np.float32]
MOST_IN_MEMORY = 2**26
"""The bytes of the largest array that is kept in memory: 64 MiB."""


def kept_array(shape: tuple[int, ...], most: int | None = None) -> Floats:
    """Make an array of float32, to be filled. If it is large, it is in a file that goes when the array does.

    The file is where Python puts temporary files; the environment variable TMPDIR names another folder.

    Args:
        most: the bytes of the largest array in memory; None: :data:`MOST_IN_MEMORY`.

    Raises:
        VlmbenchError: the disk has no room.
    """
    size = 4 * int(np.prod(shape, dtype=np.int64))
    if size <= (MOST_IN_MEMORY if most is None else most):
        return np.empty(shape, dtype=np.float32)
    with tempfile.TemporaryFile(prefix="vlmbench-vectors-") as file:
        try:
            # Without this, a disk that becomes full ends the process while the array is filled.
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            return np.memmap(file, dtype=np.float32, mode="r+" if hasattr(os, "posix_fallocate") else "w+", shape=shape)
        except OSError as error:
            raise VlmbenchError(
                f"{tempfile.gettempdir()} has no room for {size / 2**20:,.0f} MiB of vectors: {error.strerror}",
                hint="Set TMPDIR to a folder on another disk.",
            ) from error
