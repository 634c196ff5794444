"""The listener of runs with workers, in a terminal and in a pipe."""

from __future__ import annotations

import io
from threading import Event
from time import monotonic
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from vlmbench.cli.watching import workers_table
from vlmbench.cli.watching.choice import show_costs
from vlmbench.cli.watching.workers_table import WorkersTable
from vlmbench.run.listener import PairResult
from vlmbench.run.pool.crew import Slot
from vlmbench.run.pool.events import Died, Told
from vlmbench.run.pool.watching import WatchesWorkers
from vlmbench.testing.toy_records import make_failure, make_record


def piece(halvings: int = 0) -> Any:
    job = SimpleNamespace(number=0, model=SimpleNamespace(name="m"), task=SimpleNamespace(name="t"))
    return SimpleNamespace(job=job, halvings=halvings, attempt=halvings)


def watched(
    monkeypatch: pytest.MonkeyPatch, *, terminal: bool, every_s: float = 60.0
) -> tuple[io.StringIO, WorkersTable]:
    written = io.StringIO()
    console = Console(file=written, width=100, height=30, color_system=None, force_terminal=terminal, _environ={})
    monkeypatch.setattr(workers_table, "stderr", lambda: console)
    return written, WorkersTable(2, [("m", "t", 100), ("m", "u", 100)], every_s=every_s)


def run(table: WorkersTable) -> None:
    """One worker dies, another answers a pair and fails at one."""
    facts: Any = SimpleNamespace(device="cpu")
    for worker in (0, 1):
        table.worker_starting(worker, Slot("a", worker, "gpu-1"))
        table.worker_ready(worker, facts)
        table.piece_given(worker, piece(), None)
    table.worker_told(0, Told("loading", (None,)))
    table.worker_told(0, Told("start", ("images", 100)))
    table.worker_told(0, Told("advance", (50,)))
    table.worker_told(0, Told("note", ("be careful",)))
    table.worker_died(1, Died("killed by signal 9", out_of_memory=True))
    table.piece_retried(piece(halvings=1), "it ran out of memory")
    table.piece_finished(0, piece(), "done")
    table.pair_finished(PairResult("m", "t", "done", record=make_record("m", "t")))
    table.pair_finished(PairResult("m", "u", "failed", failure=make_failure("m", "u", "no data")))
    table.node_left_out("gpu-2", "2 workers died there")
    table.worker_stopped(0)


LINES = [
    "note: be careful",
    "note: worker 1 on gpu-1 died: it ran out of memory",
    "note: m on t is tried again, with batches 2 times smaller: it ran out of memory",
    "✓ [1/2] m · t  acc1 50.0%  (40.0 to 60.0)",
    "✗ [2/2] m · u  failed: no data",
    "note: gpu-2 is left out from now on: 2 workers died there",
]


def test_a_pipe_has_only_the_lines_that_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    written, table = watched(monkeypatch, terminal=False)
    assert isinstance(table, WatchesWorkers)
    with table:
        run(table)
    shown = written.getvalue().splitlines()
    assert shown[: len(LINES)] == LINES
    assert all(line.startswith("  ") for line in shown[len(LINES) :])  # hints
    assert "\x1b" not in written.getvalue()


def test_a_terminal_has_the_lines_above_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    written, table = watched(monkeypatch, terminal=True)
    with table:
        table.worker_starting(0, Slot("a", 0, "gpu-1"))
        table.worker_ready(0, SimpleNamespace(device="cpu"))  # type: ignore[arg-type]
        table.piece_given(0, piece(), None)
        table.note("be careful")
    shown = written.getvalue()
    assert shown.index("note: be careful") < shown.rindex("0 cpu   m      t")
    assert "0 of 2 pairs" in shown


def test_a_pipe_has_a_line_about_the_progress_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    written, table = watched(monkeypatch, terminal=False, every_s=0.01)
    with table:
        table.worker_starting(0, Slot("a", 0, "gpu-1"))
        deadline = monotonic() + 10
        while "worker" not in written.getvalue() and monotonic() < deadline:
            Event().wait(0.01)
    assert "… 0 of 2 pairs · – left · 1 worker · after 0 s" in written.getvalue().splitlines()


def test_the_costs_are_printed_if_there_were_workers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, table = watched(monkeypatch, terminal=False)
    with table:
        show_costs(table)
        assert capsys.readouterr().out == ""
        run(table)
    show_costs(table)
    out = capsys.readouterr().out
    assert "Worker-minutes" in out
    assert "2 workers on 1 machine" in out
    spent = table.spent()
    assert list(spent.pairs) == [("m", "t")] and spent.spent.lost > 0 and spent.spent.working > 0
