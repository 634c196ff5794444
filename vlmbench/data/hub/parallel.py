"""Runs work in threads that end with the program, so that Ctrl-C ends a hanging download at once.

``vlmbench fetch`` plans and downloads with it. The program would wait for threads of ``concurrent.futures``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import TypeVar

from vlmbench.remarks.base import in_this_context

T = TypeVar("T")
R = TypeVar("R")


def in_parallel(
    work: Callable[[T], R], items: Sequence[T], *, workers: int, stop: Event | None = None
) -> Iterator[tuple[int, R | BaseException]]:
    """Do the work for every item. Yields (the item's index, its result or exception) in the order of completion.

    Args:
        work: called from several threads at once.
        items: the items, started in this order.
        stop: it is set when the caller leaves early, also by an exception; then no further item is started.
    """
    stop = stop or Event()
    todo: SimpleQueue[tuple[int, T]] = SimpleQueue()
    done: SimpleQueue[tuple[int, R | BaseException]] = SimpleQueue()
    for numbered in enumerate(items):
        todo.put(numbered)

    def loop() -> None:
        while not stop.is_set():
            try:
                index, item = todo.get_nowait()
            except Empty:
                return
            try:
                done.put((index, work(item)))
            # The caller waits for every item and judges its error. A panic of native code is not an Exception.
            except BaseException as error:
                done.put((index, error))

    for _ in range(min(workers, len(items))):
        Thread(target=in_this_context(loop), daemon=True).start()
    try:
        for _ in items:
            yield done.get()
    finally:
        stop.set()
