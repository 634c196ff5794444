"""Work in threads that never outlive the program: Ctrl-C leaves at once, also from a download that hangs."""

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
    """Do the work for every item. Yields (the item's index, result or the exception raised), as they are done.

    Threads of an executor are waited for when the program ends; these are not.

    Args:
        work: called from several threads at once.
        items: what to do it for, started in this order.
        stop: set when the caller leaves early, by an exception too; no further item is started then.
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
            # The caller's to judge, and the caller waits for it: a panic of native code is no Exception.
            except BaseException as error:
                done.put((index, error))

    for _ in range(min(workers, len(items))):
        Thread(target=in_this_context(loop), daemon=True).start()
    try:
        for _ in items:
            yield done.get()
    finally:
        stop.set()
