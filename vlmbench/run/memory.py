"""The most memory that was in use during a stretch of work."""

from __future__ import annotations

import re
from pathlib import Path

import torch

_RESET_PEAK = "5"
"""What Linux takes to begin counting the peak of resident memory anew (proc_pid_clear_refs(5))."""
_PEAK = re.compile(r"^VmHWM:\s*(\d+) kB$", re.MULTILINE)


class PeakMemory:
    """Counts from when it is made.

    Args:
        device: a CUDA device's tensors are counted, for any other device this process' resident memory.
        proc: where Linux tells of this process.
    """

    def __init__(self, device: str, proc: Path = Path("/proc/self")) -> None:
        self._cuda = torch.device(device) if device.startswith("cuda") else None
        self._proc = proc
        self._counts = True
        if self._cuda is not None:
            torch.cuda.reset_peak_memory_stats(self._cuda)
        else:
            self._counts = _reset(proc)

    def peak(self) -> int | None:
        """Bytes at most so far; None where the system does not tell."""
        if self._cuda is not None:
            return int(torch.cuda.max_memory_allocated(self._cuda))
        if not self._counts:
            return None
        try:
            found = _PEAK.search((self._proc / "status").read_text())
        except OSError:
            return None
        return int(found[1]) * 1024 if found else None


def _reset(proc: Path) -> bool:
    """Begin anew; whether that worked: else a peak of earlier work would be taken for this one's."""
    try:
        (proc / "clear_refs").write_text(_RESET_PEAK)
    except OSError:  # not Linux, or a sandbox that forbids it
        return False
    return True
