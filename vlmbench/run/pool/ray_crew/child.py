"""A worker's process, seen from its actor: its connection, its log, and how it ended.

Actors import this module on every node, so it imports nothing heavy.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import IO

from vlmbench.errors import WorkerError
from vlmbench.run.pool.endings import why_ended
from vlmbench.run.pool.nursery import module_path
from vlmbench.run.pool.out_of_memory import oom_kills
from vlmbench.run.pool.output import written_since

EVENT, LAST, WITH_ROWS = b"e", b"l", b"r"
"""The first byte of what a worker's process sends: an event, an event that ends a piece, or an event whose rows are the
next frame. The pickled event follows."""
PROGRAM = "vlmbench.run.pool.ray_crew.child_process"
_BOOT = (
    "import importlib, json, sys, threading; sys.path[:] = json.loads(sys.argv[4]); "
    "from vlmbench.run.pool.nursery_process import end_with; "
    "threading.Thread(target=end_with, args=(int(sys.argv[3]),), daemon=True).start(); "
    "importlib.import_module(sys.argv[1]).main(int(sys.argv[2]))"
)
"""It ends with its actor from the start, since the imports of a program may take long."""
_PYTHON = (sys.executable, "-u", "-X", "faulthandler")
"""What it writes reaches its log at once (``-u``), and a crash in C code writes where it was."""
_ENDS_WITHIN_S = 10.0


@dataclass(frozen=True)
class Apart:
    """Stands for rows that follow in a frame of their own, so that they can be passed on without being read."""


@dataclass(frozen=True)
class Death:
    """How a worker's process ended; see :class:`~vlmbench.run.pool.events.Died`."""

    reason: str
    out_of_memory: bool = False
    log: str = ""


@dataclass(eq=False)
class Child:
    """A process that does pieces.

    Attributes:
        connection: the first message to it is a :class:`~vlmbench.run.pool.ray_crew.child_process.WorkerStart`, and the
            others are pieces.
    """

    process: subprocess.Popen[bytes]
    connection: Connection
    _log: IO[bytes]
    _kills_before: int
    _log_from: int = 0

    @classmethod
    def started(cls, environment: Mapping[str, str], program: str = PROGRAM, folder: str | None = None) -> Child:
        """Start a process. Its log has no name in the file system, so that nothing of it stays behind.

        Args:
            environment: changes of this process's environment.
            program: the module whose ``main`` it runs, as :func:`vlmbench.run.pool.ray_crew.child_process.main` does.
            folder: its working directory, if this machine has that folder; otherwise it stays in that of the actor.

        Raises:
            WorkerError: the system starts no further process, or has no place for its log.
        """
        try:
            log = tempfile.TemporaryFile()  # noqa: SIM115  # it lives as long as the process
            own, its = socket.socketpair()
            with its:
                process = subprocess.Popen(
                    [*_PYTHON, "-c", _BOOT, program, str(its.fileno()), str(os.getpid()), json.dumps(module_path())],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env={**os.environ, **environment},
                    cwd=folder if folder is not None and os.path.isdir(folder) else None,
                    pass_fds=(its.fileno(),),
                    start_new_session=True,  # Ctrl-C is for the driver
                )
        except OSError as error:
            raise WorkerError(f"a worker cannot be started: {error.strerror or error}") from error
        return cls(process, Connection(own.detach()), log, oom_kills())

    def send(self, *messages: bytes) -> None:
        """Send pickled messages that begin a piece. Its log begins anew."""
        self._log_from = os.fstat(self._log.fileno()).st_size
        with suppress(BrokenPipeError, ConnectionResetError):  # its death shows when the connection is read
            for message in messages:
                self.connection.send_bytes(message)

    def stop(self) -> None:
        """Kill it."""
        self.process.kill()
        self.process.wait()
        self.connection.close()
        self._log.close()

    def written(self) -> str:
        """The end of what it wrote to standard output and error since it got its piece."""
        return written_since(self._log.fileno(), self._log_from)

    def death(self) -> Death:
        """How it ended, after its connection did."""
        try:
            code = self.process.wait(timeout=_ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            return Death("it closed its connection", log=self.written())
        reason, ran_out = why_ended(code, self._kills_before)
        return Death(reason, ran_out, self.written())

    def end(self) -> None:
        """Ask it to release its caches and end, after the piece that it does."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self.connection.send(None)
