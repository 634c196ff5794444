"""Says in plain words how a worker's process ended. Every crew uses it."""

from __future__ import annotations

import signal

from vlmbench.run.pool.out_of_memory import oom_kills


def ended(code: int) -> str:
    """How a process ended, from its exit code as :class:`subprocess.Popen` has it.

    >>> ended(-9), ended(3)
    ('it was killed by signal 9 (SIGKILL)', 'it ended with exit code 3')
    """
    if code >= 0:
        return f"it ended with exit code {code}"
    try:
        name = f" ({signal.Signals(-code).name})"
    except ValueError:
        name = ""
    return f"it was killed by signal {-code}{name}"


def why_ended(code: int, kills_before: int) -> tuple[str, bool]:
    """How a worker's process ended, and whether memory ran out.

    Args:
        code: as :func:`ended` takes it.
        kills_before: what :func:`~vlmbench.run.pool.out_of_memory.oom_kills` counted when the worker started.
    """
    if code == -signal.SIGKILL and oom_kills() > kills_before:
        return "the system killed it, because memory ran out", True
    return ended(code), False
