"""What a pool tells about its workers, and what a listener that knows one process hears of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from vlmbench.remarks.base import remark
from vlmbench.remarks.codes import WARNING
from vlmbench.run.listener import NotesAsWarnings
from vlmbench.run.pool.crew import Slot
from vlmbench.run.pool.events import Died, Told
from vlmbench.run.pool.watching import WatchesWorkers, watcher_of


class Heard:
    """A listener that keeps each call."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Any:
        if name in ("loading", "pair_started", "pair_finished", "note", "remark", "start", "advance"):
            return lambda *arguments: self.calls.append((name, *arguments))
        raise AttributeError(name)


def piece(number: int = 0, halvings: int = 0) -> Any:
    job = SimpleNamespace(number=number, model=SimpleNamespace(name="m"), task=SimpleNamespace(name="t"))
    return SimpleNamespace(job=job, halvings=halvings, attempt=halvings)


def test_a_plain_listener_hears_what_it_knows() -> None:
    heard = Heard()
    watcher = watcher_of(heard)
    said = remark(WARNING, "careful")
    watcher.worker_starting(7, Slot("a", 3, "gpu-1"))
    watcher.piece_given(7, piece(), None)
    watcher.worker_told(7, Told("loading", ("card",)))
    watcher.worker_told(7, Told("start", ("images", 10)))
    watcher.worker_told(7, Told("advance", (10,)))
    watcher.worker_told(7, Told("note", ("hello",)))
    watcher.worker_told(7, Told("remark", ("m on t", said)))
    watcher.worker_died(7, Died("killed by signal 9"))
    watcher.piece_retried(piece(), "killed by signal 9")
    watcher.piece_given(8, piece(), None)  # the same pair
    watcher.node_left_out("gpu-1", "2 workers died there")
    assert heard.calls == [
        ("pair_started", "m", "t"),
        ("loading", "card"),
        ("note", "hello"),
        ("remark", "m on t", said),
        ("note", "worker 3 on gpu-1 died: killed by signal 9"),
        ("note", "m on t is tried again: killed by signal 9"),
        ("note", "gpu-1 is left out from now on: 2 workers died there"),
    ]


def test_memory_that_ran_out_and_a_worker_that_never_started() -> None:
    heard = Heard()
    watcher = watcher_of(heard)
    watcher.worker_starting(0, Slot("a", 0, "a"))
    watcher.worker_died(0, Died("killed by signal 9", out_of_memory=True))
    watcher.piece_retried(piece(halvings=2), "it ran out of memory")
    watcher.worker_died(0, Died("exit code 1", starting=True))
    watcher.worker_died(0, Died("exit code 1", starting=True, log="Traceback:\nImportError: no libcuda\n\n"))
    assert [call[1] for call in heard.calls] == [
        "worker 0 on a died: it ran out of memory",
        "m on t is tried again, with batches 4 times smaller: it ran out of memory",
        "worker 0 on a died while it started: exit code 1",
        "worker 0 on a died while it started: exit code 1; the last that it wrote: ImportError: no libcuda",
    ]


def test_a_listener_with_the_capability_is_told_itself() -> None:
    watcher = watcher_of(NotesAsWarnings())
    assert isinstance(watcher, WatchesWorkers)
    assert watcher_of(watcher) is watcher  # type: ignore[arg-type]
