"""The main program of a worker process of this machine. :mod:`vlmbench.run.pool.processes` starts it."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from multiprocessing.connection import Connection

from vlmbench.errors import VlmbenchError
from vlmbench.run.job import RunSettings
from vlmbench.run.pool.events import Died, Event
from vlmbench.run.pool.pieces import Piece
from vlmbench.run.pool.worker import WorkerBody

_LOOKS_EVERY_S = 1.0


def main(descriptor: int, driver: int) -> None:
    """Work until the driver sends None or is gone.

    Args:
        descriptor: of the socket to the driver. The first message has the run's settings and token, the others are
            pieces.
        driver: the process id of the driver.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver gets Ctrl-C, and decides
    threading.Thread(target=_end_with, args=(driver,), daemon=True).start()
    connection: Connection = Connection(descriptor)
    try:
        settings, token = connection.recv()
        assert isinstance(settings, RunSettings) and isinstance(token, str)
        _work(connection, settings, token)
    except (EOFError, BrokenPipeError, ConnectionResetError):  # the driver is gone
        os._exit(1)


def _work(connection: Connection, settings: RunSettings, token: str) -> None:
    def tell(event: Event) -> None:
        connection.send(event)

    try:
        body = WorkerBody(settings, tell, carries=False, run=token)
    except VlmbenchError as error:
        tell(Died(str(error), starting=True))
        return
    while (piece := connection.recv()) is not None:
        assert isinstance(piece, Piece)
        try:
            body.do(piece)
        except (BrokenPipeError, ConnectionResetError):
            raise
        except Exception as error:  # its answer could not be sent, because something in it is not picklable
            traceback.print_exc(file=sys.stderr)
            tell(Died(f"it could not send its answer: {type(error).__name__}: {error}"))
            return
    body.finish()


def _end_with(driver: int) -> None:
    """End this process when the driver has ended, even in the middle of a piece."""
    while os.getppid() == driver:
        time.sleep(_LOOKS_EVERY_S)
    os._exit(1)
