"""Timing two ways of doing the same work side by side: what every script in this folder measures with.

Machines are noisy, so a figure here is a ratio of medians of repetitions that took turns in one run, never bare
seconds.
"""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Generic, TypeVar

from rich.console import Console
from rich.table import Table

T = TypeVar("T")


@dataclass(frozen=True)
class Way(Generic[T]):
    """One way of doing the work.

    Attributes:
        name: as the table says it.
        run: does the work once and returns what is compared.
        scale: the work that this way leaves undone, as a factor: 10 where it does a tenth (the table says so).
        clock: reads the seconds from the result, where the way takes its own time; None: those that ``run`` took.
    """

    name: str
    run: Callable[[], T]
    scale: float = 1.0
    clock: Callable[[T], float] | None = None


@dataclass(frozen=True)
class Timing(Generic[T]):
    """What a way took, in seconds scaled to the whole work, and what it returned the last time."""

    way: Way[T]
    seconds: tuple[float, ...]
    result: T

    @property
    def median(self) -> float:
        """The median over the repetitions."""
        return statistics.median(self.seconds)


def take_turns(ways: Sequence[Way[T]], repetitions: int, *, warm_up: bool = False) -> list[Timing[T]]:
    """Run each way in turn and repeat; with ``warm_up``, one turn without measurement comes first."""
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
    """Print a table: each way's median and range, its ratio to the first way (the peer), and how far results differ.

    Args:
        title: what the work is.
        timings: the peer first.
        differences: of each way's result from the peer's, in words; None: nothing to say.
        floor: the least that the work needs (FLOPs, bytes, tokens), in words.
        notes: what a reader must know besides.
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


def machine() -> str:
    """The machine in a line."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"machine: {_processor()}, {cores} cores, Python {platform.python_version()}, {platform.system()}"


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
