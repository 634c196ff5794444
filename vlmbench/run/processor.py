"""What computes: without its name, speeds of two machines would be compared as if they were one's."""

from __future__ import annotations

import platform
import re
from pathlib import Path

import torch

from vlmbench.features.workers import usable_cores

_MODEL = re.compile(r"^model name\s*:\s*(.+)$", re.MULTILINE)


def processor_name(device: str, cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """A GPU's name; of any other device the processor's, with the number of cores that this process may use.

    Args:
        device: as torch has it.
        cpuinfo: where Linux tells of its processors.
    """
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    try:
        found = _MODEL.search(cpuinfo.read_text(errors="replace"))
    except OSError:  # no Linux: what the system calls its processor must do
        found = None
    name = found[1].strip() if found else platform.processor() or platform.machine()
    cores = usable_cores()
    return f"{name}, {cores} core{'s' * (cores != 1)}"
