"""The actor of a worker: it keeps the worker's process on its node, and passes messages on without reading them.

The actor itself does not compute. So a sample that ends the process, or memory that runs out, is explained by the exit
code and the log of the process, and the actor stays small. :mod:`vlmbench.run.pool.ray_crew.crew` makes the actors.
Every node imports this module, so it imports nothing heavy.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from subprocess import TimeoutExpired

from vlmbench.run.pool.ray_crew.child import LAST, WITH_ROWS, Child, Death

_GATHERS_S = 0.2
"""The time for which messages are gathered, so that progress costs few transfers. The end of a piece does not wait."""
_ROWS_WITHIN_S = 120.0
_ENDS_WITHIN_S = 10.0


@dataclass(frozen=True)
class Batch:
    """What a worker's process sent.

    Attributes:
        events: pickled events, in order.
        log: what the process wrote during the piece that the last of them ends.
        rows_follow: whether the next thing that the actor yields is the pickled rows of the last event.
        death: how the process ended; nothing follows.
    """

    events: tuple[bytes, ...] = ()
    log: str = ""
    rows_follow: bool = False
    death: Death | None = None


class Supervisor:
    """One worker on one node. Ray calls its methods in threads, so that a piece can be sent while it tells.

    Args:
        start: the pickled first message to the process.
        environment: changes of the environment that Ray gave this actor.
        program: what the process runs.
        folder: the working directory of the driver, in which users' relative paths are.
    """

    def __init__(self, start: bytes, environment: Mapping[str, str], program: str, folder: str) -> None:
        self._child = Child.started(environment, program, folder)
        self._child.send(start)

    def do(self, piece: bytes, rows: Sequence[object]) -> None:
        """Send a piece to the process.

        Args:
            rows: references to pickled rows. Rows that were lost with their node are computed again.
        """
        self._child.send(piece, *map(_fetched, rows))

    def told(self) -> Iterator[Batch | bytes]:
        """Everything that the process sends, until it has ended."""
        connection = self._child.connection
        events: list[bytes] = []
        until = 0.0
        while True:
            if events and not connection.poll(max(0.0, until - time.monotonic())):
                yield Batch(tuple(events))
                events.clear()
            try:
                frame = connection.recv_bytes()
                rows = connection.recv_bytes() if frame[:1] == WITH_ROWS else None
            except (EOFError, OSError):
                yield Batch(tuple(events), death=self._child.death())
                return
            until = until if events else time.monotonic() + _GATHERS_S
            events.append(frame[1:])
            if rows is not None:
                yield Batch(tuple(events), rows_follow=True)
                yield rows
            elif frame[:1] == LAST:
                yield Batch(tuple(events), log=self._child.written())
            else:
                continue
            events.clear()

    def end(self) -> None:
        """Let the process release its caches and end, if it does no piece."""
        self._child.end()
        with suppress(TimeoutExpired):
            self._child.process.wait(timeout=_ENDS_WITHIN_S)


def _fetched(reference: object) -> bytes:
    """The rows of a reference; empty if they are lost."""
    import ray
    from ray.exceptions import RayError

    try:
        rows: bytes = ray.get(reference, timeout=_ROWS_WITHIN_S)  # type: ignore[call-overload]
    except RayError:  # the process that gets the piece computes them again
        return b""
    return rows
