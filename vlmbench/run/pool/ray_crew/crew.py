"""A crew of actors of a Ray cluster. See :mod:`vlmbench.run.pool.crew`."""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any
from uuid import uuid4

from vlmbench.errors import UsageError, WorkerError
from vlmbench.run.job import RunSettings
from vlmbench.run.pool.arguments import THREAD_VARIABLES, PoolOptions
from vlmbench.run.pool.crew import Slot
from vlmbench.run.pool.events import Answered, Died, Encoded, Event, Prompts, Told
from vlmbench.run.pool.pieces import Piece
from vlmbench.run.pool.ray_crew.child import PROGRAM, Apart
from vlmbench.run.pool.ray_crew.child_process import WorkerStart
from vlmbench.run.pool.ray_crew.cluster import connected, imported_ray
from vlmbench.run.pool.ray_crew.deaths import NODE_LOST, died_of
from vlmbench.run.pool.ray_crew.places import Place, places_of, read_nodes
from vlmbench.run.pool.ray_crew.probe import answers
from vlmbench.run.pool.ray_crew.supervisor import Batch, Supervisor

_ASKS_EVERY_S = 2.0
"""The seconds between two looks at the nodes of the cluster."""
_AVOIDS_LOST_NODE_S = 30.0
"""Ray takes some seconds to notice that a node is gone. Meanwhile no worker is started there."""
_HEAD_MAY_BE_SILENT_S = 15.0
_ENDS_WITHIN_S = 10.0
_STARTS_WITHIN_S = 60.0
"""After this time without a sign of life of a new worker, the user is told that it waits."""


@dataclass(eq=False)
class RayWorker:
    """One actor, and what it tells. See :class:`~vlmbench.run.pool.crew.Worker`."""

    number: int
    slot: Slot
    actor: Any
    told: Any
    started: float = field(default_factory=time.monotonic)
    is_ready: bool = False
    stopped: bool = False
    waits: bool = False

    def send(self, piece: Piece) -> None:
        """Give it a piece. References to rows are sent beside it, so that Ray passes them from node to node."""
        apart = tuple(replace(carried, rows=Apart()) for carried in piece.carried)
        rows = [carried.rows for carried in piece.carried]
        with suppress(Exception):  # its death is found by `events`
            self.actor.do.remote(pickle.dumps(replace(piece, carried=apart)), rows)

    def stop(self) -> None:
        """Kill its actor, which its process notices within a second."""
        self.stopped = True
        with suppress(Exception):  # it is dead already
            imported_ray().kill(self.actor, no_restart=True)


