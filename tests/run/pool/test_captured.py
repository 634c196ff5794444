"""The output of a worker's process, from Python and from C."""

from __future__ import annotations

import ctypes
import logging
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from vlmbench.run.pool.captured import captured, left_by
from vlmbench.run.pool.log_text import MOST_LOG_BYTES


def test_every_kind_of_output_is_kept_in_its_order(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    libc = ctypes.CDLL(None)
    logger = logging.getLogger("somewhere")
    with captured(tmp_path / "logs") as output:
        logger.addHandler(handler := logging.StreamHandler())
        print("printed")
        os.write(2, b"by descriptor\n")
        libc.puts(b"by the C library")
        libc.fflush(None)
        subprocess.run(["echo", "by a child"], check=True)
        logger.warning("logged")
        warnings.warn_explicit("warned", UserWarning, "a.py", 3)
        text = output.end()
    logger.removeHandler(handler)
    expected = ["printed", "by descriptor", "by the C library", "by a child", "logged"]
    assert text.splitlines()[:5] == expected
    assert capfd.readouterr().out == ""  # nothing of it reached the terminal
    print("afterwards")
    assert capfd.readouterr().out == "afterwards\n"


def test_a_c_library_may_hold_its_output_back(tmp_path: Path) -> None:
    with captured(tmp_path) as output:
        ctypes.CDLL(None).puts(b"held back")
        assert output.end() == "held back\n"


def test_each_piece_begins_anew(tmp_path: Path) -> None:
    with captured(tmp_path) as output:
        print("of the first")
        output.begin()
        print("of the second")
        assert output.end() == "of the second\n"
        output.begin()
        assert output.end() == ""
    assert not list(tmp_path.iterdir())


def test_only_the_end_of_much_output_is_kept(tmp_path: Path) -> None:
    with captured(tmp_path) as output:
        for number in range(40_000):
            print(f"line {number}")
        text = output.end()
    assert len(text.encode()) <= MOST_LOG_BYTES + 100
    first, *_, last = text.splitlines()
    assert first.startswith("… ") and first.endswith(" bytes before this are not kept")
    assert last == "line 39999"


def test_a_process_that_dies_leaves_its_output(tmp_path: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from vlmbench.run.pool.captured import captured\n"
        "with captured(Path(sys.argv[1])) as output:\n"
        "    print('old'); output.begin(); print('last words'); os.kill(os.getpid(), 9)"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)])
    assert process.wait(120) == -9
    assert left_by(tmp_path, process.pid) == "last words\n"
    assert left_by(tmp_path, process.pid) == ""
    assert not list(tmp_path.iterdir())
