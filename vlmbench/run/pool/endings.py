"""Says in plain words how a worker's process ended. Every crew uses it."""

from __future__ import annotations

import signal


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
