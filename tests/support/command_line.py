"""The command line in three ways: in this process, in a forked one, and in one that a new interpreter starts.

Importing torch takes seconds of processor time. The first two have it loaded already.
"""

from __future__ import annotations

import functools
import io
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import pytest
import typer.main

from vlmbench.cli.main import main

COMMANDS = functools.cache(typer.main.get_command)
"""The commands of an app. typer makes them from their functions in every call, which takes longer than most of them."""


@dataclass(frozen=True)
class Finished:
    """What a command left: its exit code and what it wrote."""

    returncode: int
    stdout: str
    stderr: str


def command(
    *arguments: object, where: Path | None = None, code: int | None = None, width: int = 200, **environment: str
) -> Finished:
    """Run ``vlmbench`` with these arguments.

    Args:
        arguments: each is made a string.
        where: the working folder; None: as it is.
        code: the exit code that there must be; None: any.
        width: of the window, in columns.
        environment: variables to set besides.
    """
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        if where is not None:
            patch.chdir(where)
        patch.setenv("COLUMNS", str(width))
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.setattr(sys, "argv", ["vlmbench", *map(str, arguments)])
        patch.setattr(typer.main, "get_command", COMMANDS)
        with pytest.raises(SystemExit) as left:
            main()
            sys.exit(0)
    returncode = left.value.code or 0
    assert isinstance(returncode, int)
    assert code is None or returncode == code, err.getvalue()
    return Finished(returncode, out.getvalue(), err.getvalue())


def as_vlmbench(arguments: list[str]) -> None:
    """Do in this process what ``vlmbench`` does with these arguments."""
    sys.argv = ["vlmbench", *arguments]
    main()


def as_python(arguments: list[str]) -> None:
    """Do in this process what ``python FILE …`` or ``python -m MODULE …`` does in the working folder."""
    if arguments[0] == "-m":
        sys.argv, sys.path[:0] = arguments[1:], [os.getcwd()]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv, sys.path[:0] = arguments, [str(Path(arguments[0]).resolve().parent)]
        runpy.run_path(arguments[0], run_name="__main__")


class Forked:
    """A program with these arguments in a process of its own, which starts at once; ``vlmbench``, if no other is named.

    The process is a copy of this one. It has its own memory and signals, can be interrupted or killed, and ends as a
    process does: threads that are no daemons are waited for.
    """

    def __init__(self, *arguments: object, program: Callable[[list[str]], None] = as_vlmbench) -> None:
        with ExitStack() as files:
            self._out, self._err = (files.enter_context(tempfile.TemporaryFile("w+")) for _ in range(2))
            self._files = files.pop_all()
        fork = multiprocessing.get_context("fork")
        line = [*map(str, arguments)]
        self._process = fork.Process(target=_be, args=(program, line, self._out, self._err))
        self._process.start()

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the process."""
        assert self._process.pid is not None
        os.kill(self._process.pid, number)

    def finished(self, timeout: float = 120) -> Finished:
        """Wait for its end. A process that a signal ended has the negative number of the signal as its exit code."""
        self._process.join(timeout)
        if (code := self._process.exitcode) is None:
            self._process.kill()
            pytest.fail(f"the command did not end in {timeout} s")
        with self._files:
            self._out.seek(0)
            self._err.seek(0)
            return Finished(code, self._out.read(), self._err.read())


def _be(program: Callable[[list[str]], None], arguments: list[str], out: TextIO, err: TextIO) -> None:
    """What the forked process does, with its output in these files."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.dup2(out.fileno(), 1)
    os.dup2(err.fileno(), 2)
    sys.stdout, sys.stderr = out, err
    os.environ["COLUMNS"] = "200"
    program(arguments)


def process(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``vlmbench`` with these arguments in a new interpreter, with these variables set besides."""
    return subprocess.run(
        [sys.executable, "-m", "vlmbench.cli.main", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environment},
        check=False,
    )
