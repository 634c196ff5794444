"""A crew of processes of this machine. The executor ``local:N`` uses it.

Workers are no copies of this process, since CUDA and threads do not survive a copy: see
:mod:`vlmbench.run.pool.nursery`. With GPUs, each worker sees one of them.
"""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from pathlib import Path
from uuid import uuid4

import torch

from vlmbench.errors import UsageError, WorkerError
from vlmbench.features.workers import usable_cores
from vlmbench.run.job import RunSettings
from vlmbench.run.pool.arguments import THREAD_VARIABLES, PoolOptions
from vlmbench.run.pool.crew import Slot
from vlmbench.run.pool.endings import why_ended
from vlmbench.run.pool.events import Answered, Died, Event
from vlmbench.run.pool.nursery import Nursery
from vlmbench.run.pool.out_of_memory import oom_kills
from vlmbench.run.pool.output import written_since
from vlmbench.run.pool.pieces import Piece

_ENDS_WITHIN_S = 10.0


@dataclass(eq=False)
class ProcessWorker:
    """One process. See :class:`~vlmbench.run.pool.crew.Worker`."""

    number: int
    slot: Slot
    nursery: Nursery
    pid: int
    connection: Connection
    log: Path
    kills_before: int
    log_from: int = 0
    is_ready: bool = False
    stopped: bool = False

    def send(self, piece: Piece) -> None:
        """Give it a piece. Its log begins anew."""
        self.log_from = _size(self.log)
        with suppress(BrokenPipeError, ConnectionResetError):  # its death is found by `events`
            self.connection.send(piece)

    def stop(self) -> None:
        """Kill it."""
        self.stopped = True
        self.nursery.kill(self.pid)
        self.connection.close()

    def written(self) -> str:
        """The end of what it wrote to standard output and error since it got its piece."""
        try:
            with self.log.open("rb") as file:
                return written_since(file.fileno(), self.log_from)
        except OSError as error:
            return f"(its log cannot be read: {error.strerror or error})"


class ProcessCrew:
    """See :class:`~vlmbench.run.pool.crew.Crew`.

    Args:
        workers: the number of processes.
        options: their threads.
    """

    shares_cache = True

    def __init__(self, workers: int, options: PoolOptions) -> None:
        node = platform.node() or "this machine"
        self._slots = [Slot("this machine", number, node) for number in range(workers)]
        self._options = options
        self._workers: list[ProcessWorker] = []
        self._started = 0
        self._settings = RunSettings()
        self._token = uuid4().hex
        self._logs = Path()
        self._nursery = Nursery({}, Path(os.devnull))
        self._gpus: Sequence[str] = ()

    @contextmanager
    def open(self, settings: RunSettings) -> Iterator[None]:
        """Make a folder for logs. At the end, all processes have ended.

        Raises:
            UsageError: the device names one of several GPUs.
            WorkerError: there is no place for the logs.
        """
        self._gpus = visible_gpus(settings.device)
        decoding = settings.workers or max(1, usable_cores() // len(self._slots))
        self._settings = replace(settings, workers=decoding, device="cuda" if self._gpus else settings.device)
        try:
            self._logs = Path(tempfile.mkdtemp(prefix="vlmbench-workers-"))
        except OSError as error:
            raise WorkerError(f"the logs of workers cannot be written: {error.strerror or error}") from error
        self._nursery = Nursery(dict.fromkeys(THREAD_VARIABLES, str(self._options.threads)), self._logs / "nursery.log")
        politely = False
        try:
            yield
            politely = True
        finally:
            self._end_all(politely=politely)
            shutil.rmtree(self._logs, ignore_errors=True)

    def slots(self) -> Sequence[Slot]:
        return self._slots

    def start(self, slot: Slot) -> ProcessWorker:
        """Start a process.

        Raises:
            WorkerError: the system starts no further process.
        """
        number = self._started
        self._started += 1
        log = self._logs / f"{number}.log"
        gpu = {"CUDA_VISIBLE_DEVICES": self._gpus[slot.number % len(self._gpus)]} if self._gpus else {}
        pid, connection = self._nursery.start(gpu, log)
        worker = ProcessWorker(number, slot, self._nursery, pid, connection, log, oom_kills())
        self._workers.append(worker)
        with suppress(BrokenPipeError, ConnectionResetError):
            worker.connection.send((self._settings, self._token))
        return worker

    def events(self, seconds: float) -> Iterator[tuple[ProcessWorker, Event]]:
        """What workers have told; and their deaths, which the end of their connection shows."""
        self._workers = [worker for worker in self._workers if not worker.stopped]
        of = {worker.connection: worker for worker in self._workers}
        if not of:
            time.sleep(seconds)
            return
        for connection in wait(list(of), timeout=seconds):
            worker = of[connection]  # type: ignore[index]  # only these were waited for
            if worker.stopped:  # the pool has stopped it after an event before this one
                continue
            event = self._next(worker)
            if isinstance(event, Died):
                worker.stop()
            yield worker, event

    def _next(self, worker: ProcessWorker) -> Event:
        try:
            event = worker.connection.recv()
        except (EOFError, OSError):
            return self._death(worker)
        except Exception as error:  # something in it cannot be made here
            return Died(f"its message cannot be read: {type(error).__name__}: {error}", log=worker.written())
        if isinstance(event, Died | Answered):
            event = replace(event, log=worker.written())
        worker.is_ready = True
        found: Event = event
        return found

    def _death(self, worker: ProcessWorker) -> Died:
        code = self._nursery.exit_code(worker.pid, _ENDS_WITHIN_S)
        if code is None:
            return Died("it closed its connection", log=worker.written(), starting=not worker.is_ready)
        reason, ran_out = why_ended(code, worker.kills_before)
        return Died(reason, ran_out, worker.written(), starting=not worker.is_ready)

    def _end_all(self, *, politely: bool) -> None:
        """End all processes. Politely: each releases its caches first, if it has time for it."""
        for worker in self._workers:
            if politely and not worker.stopped:
                with suppress(BrokenPipeError, ConnectionResetError):
                    worker.connection.send(None)
        deadline = time.monotonic() + _ENDS_WITHIN_S
        for worker in self._workers:
            if politely:
                self._nursery.exit_code(worker.pid, max(0.0, deadline - time.monotonic()))
            worker.stop()
        self._workers.clear()
        self._nursery.close()


def visible_gpus(device: str) -> list[str]:
    """The GPUs that this process may use, as ``CUDA_VISIBLE_DEVICES`` names them; empty for other devices.

    Raises:
        UsageError: the device is one of several GPUs, and workers get one each.
    """
    if device not in ("auto", "cuda"):
        if device.startswith("cuda:"):
            raise UsageError(
                f"--device {device} names one GPU, and each worker of `local:N` gets its own",
                hint="Use --device cuda, and name the GPUs in CUDA_VISIBLE_DEVICES.",
            )
        return []
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    count = torch.cuda.device_count()
    return named.split(",")[:count] if named else [str(number) for number in range(count)]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
