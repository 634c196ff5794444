"""Prepares items in worker threads before they are needed, up to a limit. The image streams use it.

Pillow and torch release the interpreter lock while they decode and resize. So threads keep the cores busy, without the
cost of starting worker processes, copying to them and cleaning up. A thread starts when there is work for it, so there
are never more threads than items.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

import torch

from vlmbench.features.stopwatch import Stopwatch
from vlmbench.remarks.base import in_this_context

T = TypeVar("T")
THREAD_NAME = "vlmbench-decode"


def default_workers() -> int:
    """The default number of decoding threads: one for each core that this process may use, at most 16."""
    return min(16, usable_cores())


def usable_cores() -> int:
    """The number of cores that this process may use. In a container or a job the machine may have more."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_threads(
    prepare: Callable[[int], T], indices: Sequence[int], workers: int, ahead: int, clock: Stopwatch
) -> Generator[T, None, None]:
    """Prepare items in threads, and yield the results in order.

    Args:
        workers: the largest number of threads.
        ahead: the largest number of results in preparation or waiting; at least ``workers`` are allowed.
        clock: its stage ``image_wait`` gets the time for which the caller waits for results.
    """
    todo = iter(indices)
    torch_threads = torch.get_num_threads()
    pool = ThreadPoolExecutor(workers, thread_name_prefix=THREAD_NAME, initializer=_alone)
    queue: deque[Future[T]] = deque()
    try:
        queue.extend(pool.submit(in_this_context(prepare), index) for index in islice(todo, max(ahead, workers)))
        while queue:
            with clock.timed("image_wait"):
                result = queue.popleft().result()
            yield result
            queue.extend(pool.submit(in_this_context(prepare), index) for index in islice(todo, 1))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        torch.set_num_threads(torch_threads)  # threads started later begin with this number, and _alone changed it


def _alone() -> None:
    """Let a worker's torch calls use one thread.

    torch keeps a pool of threads for each thread that calls it. The workers' pools would compete with the encoder's
    pool for the same cores.
    """
    torch.set_num_threads(1)
