"""Times several ways of doing the same work, and prints them in a table. All scripts in this folder use it.

The speed of a machine changes all the time. So the ways take turns, and the result is the ratio of their medians.
"""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Generic, TypeVar

from rich.console import Console
from rich.table import Table

T = TypeVar("T")


@dataclass(frozen=True)
class Way(Generic[T]):
    """One way of doing the work.

    Attributes:
        name: its name in the table.
        run: a function that does the work once and returns the result to compare.
        scale: the whole work divided by the work that this way does: 10 if it does a tenth. The table shows it.
        clock: a function that reads the seconds from the result, if the way measures them itself; None: the seconds of
            ``run``.
    """

    name: str
    run: Callable[[], T]
    scale: float = 1.0
    clock: Callable[[T], float] | None = None


@dataclass(frozen=True)
class Timing(Generic[T]):
    """The seconds of each repetition of a way, scaled to the whole work, and the result of the last repetition."""

    way: Way[T]
    seconds: tuple[float, ...]
    result: T

    @property
    def median(self) -> float:
        """The median of the seconds over all repetitions."""
        return statistics.median(self.seconds)


def take_turns(ways: Sequence[Way[T]], repetitions: int, *, warm_up: bool = False) -> list[Timing[T]]:
    """Run all ways in turn, and repeat this. With ``warm_up``, each way is first run once without measurement."""
    if warm_up:
        for way in ways:
            way.run()
    seconds: list[list[float]] = [[] for _ in ways]
    results: list[T] = []
    for _ in range(repetitions):
        results = []
        for times, way in zip(seconds, ways, strict=True):
            started = perf_counter()
            results.append(way.run())
            elapsed = perf_counter() - started
            times.append((way.clock(results[-1]) if way.clock else elapsed) * way.scale)
    return [Timing(way, tuple(times), result) for way, times, result in zip(ways, seconds, results, strict=True)]


def show(
    title: str,
    timings: Sequence[Timing[T]],
    *,
    differences: Sequence[str | None] | None = None,
    floor: str = "",
    notes: Sequence[str] = (),
) -> None:
    """Print a table: the median and range of each way, its speed relative to the first way (the peer), and differences.

    Args:
        title: the name of the work.
        timings: the timings; the peer's is the first.
        differences: how each way's result differs from the peer's, in words; None: an empty cell.
        floor: the smallest work that is needed (FLOPs, bytes, tokens), in words.
        notes: other facts that a reader must know.
    """
    table = Table(title=title, title_justify="left", header_style="bold", show_edge=False)
    table.add_column("way")
    for name in ("median s", "range s", "times the peer's speed", "largest difference"):
        table.add_column(name, justify="right")
    for timing, difference in zip(timings, differences or [None] * len(timings), strict=True):
        scaled = "" if timing.way.scale == 1 else f" (measured on 1/{timing.way.scale:g}, scaled)"
        table.add_row(
            timing.way.name + scaled,
            f"{timing.median:.3g}",
            f"{min(timing.seconds):.3g} to {max(timing.seconds):.3g}",
            f"{timings[0].median / timing.median:.2f}",
            difference or "",
        )
    console = Console(soft_wrap=True)
    console.print(table)
    for line in (*([f"floor: {floor}"] if floor else []), *notes, machine()):
        console.print(line, markup=False, highlight=False)


@contextmanager
def own_cache(folder: Path) -> Iterator[None]:
    """Use a feature cache of this measurement alone."""
    before = os.environ.get("VLMBENCH_CACHE")
    os.environ["VLMBENCH_CACHE"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["VLMBENCH_CACHE"]
        else:
            os.environ["VLMBENCH_CACHE"] = before


def machine() -> str:
    """A line that describes the machine."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"machine: {_processor()}, {cores} cores, Python {platform.python_version()}, {platform.system()}"


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
