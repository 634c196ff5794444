"""Finds the processor's name and the kind of machine, because costs from different machines cannot be compared.

Records have both.
"""

from __future__ import annotations

import os
import platform
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import torch

from vlmbench.features.workers import usable_cores
from vlmbench.wording import counted

_MODEL = re.compile(r"^model name\s*:\s*(.+)$", re.MULTILINE)
_GPU = re.compile(r"^Model:\s*(.+)$", re.MULTILINE)
_OWN_GROUP = re.compile(r"^\d+:([^:]*):/(.*)$", re.MULTILINE)
_GIB = 2**30


def processor_name(device: str, cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The name of a GPU; for other devices, the name of the processor and the number of cores this process may use.

    Args:
        cpuinfo: the file in which Linux describes its processors.
    """
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    found = _MODEL.search(_text(cpuinfo))
    name = found[1].strip() if found else platform.processor() or platform.machine()  # not Linux: the system's word
    cores = usable_cores()
    return f"{name}, {counted(cores, 'core')}"


@cache
def machine_kind(root: Path = Path("/")) -> str:
    """The GPUs, cores and memory of this machine, such as "8 × NVIDIA H100 80GB HBM3, 96 cores, 1,008 GiB".

    All GPUs of the machine count, also those that this process may not use, so that each worker of a node says the
    same. In a container or a job with limits, its cores and memory count. What the system does not tell is left out.

    Args:
        root: below it are ``proc`` and ``sys`` of Linux.
    """
    cores = min([os.cpu_count() or 1, *_core_limits(root)])
    memory = min([*_installed_memory(), *_memory_limits(root)], default=None)
    gpus = [f"{count} × {name}" for name, count in sorted(Counter(_gpus(root)).items())]
    return ", ".join(
        [*gpus, counted(cores, "core"), *([f"{max(1, round(memory / _GIB)):,} GiB"] if memory is not None else [])]
    )


def _gpus(root: Path) -> list[str]:
    """The GPUs' names, from NVIDIA's driver, which ignores ``CUDA_VISIBLE_DEVICES``; otherwise as torch sees them."""
    described = [_GPU.search(_text(file)) for file in (root / "proc/driver/nvidia/gpus").glob("*/information")]
    names = [found[1].strip() for found in described if found]
    if names or not torch.cuda.is_available():
        return names
    return [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]


def _installed_memory() -> list[int]:
    try:
        return [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf, other systems not these names
        return []


def _memory_limits(root: Path) -> Iterator[int]:
    """The limits of version 2 and of version 1 of Linux's control groups, in bytes. "No limit" is a word or vast."""
    for group in _groups(root, "memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            limit = _text(group / name).strip()
            if limit.isdecimal():
                yield int(limit)


def _core_limits(root: Path) -> Iterator[int]:
    """The quotas of processor time of both versions, in whole cores, at least one. "No quota" is "max" or -1."""
    for group in _groups(root, "cpu"):
        old = f"{_text(group / 'cpu.cfs_quota_us')} {_text(group / 'cpu.cfs_period_us')}"
        for quota in (_text(group / "cpu.max").split(), old.split()):
            if len(quota) == 2 and all(map(str.isdecimal, quota)) and int(quota[1]):
                yield max(1, int(quota[0]) // int(quota[1]))


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """The folders of control groups whose limits hold for this process: its own, and all above it."""
    for controllers, path in _OWN_GROUP.findall(_text(root / "proc/self/cgroup")):
        if controllers and controller not in controllers.split(","):
            continue
        base = root / "sys/fs/cgroup" / (controller if controllers else "")
        folder = base / path.strip()
        while folder.is_relative_to(base):
            yield folder
            folder = folder.parent


def _text(file: Path) -> str:
    """The content of a file of the system; "" if this system does not have it."""
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""
