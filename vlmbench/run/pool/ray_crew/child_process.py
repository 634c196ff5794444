"""The main program of a worker's process on a node of a Ray cluster. Its actor starts it."""

from __future__ import annotations

import os
import pickle
import signal
import traceback
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection

from vlmbench.run.job import RunSettings
from vlmbench.run.pool.events import Answered, Died, Encoded, Event, Prompts
from vlmbench.run.pool.pieces import Carried, Piece
from vlmbench.run.pool.ray_crew.child import EVENT, LAST, WITH_ROWS, Apart
from vlmbench.run.pool.worker_process import do_pieces


@dataclass(frozen=True)
class WorkerStart:
    """The first message to a worker's process.

    Attributes:
        run: a token of the run; this and ``carries`` as :class:`~vlmbench.run.pool.worker.WorkerBody` takes them.
    """

    settings: RunSettings
    run: str
    carries: bool


def main(descriptor: int) -> None:
    """Work until the actor sends None or is gone.

    Args:
        descriptor: of the socket to the actor. The first message is a :class:`WorkerStart`, and the others are pieces.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver gets Ctrl-C, and decides
    connection: Connection = Connection(descriptor)
    code = 1
    try:
        start = connection.recv()
        assert isinstance(start, WorkerStart)
        code = do_pieces(
            start.settings,
            start.run,
            lambda event: _send(connection, event),
            lambda: _received(connection),
            carries=start.carries,
        )
    except (EOFError, BrokenPipeError, ConnectionResetError):  # the actor is gone
        pass
    except BaseException:  # `os._exit` would hide it from the log
        traceback.print_exc()
    finally:
        os._exit(code)


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
    frames = [connection.recv_bytes() for _ in piece.carried]
    found = zip(piece.carried, frames, strict=True)
    return replace(piece, carried=tuple(Carried(carried.of, pickle.loads(rows)) for carried, rows in found if rows))
