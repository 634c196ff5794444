"""The main program of a nursery: a process that imports everything once, and then becomes the parent of workers.

:mod:`vlmbench.run.pool.nursery` starts it. A worker is a copy of it, which takes milliseconds, where the imports take
seconds and hundreds of megabytes for each process. No thread of a library and no CUDA context exists before the copy.
"""

from __future__ import annotations

import gc
import os
import select
import shutil
import signal
import socket
import threading
import time
import traceback
from collections.abc import Sequence
from importlib import import_module
from multiprocessing.connection import Connection

_LOOKS_EVERY_S = 1.0
_REAPS_EVERY_S = 0.1


def main(control: int, driver: int, folder: str, modules: Sequence[str] = ()) -> None:
    """Make workers until the driver closes the connection or is gone.

    Args:
        control: of a socket to the driver. Each message is a :class:`~vlmbench.run.pool.nursery.Birth`, followed by the
            descriptors of the worker's connection and log. The answers are (pid, None), (pid, exit code), or the reason
            why there is no worker.
        driver: the process id of the driver.
        folder: of the logs. The driver removes it, unless it was killed.
        modules: are imported before there are workers.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver gets Ctrl-C, and decides
    connection = Connection(control)
    own = socket.socket(fileno=os.dup(control))
    for name in modules:
        try:
            import_module(name)
        except Exception:  # a worker that needs it reports it
            traceback.print_exc()
    gc.collect()
    gc.freeze()  # or the collector would write to the pages that the copies share
    children: set[int] = set()
    try:
        while os.getppid() == driver:
            _tell_ends(connection, children)
            if select.select([control], [], [], _REAPS_EVERY_S)[0]:
                _make_worker(connection, own, children)
    except (EOFError, BrokenPipeError, ConnectionResetError):  # the driver has closed the connection, or is gone
        pass
    for pid in children:
        os.kill(pid, signal.SIGKILL)
    time.sleep(_LOOKS_EVERY_S)  # a driver that closes the connection ends this process now
    shutil.rmtree(folder, ignore_errors=True)


def _tell_ends(connection: Connection, children: set[int]) -> None:
    for pid in sorted(children):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            children.discard(pid)
            connection.send((pid, os.waitstatus_to_exitcode(status)))


def _make_worker(connection: Connection, own: socket.socket, children: set[int]) -> None:
    """Make the worker that the next message asks for. If the system refuses, the workers that live go on."""
    birth = connection.recv()
    descriptors = socket.recv_fds(own, 1, 2)[1]
    parent = os.getpid()
    try:
        its, log = descriptors
        pid = os.fork()
    except ValueError:  # the system passes on as many as this process may open
        connection.send("too many open files")
    except OSError as error:
        connection.send(error.strerror or str(error))
    else:
        if pid == 0:
            connection.close()
            own.close()
            _be_worker(birth.environment, its, log, parent)
        children.add(pid)
        connection.send((pid, None))
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _be_worker(environment: dict[str, str], connection: int, log: int, parent: int) -> None:
    """Be a worker until the work ends, and then end this process without returning."""
    code = 1
    try:
        os.environ.update(environment)
        for standard in (1, 2):
            os.dup2(log, standard)
        os.close(log)
        threading.Thread(target=end_with, args=(parent,), daemon=True).start()
        from vlmbench.run.pool.worker_process import work

        code = work(connection)
    except BaseException:  # `os._exit` would hide it from the log
        traceback.print_exc()
    finally:
        os._exit(code)


def end_with(parent: int) -> None:
    """End this process when its parent has ended, even in the middle of a piece."""
    while os.getppid() == parent:
        time.sleep(_LOOKS_EVERY_S)
    os._exit(1)
