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
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from vlmbench.errors import WorkerError

_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[3]); import vlmbench.run.pool.worker_process; "
    "from vlmbench.run.pool.nursery_process import main; "
    "main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[4], json.loads(sys.argv[5]))"
)


_OF_THE_FIRST_PAIR = ("pandas", "pyarrow.parquet", "scipy.special")
"""Modules that the first pair of a process imports. They took each worker a second."""


def _modules() -> list[str]:
    """The modules that the nursery imports for its workers: what the plan has made this process import, and more."""
    return [*_OF_THE_FIRST_PAIR, *sorted(name for name in sys.modules if name.startswith("vlmbench."))]


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
    """The workers of the process whose end it has not told."""

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
        with ExitStack() as stack:
            try:
                output = stack.enter_context(log.open("wb"))
                own, its = map(stack.enter_context, socket.socketpair())
                connection: Connection = Connection(os.dup(own.fileno()))
            except OSError as error:  # the disk is full, or this process has too many open files
                raise WorkerError(f"a worker cannot be started: {error.strerror or error}") from error
            try:
                return self._asked(environment, its, output.fileno()), connection
            except WorkerError:
                connection.close()
                raise

    def _asked(self, environment: Mapping[str, str], connection: socket.socket, log: int) -> int:
        """Ask the process for a worker. Returns the worker's process id."""
        try:
            nursery = self._open()
            nursery.send(Birth(dict(environment)))
            assert self._socket is not None  # it is opened with the connection
            socket.send_fds(self._socket, [b"."], [connection.fileno(), log])
            return self._born(nursery)
        except (OSError, EOFError) as error:
            self.close()
            reason = getattr(error, "strerror", None) or "the process that starts workers has ended"
            raise WorkerError(f"a worker cannot be started: {reason}{_last_line(self.log)}") from error

    def exit_code(self, pid: int, seconds: float) -> int | None:
        """How a worker ended, as :class:`subprocess.Popen` says it. None: that is not known, or it has not ended.

        Args:
            seconds: how long to wait for its end.
        """
        deadline = time.monotonic() + seconds
        connection = self._connection
        while pid in self._alive and connection is not None:
            try:
                if not connection.poll(max(0.0, deadline - time.monotonic())):
                    break
                self._note(connection.recv())
            except (OSError, EOFError):
                break
        return self._ended.get(pid)

    def kill(self, pid: int) -> None:
        """Kill a worker, unless it has ended."""
        if self.exit_code(pid, 0.0) is None and pid in self._alive:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def close(self) -> None:
        """End the nursery and all its workers."""
        if self._connection is not None:
            self._connection.close()
        if self._socket is not None:
            self._socket.close()
        if self._process is not None:
            for pid in self._alive:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._process.kill()
            self._process.wait()
        self._alive.clear()
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
                    *(str(its.fileno()), str(os.getpid()), json.dumps(module_path()), str(self.log.parent.absolute())),
                    json.dumps(_modules()),
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
        """Wait for the answer to a birth, which may follow the ends of other workers.

        Raises:
            WorkerError: the system refuses. The nursery and its workers live on.
        """
        while True:
            message = connection.recv()
            if isinstance(message, str):
                raise WorkerError(f"a worker cannot be started: {message}")
            pid, code = message
            if code is None:
                self._ended.pop(pid, None)  # of an earlier process with this id
                self._alive.add(pid)
                return int(pid)
            self._note(message)

    def _note(self, message: tuple[int, int]) -> None:
        pid, code = message
        self._alive.discard(pid)
        self._ended[pid] = code


def module_path() -> list[str]:
    """Where this process finds modules. Python itself skips what is not text."""
    return [entry for entry in sys.path if isinstance(entry, str)]


def _last_line(log: Path) -> str:
    """The last line that the nursery wrote, such as an error at an import."""
    try:
        lines = log.read_text(errors="replace").strip().splitlines()
    except OSError:
        return ""
    return f" ({lines[-1]})" if lines else ""
