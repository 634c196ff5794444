"""A crew of processes of this machine. The executor ``local:N`` uses it.

A worker is a new Python process, and not a copy of this one, since CUDA and threads do not survive a copy. With GPUs,
each worker sees one of them.
"""

from __future__ import annotations

import os
import pickle
import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import wait
from subprocess import TimeoutExpired
from uuid import uuid4

import torch

from vlmbench.errors import UsageError
from vlmbench.features.workers import usable_cores
from vlmbench.run.job import RunSettings
from vlmbench.run.pool.arguments import PoolOptions
from vlmbench.run.pool.child import LAST, THREAD_VARIABLES, Child
from vlmbench.run.pool.crew import Slot
from vlmbench.run.pool.events import Answered, Died, Event
from vlmbench.run.pool.pieces import Piece
from vlmbench.run.pool.worker_process import WorkerStart

_ENDS_WITHIN_S = 10.0


@dataclass(eq=False)
class ProcessWorker:
    """One process. See :class:`~vlmbench.run.pool.crew.Worker`."""

    number: int
    slot: Slot
    child: Child
    is_ready: bool = False

    def send(self, piece: Piece) -> None:
        """Give it a piece."""
        self.child.send(pickle.dumps(piece))

    def stop(self) -> None:
        """Kill it."""
        self.child.stop()


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
        self._run = uuid4().hex
        self._gpus: Sequence[str] = ()

    @contextmanager
    def open(self, settings: RunSettings) -> Iterator[None]:
        """Choose the devices. At the end, all processes have ended.

        Raises:
            UsageError: the device names one of several GPUs.
        """
        self._gpus = visible_gpus(settings.device)
        decoding = settings.workers or max(1, usable_cores() // len(self._slots))
        self._settings = replace(settings, workers=decoding, device="cuda" if self._gpus else settings.device)
        politely = False
        try:
            yield
            politely = True
        finally:
            self._end_all(politely=politely)

    def slots(self) -> Sequence[Slot]:
        return self._slots

    def start(self, slot: Slot) -> ProcessWorker:
        """Start a process.

        Raises:
            WorkerError: the system starts no further process.
        """
        worker = ProcessWorker(self._started, slot, Child.started(self._environment(slot)))
        self._started += 1
        self._workers.append(worker)
        worker.child.send(pickle.dumps(WorkerStart(self._settings, self._run, carries=False)))
        return worker

    def events(self, seconds: float) -> Iterator[tuple[ProcessWorker, Event]]:
        """What workers have told; and their deaths, which the end of their connection shows."""
        of = {worker.child.connection: worker for worker in self._workers}
        if not of:
            time.sleep(seconds)
            return
        for connection in wait(list(of), timeout=seconds):
            worker = of[connection]  # type: ignore[index]  # only these were waited for
            event = self._next(worker)
            if isinstance(event, Died):
                self._workers.remove(worker)
                worker.stop()
            yield worker, event

    def _next(self, worker: ProcessWorker) -> Event:
        try:
            frame = worker.child.connection.recv_bytes()
        except (EOFError, OSError):
            death = worker.child.death()
            return Died(death.reason, death.out_of_memory, death.log, starting=not worker.is_ready)
        worker.is_ready = True
        try:
            event: Event = pickle.loads(memoryview(frame)[1:])
        except Exception as error:  # something in it cannot be made here
            return Died(f"its message cannot be read: {type(error).__name__}: {error}", log=worker.child.written())
        if frame[:1] == LAST and isinstance(event, Died | Answered):
            return replace(event, log=worker.child.written())
        return event

    def _environment(self, slot: Slot) -> dict[str, str]:
        changed = dict.fromkeys(THREAD_VARIABLES, str(self._options.threads))
        if self._gpus:
            changed["CUDA_VISIBLE_DEVICES"] = self._gpus[slot.number % len(self._gpus)]
        return changed

    def _end_all(self, *, politely: bool) -> None:
        """End all processes. Politely: each releases its caches first, if it has time for it."""
        for worker in self._workers:
            if politely:
                worker.child.end()
        deadline = time.monotonic() + _ENDS_WITHIN_S
        for worker in self._workers:
            if politely:
                with suppress(TimeoutExpired):
                    worker.child.process.wait(timeout=max(0.0, deadline - time.monotonic()))
            worker.stop()
        self._workers.clear()


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
