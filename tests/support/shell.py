"""Shell lines whose ``vlmbench`` is this process, and whose ``python`` is a copy of it. Starting them costs nothing.

The shell finds a program ``vlmbench`` on its path. That program sends its name, arguments, working folder and variables
through a socket to the test's process, and writes and ends as the test's process answers. The program ``python`` does
the same; a test puts it on the path if its Python imports what this process has imported already.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from command_line import Finished, Forked, as_python, command

CLIENT = f"""#!{sys.executable}
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as line:
    line.connect(os.environ["SHELL_DOOR"])
    passed = ("VLMBENCH_", "HF_", "GITHUB_", "COLUMNS")
    own = {{name: value for name, value in os.environ.items() if name.startswith(passed)}}
    line.sendall(json.dumps([os.path.basename(sys.argv[0]), sys.argv[1:], os.getcwd(), own]).encode() + b"\\n")
    code, out, err = json.loads(line.makefile().read())
sys.stdout.write(out)
sys.stdout.flush()
sys.stderr.write(err)
sys.exit(code)
"""
"""The programs ``vlmbench`` and ``python``."""


def write_client(folder: Path, *others: str) -> None:
    """Put the program ``vlmbench`` into a folder, and others of :data:`CLIENT`'s."""
    for name in ("vlmbench", *others):
        (folder / name).write_text(CLIENT)
        (folder / name).chmod(0o755)


def obeyed(line: Sequence[str], *, where: Path, environment: Mapping[str, str]) -> tuple[int, str]:
    """Run a program, and do here what it asks of the programs of :func:`write_client`.

    Args:
        line: the program and its arguments.
        where: its working folder.
        environment: all its variables. Its path leads to the client of :func:`write_client`.

    Returns:
        Its exit code, and what it wrote to standard output and standard error.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        tempfile.TemporaryFile("w+") as written,
        socket.socket(socket.AF_UNIX) as door,
    ):
        address = str(Path(folder, "door"))
        door.bind(address)
        door.listen()
        door.settimeout(0.05)
        running = subprocess.Popen(
            line,
            cwd=where,
            env={**environment, "SHELL_DOOR": address},
            stdout=written,
            stderr=subprocess.STDOUT,
        )
        while running.poll() is None:
            try:
                asking, _ = door.accept()
            except TimeoutError:
                continue
            with asking:
                asking.settimeout(60)
                program, arguments, folder_asked, own = json.loads(asking.makefile().readline())
                done = _done(program, arguments, Path(folder_asked), own)
                asking.sendall(json.dumps([done.returncode, done.stdout, done.stderr]).encode())
        written.seek(0)
        return running.returncode, written.read()


def _done(program: str, arguments: Sequence[str], where: Path, own: dict[str, str]) -> Finished:
    """Do what a program was asked to do, in this folder, with these variables."""

    def python_there(line: list[str]) -> None:
        os.chdir(where)
        os.environ.update(own)
        as_python(line)

    if program == "python":
        return Forked(*arguments, program=python_there).finished()
    width = int(own.pop("COLUMNS", 200))
    return command(*arguments, where=where, width=width, **own)


def path_with(folder: Path) -> str:
    """The path of a shell that looks into this folder first, and for ``python`` beside this interpreter."""
    return os.pathsep.join([str(folder), str(Path(sys.executable).parent), os.environ["PATH"]])
