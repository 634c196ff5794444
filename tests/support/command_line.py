"""The command line: in this process, where packages are loaded already, and in one of its own."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from vlmbench.cli.main import main


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
        with pytest.raises(SystemExit) as left:
            main()
            sys.exit(0)
    returncode = left.value.code or 0
    assert isinstance(returncode, int)
    assert code is None or returncode == code, err.getvalue()
    return Finished(returncode, out.getvalue(), err.getvalue())


def process_line(*arguments: object) -> list[str]:
    """The command as a process of its own; starting one takes seconds of processor time where torch is imported."""
    return [sys.executable, "-m", "vlmbench.cli.main", *map(str, arguments)]


def process(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``vlmbench`` with these arguments in a process of its own, with these variables set besides."""
    return subprocess.run(
        process_line(*arguments),
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environment},
        check=False,
    )


def hear_ctrl_c() -> None:
    """Shells start background jobs with SIGINT ignored, and the tests may run in one."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
