"""Does something once in a while in a thread, such as a line about a long run where there is no terminal."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Thread


class NowAndThen:
    """Calls a function again and again until it is stopped. The first call comes after the first interval.

    Args:
        every_s: the seconds between two calls.
    """

    def __init__(self, act: Callable[[], None], every_s: float) -> None:
        self._act, self._every_s, self._ended = act, every_s, Event()
        self._thread = Thread(target=self._loop, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for a call that is being made."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def _loop(self) -> None:
        while not self._ended.wait(self._every_s):
            self._act()
