"""Finds the processor's name and the peak of memory, because costs from different machines cannot be compared.

Runs write both into their records.
"""

from __future__ import annotations

import platform
import re
from pathlib import Path

import torch

from vlmbench.features.workers import usable_cores
from vlmbench.wording import counted

_MODEL = re.compile(r"^model name\s*:\s*(.+)$", re.MULTILINE)
_RESET_PEAK = "5"
"""The value with which Linux resets the peak of resident memory (proc_pid_clear_refs(5))."""
_PEAK = re.compile(r"^VmHWM:\s*(\d+) kB$", re.MULTILINE)


def processor_name(device: str, cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The name of a GPU; for other devices, the name of the processor and the number of cores this process may use.

    Args:
        cpuinfo: the file in which Linux describes its processors.
    """
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    try:
        found = _MODEL.search(cpuinfo.read_text(errors="replace"))
    except OSError:  # not Linux: the system's name for the processor
        found = None
    name = found[1].strip() if found else platform.processor() or platform.machine()
    cores = usable_cores()
    return f"{name}, {counted(cores, 'core')}"


class PeakMemory:
    """The largest memory use since this object was made.

    Args:
        device: on a CUDA device the memory of tensors counts, otherwise the resident memory of this process.
        proc: the folder in which Linux describes this process.
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
        """The largest number of bytes so far; None if the system does not tell."""
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
    """Reset the peak. Returns whether it worked; otherwise the peak may belong to earlier work."""
    try:
        (proc / "clear_refs").write_text(_RESET_PEAK)
    except OSError:  # not Linux, or a sandbox that forbids it
        return False
    return True
