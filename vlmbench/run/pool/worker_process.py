"""The main program of a worker's process. :class:`vlmbench.run.pool.child.Child` starts it."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import time
import traceback
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection

from vlmbench.errors import VlmbenchError
from vlmbench.run.job import RunSettings
from vlmbench.run.pool.child import EVENT, LAST, WITH_ROWS, Apart
from vlmbench.run.pool.events import Answered, Died, Encoded, Event, Prompts
from vlmbench.run.pool.pieces import Carried, Piece
from vlmbench.run.pool.worker import WorkerBody

_LOOKS_EVERY_S = 1.0


@dataclass(frozen=True)
class WorkerStart:
    """The first message to a worker's process.

    Attributes:
        run: a token of the run; this and ``carries`` as :class:`~vlmbench.run.pool.worker.WorkerBody` takes them.
    """

    settings: RunSettings
    run: str
    carries: bool


def main(descriptor: int, driver: int) -> None:
    """Work until the driver sends None or is gone.

    Args:
        descriptor: of the socket to the process that started this one. The first message is a :class:`WorkerStart`,
            and the others are pieces.
        driver: the id of that process.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver gets Ctrl-C, and decides
    threading.Thread(target=_end_with, args=(driver,), daemon=True).start()
    connection: Connection = Connection(descriptor)
    try:
        start = connection.recv()
        assert isinstance(start, WorkerStart)
        _work(connection, start)
    except (EOFError, BrokenPipeError, ConnectionResetError):  # the driver is gone
        os._exit(1)


def _work(connection: Connection, start: WorkerStart) -> None:
    def tell(event: Event) -> None:
        _send(connection, event)

    try:
        body = WorkerBody(start.settings, tell, carries=start.carries, run=start.run)
    except VlmbenchError as error:
        tell(Died(str(error), starting=True))
        return
    while (piece := _received(connection)) is not None:
        try:
            body.do(piece)
        except (BrokenPipeError, ConnectionResetError):
            raise
        except Exception as error:  # its answer could not be sent, because something in it is not picklable
            traceback.print_exc(file=sys.stderr)
            tell(Died(f"it could not send its answer: {type(error).__name__}: {error}"))
            return
    body.finish()


def _send(connection: Connection, event: Event) -> None:
    """Send an event, and after it its rows in a frame of their own."""
    if isinstance(event, Prompts | Encoded) and event.rows is not None:
        connection.send_bytes(WITH_ROWS + pickle.dumps(replace(event, rows=Apart())))
        connection.send_bytes(pickle.dumps(event.rows))
    else:
        kind = LAST if isinstance(event, Answered | Encoded | Died) else EVENT
        connection.send_bytes(kind + pickle.dumps(event))


def _received(connection: Connection) -> Piece | None:
    """The next piece. Rows that were carried follow it; an empty frame stands for rows that were lost on the way."""
    piece = connection.recv()
    if piece is None:
        return None
    assert isinstance(piece, Piece)
    frames = [connection.recv_bytes() for carried in piece.carried if isinstance(carried.rows, Apart)]
    if not frames:
        return piece
    found = zip(piece.carried, frames, strict=True)
    return replace(piece, carried=tuple(Carried(carried.of, pickle.loads(rows)) for carried, rows in found if rows))


def _end_with(driver: int) -> None:
    """End this process when the driver has ended, even in the middle of a piece."""
    while os.getppid() == driver:
        time.sleep(_LOOKS_EVERY_S)
    os._exit(1)
