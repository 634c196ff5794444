"""The output of a worker's process, from Python and from C."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

import pytest

from vlmbench.run.pool.log_text import MOST_LOG_BYTES
from vlmbench.run.pool.output import flush_output, written_since


def test_output_that_python_and_c_hold_back_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, descriptor = os.dup(1), os.open(tmp_path / "log", os.O_RDWR | os.O_CREAT)
    try:
        os.dup2(descriptor, 1)  # as a crew starts a worker
        with open(1, "w", closefd=False) as stream:
            monkeypatch.setattr(sys, "stdout", stream)
            print("held back by Python")
            ctypes.CDLL(None).puts(b"held back by the C library")
            assert "Python" not in written_since(descriptor, 0)
            flush_output()
            monkeypatch.undo()
        written = written_since(descriptor, 0).splitlines()
        assert sorted(written) == ["held back by Python", "held back by the C library"]
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(descriptor)


def test_a_closed_stream_is_no_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with (tmp_path / "closed").open("w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
    flush_output()


def test_only_what_was_written_during_the_piece_is_read(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w+b") as file:
        file.write(b"of an earlier piece\n")
        file.flush()
        start = file.tell()
        file.write(b"of this piece\n")
        file.flush()
        assert written_since(file.fileno(), start) == "of this piece\n"
        assert file.tell() == start + len(b"of this piece\n")
        assert written_since(file.fileno(), file.tell()) == ""


def test_of_much_output_the_end_is_read(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w+b") as file:
        file.write(b"old\n")
        file.write(b"".join(b"line %d\n" % number for number in range(40_000)))
        file.flush()
        first, *_, last = written_since(file.fileno(), 4).splitlines()
        size = file.tell()
    assert last == "line 39999"
    left_out = int(first.removeprefix("… ").removesuffix(" bytes before this are not kept").replace(",", ""))
    assert left_out == pytest.approx(size - MOST_LOG_BYTES, abs=10)
