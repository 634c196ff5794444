"""Starts worker processes through a nursery, and learns how they end. The crew of processes uses it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from vlmbench.errors import WorkerError

_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[3]); import vlmbench.run.pool.worker_process; "
    "from vlmbench.run.pool.nursery_process import main; main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[4])"
)


@dataclass(frozen=True)
class Birth:
    """The message that asks for a worker.

    Attributes:
        environment: variables that this worker has beside those of the nursery.
    """

    environment: Mapping[str, str]


@dataclass
class Nursery:
    """A process that makes workers. It is started with the first worker, and again if it has died.

    Args:
        environment: variables of the nursery and of all its workers. Libraries read some of them when they are
            imported, such as the number of threads.
        log: where its own output goes. If this process is killed, the nursery removes the folder in which it is.
    """

    environment: Mapping[str, str]
    log: Path
    _process: subprocess.Popen[bytes] | None = None
    _connection: Connection | None = None
    _socket: socket.socket | None = None
    _ended: dict[int, int] = field(default_factory=dict)
    _alive: set[int] = field(default_factory=set)

    def start(self, environment: Mapping[str, str], log: Path) -> tuple[int, Connection]:
        """Start a worker. The first one waits for the imports.

        Args:
            environment: variables of this worker alone.
            log: where its output goes.

        Returns:
            Its process id, and the connection to it.

        Raises:
            WorkerError: the system starts no further process.
        """
        own, its = socket.socketpair()
        try:
            with its, log.open("wb") as output:
                connection = self._open()
                connection.send(Birth(dict(environment)))
                assert self._socket is not None  # it is opened with the connection
                socket.send_fds(self._socket, [b"."], [its.fileno(), output.fileno()])
                pid = self._born(connection)
        except (OSError, EOFError) as error:
            own.close()
            self.close()
            reason = getattr(error, "strerror", None) or "the process that starts workers has ended"
            raise WorkerError(f"a worker cannot be started: {reason}{_last_line(self.log)}") from error
        self._alive.add(pid)
        return pid, Connection(own.detach())

    def exit_code(self, pid: int, seconds: float) -> int | None:
        """How a worker ended, as :class:`subprocess.Popen` says it. None: that is not known, or it has not ended.

        Args:
            seconds: how long to wait for its end.
        """
        deadline = time.monotonic() + seconds
        connection = self._connection
        while pid not in self._ended and connection is not None:
            try:
                if not connection.poll(max(0.0, deadline - time.monotonic())):
                    break
                self._note(connection.recv())
            except (OSError, EOFError):
                break
        return self._ended.get(pid)

    def kill(self, pid: int) -> None:
        """Kill a worker, unless it has ended."""
        if pid in self._alive and pid not in self._ended:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def close(self) -> None:
        """End the nursery and all its workers."""
        if self._connection is not None:
            self._connection.close()
        if self._socket is not None:
            self._socket.close()
        if self._process is not None:
            for pid in self._alive - self._ended.keys():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._process.kill()
            self._process.wait()
        self._process = self._connection = self._socket = None

    def _open(self) -> Connection:
        if self._connection is not None and self._process is not None and self._process.poll() is None:
            return self._connection
        self.close()
        own, its = socket.socketpair()
        with its, self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-X", "faulthandler", "-c", _BOOT),
                    *(str(its.fileno()), str(os.getpid()), json.dumps(sys.path), str(self.log.parent.absolute())),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **self.environment},
                pass_fds=(its.fileno(),),
                start_new_session=True,  # Ctrl-C is for the driver
            )
        self._connection, self._socket = Connection(os.dup(own.fileno())), own
        return self._connection

    def _born(self, connection: Connection) -> int:
        while True:
            pid, code = connection.recv()
            if code is None:
                return int(pid)
            self._note((pid, code))

    def _note(self, message: tuple[int, int]) -> None:
        self._ended[message[0]] = message[1]


def _last_line(log: Path) -> str:
    """The last line that the nursery wrote, such as an error at an import."""
    try:
        lines = log.read_text(errors="replace").strip().splitlines()
    except OSError:
        return ""
    return f" ({lines[-1]})" if lines else ""
