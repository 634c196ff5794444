"""Finds the processor's name, because costs from different machines cannot be compared. Records have it."""

from __future__ import annotations

import platform
import re
from pathlib import Path

import torch

from vlmbench.features.workers import usable_cores
from vlmbench.wording import counted

_MODEL = re.compile(r"^model name\s*:\s*(.+)$", re.MULTILINE)


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
