"""Tells whether Linux has killed processes because memory ran out. Crews use it to explain a death."""

from __future__ import annotations

from pathlib import Path

_COUNTERS = (Path("/proc/vmstat"), Path("/sys/fs/cgroup/memory.events"))


def oom_kills(counters: tuple[Path, ...] = _COUNTERS) -> int:
    """How many processes of this machine or container were killed so far, by the system's own counts.

    Returns:
        The largest count; 0 if the system counts nothing.
    """
    return max((_count(path) for path in counters), default=0)


def _count(path: Path) -> int:
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:  # not Linux, or no such control group
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)
