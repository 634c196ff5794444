"""Measures how well workers are used: 64 pairs, and one split task, on 1 to 16 workers that sleep instead of computing.

    python perf/pool.py [--executor local|ray] [--workers 1,2,4,8,16] [--seconds 5]

A worker that sleeps needs no core, so that the figures hold for workers with a GPU each, also on a machine with two
cores. Efficiency is the time that was slept, divided by workers × time. The time begins when all workers are ready, as
they start once for any number of pairs. With ``--real``, it measures a real model instead: two processes of one thread
against one process with two threads, on this machine's cores.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from time import monotonic, process_time

from rich.console import Console
from rich.table import Table
from side_by_side import Way, own_cache, show, take_turns

from vlmbench.registry import load_plugin_file
from vlmbench.run.execute import execute
from vlmbench.run.listener import NotesAsWarnings, PairResult
from vlmbench.run.plan import RunRequest, make_plan
from vlmbench.run.pool.crew import Slot
from vlmbench.run.pool.events import Died, Told, WorkerFacts
from vlmbench.run.pool.pieces import Piece
from vlmbench.run.pool.watching import Ending, Share
from vlmbench.testing.toy_data import write_image_folder

SLEEPER = Path(__file__).with_name("sleeping_adapter.py")
MODELS = TASKS = 8
BATCH = 4
BATCHES_OF_SPLIT = 64


class Clock(NotesAsWarnings):
    """Notes when the workers are ready, and when the last pair is done. It has :class:`WatchesWorkers`' methods.

    Args:
        workers: how many are waited for.
    """

    def __init__(self, workers: int) -> None:
        super().__init__()
        self.workers = workers
        self.begun = monotonic()
        self.ready: list[float] = []
        self.last = 0.0
        self.processor = 0.0

    def worker_starting(self, worker: int, slot: Slot) -> None:
        pass

    def worker_ready(self, worker: int, facts: WorkerFacts) -> None:
        self.ready.append(monotonic())
        self.processor = process_time()

    def piece_given(self, worker: int, piece: Piece, share: Share | None) -> None:
        pass

    def worker_told(self, worker: int, told: Told) -> None:
        pass

    def piece_finished(self, worker: int, piece: Piece, ending: Ending) -> None:
        self.last = monotonic()

    def worker_died(self, worker: int, died: Died) -> None:
        raise SystemExit(f"worker {worker} died: {died.reason}\n{died.log}")

    def worker_stopped(self, worker: int) -> None:
        pass

    def piece_retried(self, piece: Piece, reason: str) -> None:
        raise SystemExit(f"tried again: {reason}")

    def node_left_out(self, node: str, reason: str) -> None:
        raise SystemExit(f"{node} is left out: {reason}")


def measured(executor: str, workers: int, models: list[str], tasks: list[str]) -> tuple[Clock, list[PairResult]]:
    """Run all pairs with this number of workers."""
    with tempfile.TemporaryDirectory() as folder, own_cache(Path(folder) / "cache"):
        request = RunRequest(
            tuple(models),
            tuple(tasks),
            Path(folder) / "runs",
            device="cpu",
            batch_size=BATCH,
            executor=executor,
            plugins=(SLEEPER,),
        )
        clock = Clock(workers)
        results = execute(make_plan(request), request, clock)
    if failures := [result.failure.message for result in results if result.failure]:
        raise SystemExit(failures[0])
    return clock, results


def sleeping(executor: str, counts: list[int], seconds: float) -> None:
    """Print the efficiency for each number of workers."""
    load_plugin_file(SLEEPER)
    table = Table(
        "work", "workers", "slept, s", "took, s", "efficiency", "driver's processor time a pair, ms", box=None
    )
    with tempfile.TemporaryDirectory() as folder:
        small = [
            f"imagefolder:{write_image_folder(Path(folder) / f'small{n}', {'a': 2, 'b': 2}, seed=n)}"
            for n in range(TASKS)
        ]
        half = BATCHES_OF_SPLIT * BATCH // 2
        large = f"imagefolder:{write_image_folder(Path(folder) / 'large', {'a': half, 'b': half}, seed=99)}"
        for workers in counts:
            models = [f"sleeping:{'m' * (n + 1)}@{seconds}" for n in range(MODELS)]
            clock, results = measured(f"{executor}:{_argument(executor, workers)}", workers, models, small)
            _row(table, f"{len(results)} pairs", clock, workers, len(results) * seconds, len(results))
        for workers in counts:
            argument = f"{executor}:{_argument(executor, workers)},split={BATCH}"
            clock, _ = measured(argument, workers, [f"sleeping:m@{seconds / 5}"], [large])
            _row(table, "one split task", clock, workers, BATCHES_OF_SPLIT * seconds / 5, 1)
    Console(width=120).print(table)


def _argument(executor: str, workers: int) -> str:
    return str(workers) if executor == "local" else f",workers={workers}"


def _row(table: Table, work: str, clock: Clock, workers: int, slept: float, pairs: int) -> None:
    took = clock.last - max(clock.ready)
    late = sum(max(clock.ready) - ready for ready in clock.ready)  # the workers that were ready before the last one
    driver = 1000 * (process_time() - clock.processor) / pairs
    efficiency = slept / (workers * took + late)
    table.add_row(work, str(workers), f"{slept:.0f}", f"{took:.1f}", f"{efficiency:.3f}", f"{driver:.1f}")


def real(repetitions: int) -> None:
    """Compare two processes of one thread with one process of two threads, on a real model."""

    def run(executor: str) -> list[float]:
        with tempfile.TemporaryDirectory() as folder, own_cache(Path(folder) / "cache"):
            request = RunRequest(
                ("demo-clip",),
                ("demo-digits", "demo-faces", "demo-scenes", "demo-objects"),
                Path(folder) / "runs",
                device="cpu",
                executor=executor,
            )
            results = execute(make_plan(request), request, NotesAsWarnings())
        return [result.record.main.value or 0.0 for result in results if result.record]

    ways = [Way("one process, two threads", lambda: run("local")), Way("two processes", lambda: run("local:2"))]
    show("demo-clip on four demo tasks", take_turns(ways, repetitions))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--executor", choices=["local", "ray"], default="local")
    parser.add_argument("--workers", default="1,2,4,8,16")
    parser.add_argument("--seconds", type=float, default=5.0, help="the sleep of each pair")
    parser.add_argument("--real", action="store_true", help="measure a real model instead")
    parser.add_argument("--repetitions", type=int, default=3)
    arguments = parser.parse_args()
    if arguments.real:
        real(arguments.repetitions)
    else:
        sleeping(arguments.executor, [int(count) for count in arguments.workers.split(",")], arguments.seconds)


if __name__ == "__main__":
    main()
