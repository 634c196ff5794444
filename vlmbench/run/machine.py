"""The processor's name and the peak of memory, for records: without them, the costs of two machines look alike."""

from __future__ import annotations

import platform
import re
from pathlib import Path

import torch

from vlmbench.features.workers import usable_cores

_MODEL = re.compile(r"^model name\s*:\s*(.+)$", re.MULTILINE)
_RESET_PEAK = "5"
"""What Linux takes to begin counting the peak of resident memory anew (proc_pid_clear_refs(5))."""
_PEAK = re.compile(r"^VmHWM:\s*(\d+) kB$", re.MULTILINE)


def processor_name(device: str, cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """A GPU's name; of any other device the processor's, with the number of cores that this process may use.

    Args:
        cpuinfo: where Linux tells of its processors.
    """
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    try:
        found = _MODEL.search(cpuinfo.read_text(errors="replace"))
    except OSError:  # this is not Linux: take the name that the system gives
        found = None
    name = found[1].strip() if found else platform.processor() or platform.machine()
    cores = usable_cores()
    return f"{name}, {cores} core{'s' * (cores != 1)}"


class PeakMemory:
    """The most memory in use since it was made.

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
        """Bytes at most so far; None if the system does not tell."""
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
    """Let the count begin anew. False if that failed: the peak may then be one of earlier work."""
    try:
        (proc / "clear_refs").write_text(_RESET_PEAK)
    except OSError:  # not Linux, or a sandbox that forbids it
        return False
    return True
