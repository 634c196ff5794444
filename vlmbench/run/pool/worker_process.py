"""What a worker process of this machine does: it gets settings and pieces from the driver, and tells it what happens.

:mod:`vlmbench.run.pool.nursery_process` makes the process, and imports this module before.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection

from vlmbench.errors import VlmbenchError, unexpected
from vlmbench.run.job import RunSettings
from vlmbench.run.pool.events import Died, Event
from vlmbench.run.pool.pieces import Piece
from vlmbench.run.pool.worker import WorkerBody


def work(descriptor: int) -> int:
    """Work until the driver sends None or is gone.

    Args:
        descriptor: of the socket to the driver. The first message has the run's settings and token, the others are
            pieces.

    Returns:
        The exit code of this process.
    """
    connection: Connection = Connection(descriptor)
    try:
        settings, token = connection.recv()
        assert isinstance(settings, RunSettings) and isinstance(token, str)
        return do_pieces(settings, token, connection.send, connection.recv, carries=False)
    except (EOFError, BrokenPipeError, ConnectionResetError):  # the driver is gone
        return 1


def do_pieces(
    settings: RunSettings,
    run: str,
    tell: Callable[[Event], None],
    receive: Callable[[], Piece | None],
    *,
    carries: bool,
) -> int:
    """Do pieces until there are no more.

    Args:
        run: a token of the run; this and ``carries`` as :class:`~vlmbench.run.pool.worker.WorkerBody` takes them.
        receive: the next piece; None: there are no more.

    Returns:
        The exit code of this process.
    """
    try:
        body = WorkerBody(settings, tell, carries=carries, run=run)
    except (BrokenPipeError, ConnectionResetError):
        raise
    except Exception as error:
        if not isinstance(error, VlmbenchError):  # such as a GPU that does not answer
            traceback.print_exc()
        tell(Died(str(unexpected(error)), starting=True))
        return 1
    while (piece := receive()) is not None:
        try:
            body.do(piece)
        except (BrokenPipeError, ConnectionResetError):
            raise
        except Exception as error:  # something in its answer is not picklable, so that nothing of it was sent
            traceback.print_exc()
            tell(body.not_sent(piece, error))
    body.finish()
    return 0
