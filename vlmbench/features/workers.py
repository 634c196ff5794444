"""Worker threads that stay a bounded way ahead.

Pillow and torch release the interpreter lock while they decode and resize, so threads keep the cores busy without the
start-up, copying and clean-up that worker processes cost. They are started as work comes, never more than there are
items.
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
    """Decoding threads when nobody says how many: one a core that this process may use, at most 16."""
    return min(16, usable_cores())


def usable_cores() -> int:
    """Cores that this process may use, which in a container or a job are fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_threads(
    prepare: Callable[[int], T], indices: Sequence[int], workers: int, ahead: int, clock: Stopwatch
) -> Generator[T, None, None]:
    """Results in order, at most ``ahead`` of them waiting (never fewer than there are workers).

    Args:
        workers: how many threads, at most.
        ahead: how many results may be under way.
        clock: the time that the caller waits for results goes to its stage ``image_wait``.
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
        torch.set_num_threads(torch_threads)  # what threads started later begin with; _alone has changed it


def _alone() -> None:
    """torch keeps a team of threads for each thread that calls it. Those of the workers would fight the encoder's for
    the same cores: a worker's own share of the work is one thread."""
    torch.set_num_threads(1)
