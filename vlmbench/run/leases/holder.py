"""Says which process holds a lease, and whether that process has ended. Leases are made and judged with it."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from vlmbench.markup import one_line
from vlmbench.storage.disk import process_lives

_LONGEST_HOST = 80
_ENDED_STATES = "ZX"
"""The states of processes that have ended and whose parent has not asked for their exit status yet."""


@dataclass(frozen=True)
class Holder:
    """A process that holds leases.

    Attributes:
        host: the name of the machine, for messages.
        pid: the process.
        machine: identifies this start of the machine, and the container in which process numbers count. Empty if the
            system does not tell: the end of the process cannot be seen then.
        started: when the process started, as its system counts. Numbers of processes are used again.
    """

    host: str
    pid: int
    machine: str = ""
    started: str = ""

    def __str__(self) -> str:
        return f"{one_line(self.host, _LONGEST_HOST)}, process {self.pid}"

    def has_ended(self) -> bool:
        """Whether it is certain that the process has ended: only a process of this machine can tell."""
        if not self.machine or self.machine != _machine():
            return False
        started = _started(self.pid)
        return not process_lives(self.pid) if started is None else started != self.started


@lru_cache(maxsize=1)
def _machine() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{socket.gethostname()} {boot} {os.readlink('/proc/self/ns/pid')}"  # copies of a machine share a boot
    except OSError:
        return socket.gethostname() if sys.platform == "darwin" else ""


def _started(pid: int) -> str | None:
    """The start of a process in ticks since the boot; empty if it has ended; None if the system does not tell."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:  # it has ended, is hidden from this user, or the system is not Linux
        return None
    state, *rest = stat.rpartition(")")[2].split()  # the name of the program before it may have any character
    return "" if state in _ENDED_STATES else rest[18]  # the field 22 of proc_pid_stat(5)


def this_process() -> Holder:
    """This process as a holder."""
    return Holder(socket.gethostname(), os.getpid(), _machine(), _started(os.getpid()) or "")


def lease_text(holder: Holder, run: str, beat: int) -> bytes:
    """The content of a lease's file.

    Args:
        run: identifies the run: one process may have several.
        beat: how often the lease was renewed.
    """
    return json.dumps({**asdict(holder), "run": run, "beat": beat}).encode()


def read_lease(content: bytes) -> tuple[Holder, str]:
    """The holder and its run. A file that is no lease has an unknown holder, who cannot be seen to have ended."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        found = None
    said: Mapping[str, Any] = found if isinstance(found, dict) else {}
    texts = {spec.name: str(said.get(spec.name, "")) for spec in fields(Holder) if spec.name != "pid"}
    pid = said.get("pid")
    texts["host"] = texts["host"] or "an unknown machine"
    if not isinstance(pid, int) or isinstance(pid, bool) or not 0 < pid < 2**31:  # it must not reach the system
        return Holder(texts["host"], 0), str(said.get("run", ""))
    return Holder(pid=pid, **texts), str(said.get("run", ""))
