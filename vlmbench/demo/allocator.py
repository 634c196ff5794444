"""Sets the C library's memory allocator: memory that one forward pass frees is kept for the next one.

``vlmbench demo`` uses it.
"""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""glibc's ``malloc.h``."""
_REUSED, _KEPT = 256 * 2**20, 512 * 2**20
"""Bytes: the largest block that is reused, and free memory at the heap's end that stays with the process."""


def keep_freed_memory() -> bool:
    """Let malloc reuse blocks of up to 256 MiB. Returns whether it will; only glibc has this setting.

    Without it, malloc takes each block above 32 MiB from the system and gives it back at once. A network's activations
    on a CPU are such blocks, and the system clears each of their pages every time. For a small network that is a third
    of the processor time.
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(_M_MMAP_THRESHOLD, _REUSED) and mallopt(_M_TRIM_THRESHOLD, _KEPT))
