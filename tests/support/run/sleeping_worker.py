"""The program of a worker that sleeps instead of computing. It imports no torch, so it starts in a moment.

Crews are tested with it: each piece has, in place of a job, the name of what to do.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import time
from multiprocessing.connection import Connection

from vlmbench.run.pool.events import Died, Encoded, Event, Prompts, Ready, Told
from vlmbench.run.pool.pieces import Piece
from vlmbench.run.pool.ray_crew.child import EVENT, LAST, WITH_ROWS, Apart


def main(descriptor: int) -> None:
    """Do pieces until there are no more."""
    connection: Connection = Connection(descriptor)
    connection.recv_bytes()  # the settings, which it does not need

    def tell(event: Event, kind: bytes = EVENT) -> None:
        connection.send_bytes(kind + pickle.dumps(event))

    facts = {"pid": os.getpid(), "parent": os.getppid(), "threads": os.environ.get("OMP_NUM_THREADS")}
    tell(Ready(facts))  # type: ignore[arg-type]  # the crew does not look inside
    try:
        while (piece := connection.recv()) is not None:
            assert isinstance(piece, Piece)
            rows = [connection.recv_bytes() for carried in piece.carried if isinstance(carried.rows, Apart)]
            what, _, argument = str(piece.job).partition(" ")
            print(f"piece {piece.number}: {what}")
            tell(Told("note", (what, tuple(pickle.loads(row) for row in rows if row))))
            if what == "sleep":
                time.sleep(float(argument))
            elif what == "exit":
                os._exit(int(argument))
            elif what == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            elif what == "rows":
                tell(Prompts(Apart()), WITH_ROWS)
                connection.send_bytes(pickle.dumps(b"r" * int(argument)))
            elif what == "die":
                tell(Died("it gave up"), LAST)
                sys.exit()
            tell(Encoded(piece.number, None), LAST)
    except (EOFError, ConnectionResetError):  # the parent is gone
        sys.exit()