class RayCrew:
    """See :class:`~vlmbench.run.pool.crew.Crew`.

    Args:
        address: see :func:`~vlmbench.run.pool.ray_crew.cluster.connected`.
        options: how many workers a node or a GPU gets, and their threads.
        program: what the process of a worker runs, see :meth:`vlmbench.run.pool.ray_crew.child.Child.started`.
    """

    def __init__(self, address: str, options: PoolOptions, program: str = PROGRAM) -> None:
        self.shares_cache = False
        self._address = address
        self._options = options
        self._program = program
        self._settings = RunSettings()
        self._workers: list[RayWorker] = []
        self._started = 0
        self._places: dict[Slot, Place] = {}
        self._lost: dict[str, float] = {}
        self._asked = 0.0
        self._heard_of_head = 0.0
        self._head = ""
        self._run = uuid4().hex

    @contextmanager
    def open(self, settings: RunSettings) -> Iterator[None]:
        """Connect to the cluster. At the end all actors have ended.

        Raises:
            UsageError: no cluster answers, or the device names one of several GPUs, or no node has a GPU.
            WorkerError: Ray does not start.
        """
        if settings.device.startswith("cuda:"):
            raise UsageError(
                f"--device {settings.device} names one GPU, and Ray gives each worker its own",
                hint="Use --device cuda.",
            )
        with ExitStack() as stack:
            self.shares_cache = stack.enter_context(connected(self._address))
            self._settings = settings
            self._head = imported_ray().get_runtime_context().gcs_address
            self._heard_of_head = time.monotonic()
            self._asked = 0.0
            stack.callback(self._kill_all)
            if settings.device == "cuda" and not self.slots():
                raise UsageError("no node of the Ray cluster has a GPU", hint="Use --device auto or --device cpu.")
            yield
            self._end_politely()

    def slots(self) -> Sequence[Slot]:
        """The places for workers now.

        Raises:
            WorkerError: the head of the cluster is gone.
        """
        now = time.monotonic()
        if now - self._asked >= _ASKS_EVERY_S or not self._places:
            self._asked = now
            if answers(self._head):  # without its head, a look at the nodes would never return
                self._heard_of_head = now
                nodes = read_nodes(imported_ray().nodes())
                places = places_of(nodes, self._options, self._settings.device)
                self._places = {place.slot: place for place in places}
            elif now - self._heard_of_head > _HEAD_MAY_BE_SILENT_S:
                raise WorkerError(
                    f"the head of the Ray cluster at {self._head} does not answer any more",
                    hint="Finished pairs are on disk; the same command continues.",
                )
        return [slot for slot in self._places if now - self._lost.get(slot.node, -inf) > _AVOIDS_LOST_NODE_S]

    def start(self, slot: Slot) -> RayWorker:
        """Start an actor on the node of a slot.

        Raises:
            WorkerError: Ray starts no further actor.
        """
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        place = self._places[slot]
        start = WorkerStart(self._settings_in(place), self._run, carries=not self.shares_cache)
        try:
            actor: Any = (
                imported_ray()
                .remote(Supervisor)
                .options(
                    num_cpus=place.cpus,
                    num_gpus=place.gpus,
                    max_restarts=0,  # the pool decides what is tried again, and where
                    max_task_retries=0,
                    max_concurrency=4,
                    scheduling_strategy=NodeAffinitySchedulingStrategy(node_id=slot.node, soft=False),
                )
                .remote(
                    pickle.dumps(start),
                    dict.fromkeys(THREAD_VARIABLES, str(self._options.threads)),
                    self._program,
                    os.getcwd(),
                )
            )
            told = actor.told.options(num_returns="streaming").remote()
        except Exception as error:
            raise WorkerError(f"Ray starts no further worker: {type(error).__name__}: {error}") from error
        worker = RayWorker(self._started, slot, actor, told)
        self._started += 1
        self._workers.append(worker)
        return worker

    def events(self, seconds: float) -> Iterator[tuple[RayWorker, Event]]:
        """What workers have told; and their deaths, which Ray's errors show."""
        self._workers = [worker for worker in self._workers if not worker.stopped]
        of = {worker.told: worker for worker in self._workers}
        if not of:
            time.sleep(seconds)
            return
        ray = imported_ray()
        ready, _ = ray.wait(list(of), num_returns=1, timeout=seconds)
        if ready and len(of) > 1:
            ready, _ = ray.wait(list(of), num_returns=len(of), timeout=0)
        yield from self._waiting()
        for told in ready:
            worker = of[told]
            for event in self._next(worker):
                if worker.stopped:  # the pool has stopped it after an event before this one
                    break
                worker.is_ready = True
                if isinstance(event, Died):
                    worker.stop()
                    if event.reason.startswith(NODE_LOST):
                        self._lost[worker.slot.node] = time.monotonic()
                yield worker, event

    def _next(self, worker: RayWorker) -> list[Event]:
        try:
            batch = imported_ray().get(next(worker.told))
            return self._events_in(batch, worker)
        except StopIteration:
            return [Died("its actor has ended", starting=not worker.is_ready)]
        except Exception as error:  # every kind of loss has its own class
            return [died_of(error, starting=not worker.is_ready)]

    def _events_in(self, batch: Batch, worker: RayWorker) -> list[Event]:
        events: list[Event] = [pickle.loads(event) for event in batch.events]
        last = events[-1] if events else None
        if batch.rows_follow and isinstance(last, Prompts | Encoded):
            events[-1] = replace(last, rows=next(worker.told))  # only its reference comes here
        elif isinstance(last, Answered | Died):
            events[-1] = replace(last, log=batch.log)
        death = batch.death
        if death is not None and not isinstance(last, Died):
            starting = not (worker.is_ready or events)
            events.append(Died(death.reason, death.out_of_memory, death.log, starting))
        return events

    def _waiting(self) -> Iterator[tuple[RayWorker, Event]]:
        """Tell once of each worker that has been starting for long."""
        now = time.monotonic()
        for worker in self._workers:
            if not (worker.is_ready or worker.waits) and now - worker.started > _STARTS_WITHIN_S:
                worker.waits = True
                text = f"a worker on {worker.slot.shown} still waits to start; other work of the cluster may be there"
                yield worker, Told("note", (text,))

    def _settings_in(self, place: Place) -> RunSettings:
        device = self._settings.device
        if device == "auto":
            device = "cuda" if place.gpus else "cpu"
        return replace(self._settings, device=device, workers=self._settings.workers or place.decoding)

    def _end_politely(self) -> None:
        """Let processes release their caches."""
        ray = imported_ray()
        ended = [worker.actor.end.remote() for worker in self._workers if worker.is_ready and not worker.stopped]
        if ended:
            ray.wait(ended, num_returns=len(ended), timeout=_ENDS_WITHIN_S)

    def _kill_all(self) -> None:
        for worker in self._workers:
            worker.stop()
        self._workers.clear()
