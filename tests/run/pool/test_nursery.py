"""The process that makes workers, and what a worker tells when something goes wrong at its edges."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from run.scripted_crew import jobs

from vlmbench.errors import UsageError, WorkerError
from vlmbench.run.executors import find_executor
from vlmbench.run.job import RunSettings
from vlmbench.run.pool.arguments import PoolOptions
from vlmbench.run.pool.crew import Slot
from vlmbench.run.pool.events import Answered, Died, Event, Ready
from vlmbench.run.pool.nursery import Birth, Nursery, module_path
from vlmbench.run.pool.pieces import Piece
from vlmbench.run.pool.processes import ProcessCrew, ProcessWorker
from vlmbench.run.pool.worker_process import do_pieces

_MAIN = "import sys; from vlmbench.run.pool.nursery_process import main; main(*map(int, sys.argv[1:3]), sys.argv[3])"


@pytest.fixture
def nursery(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], Connection, socket.socket, Path]]:
    """A real nursery that has imported nothing else, and the folder that it removes."""
    logs = tmp_path / "logs"
    logs.mkdir()
    own, its = socket.socketpair()
    with its:
        command = [sys.executable, "-c", _MAIN, str(its.fileno()), str(os.getpid()), str(logs)]
        process = subprocess.Popen(command, pass_fds=(its.fileno(),))
    connection = Connection(os.dup(own.fileno()))
    yield process, connection, own, logs
    connection.close()
    own.close()
    process.kill()
    process.wait()


def _born(connection: Connection, own: socket.socket) -> object:
    """The nursery's answer to the wish for a worker."""
    ours, its = socket.socketpair()
    with ours, its, open(os.devnull, "wb") as log:
        connection.send(Birth({}))
        socket.send_fds(own, [b"."], [its.fileno(), log.fileno()])
        return connection.recv()


def test_a_driver_that_is_killed_with_unread_messages_leaves_nothing(
    nursery: tuple[subprocess.Popen[bytes], Connection, socket.socket, Path],
) -> None:
    process, connection, own, logs = nursery
    pid, code = _born(connection, own)  # type: ignore[misc]
    assert code is None
    os.kill(pid, signal.SIGKILL)
    assert connection.poll(20)  # its end is told and not read, so that the system resets the connection
    connection.close()
    own.close()
    assert process.wait(timeout=20) == 0 and not logs.exists()


def test_a_system_that_refuses_a_worker_leaves_the_others_alone(
    nursery: tuple[subprocess.Popen[bytes], Connection, socket.socket, Path],
) -> None:
    resource = pytest.importorskip("resource")
    process, connection, own, _ = nursery
    pid, _ = _born(connection, own)  # type: ignore[misc]
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (5, 5))
    assert _born(connection, own) == "too many open files"
    os.kill(pid, signal.SIGKILL)
    assert connection.recv() == (pid, -signal.SIGKILL)


def test_a_log_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match="a worker cannot be started: No such file"):
        Nursery({}, tmp_path / "nursery.log").start({}, tmp_path / "away" / "0.log")


def test_only_text_is_a_place_of_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", ["", "/a", Path("/b")])
    assert module_path() == ["", "/a"]


def test_a_worker_that_the_pool_has_stopped_is_not_waited_for(tmp_path: Path) -> None:
    crew = ProcessCrew(2, PoolOptions())
    ours, its = Pipe()
    other, its_other = Pipe()
    workers = [
        ProcessWorker(number, Slot("n", number, "n"), Nursery({}, tmp_path / "log"), 0, end, tmp_path / "0.log", 0)
        for number, end in enumerate((ours, other))
    ]
    crew._workers.extend(workers)
    workers[0].stop()
    its_other.send(Died("its device is broken"))
    assert [(worker.number, event.reason) for worker, event in crew.events(1.0) if isinstance(event, Died)] == [
        (1, "its device is broken")
    ]
    assert list(crew.events(0.0)) == []
    its.close()
    its_other.close()


def test_a_worker_whose_answer_cannot_be_sent_says_so_and_lives_on(capfd: pytest.CaptureFixture[str]) -> None:
    told: list[Event] = []
    (job,) = jobs(["a"], ["s"], use_cache=False)
    pieces: list[Piece | None] = [Piece(0, job), None]

    def tell(event: Event) -> None:
        if isinstance(event, Answered) and not any(isinstance(each, Answered) for each in told):
            told.append(event)
            raise TypeError("cannot pickle '_thread.lock' object")
        told.append(event)

    assert do_pieces(job.settings, "run", tell, lambda: pieces.pop(0), carries=False) == 0
    answered = [event for event in told if isinstance(event, Answered)]
    failure = answered[1].answer.failure
    assert failure is not None and failure.error == "WorkerError"
    assert failure.message.startswith("the worker cannot send its answer: unexpected TypeError: cannot pickle")
    assert "Traceback" in capfd.readouterr().err


def test_a_worker_that_cannot_start_says_why(capfd: pytest.CaptureFixture[str]) -> None:
    told: list[Event] = []

    def tell(event: Event) -> None:
        if isinstance(event, Ready):
            raise RuntimeError("CUDA error: no device")
        told.append(event)

    assert do_pieces(RunSettings(use_cache=False), "run", tell, lambda: None, carries=False) == 1
    (died,) = told
    assert isinstance(died, Died) and died.starting and "CUDA error: no device" in died.reason
    assert "Traceback" in capfd.readouterr().err


def test_a_system_without_fork_is_told_plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "fork")
    with pytest.raises(UsageError, match="does not work on this system"):
        find_executor("local:2")
    find_executor("local")
