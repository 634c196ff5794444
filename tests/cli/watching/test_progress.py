"""The line of a finished pair: a number with its interval, or why there is none."""

from __future__ import annotations

import io
from threading import Event
from time import monotonic
from typing import Any

import pytest
from rich.console import Console

from vlmbench.cli.watching import progress
from vlmbench.records import MetricValue
from vlmbench.run.listener import PairResult
from vlmbench.testing.toy_records import make_failure, make_record


@pytest.mark.parametrize(
    ("metric", "line"),
    [
        (MetricValue(value=0.5, ci95=(0.4, 0.6), n=10), "acc1 50.0%  (40.0 to 60.0)"),
        (
            MetricValue(value=0.5, n=3, reason="3 images are too few"),
            "acc1 50.0%  (no interval: 3 images are too few)",
        ),
        (MetricValue(value=0.5, n=3), "acc1 50.0%  (no interval)"),
        (
            MetricValue(value=None, n=3, reason="the 7 objects are all crowds"),
            "acc1 –  no value: the 7 objects are all crowds",
        ),
        (MetricValue(value=None, n=3), "acc1 –  no value: the record does not say why"),
        (MetricValue(value=12.0, ci95=(9.0, 15.0), n=3, unit="rank"), "acc1 rank 12.0  (9.0 to 15.0)"),
    ],
)
def test_a_finished_pair_is_a_number_or_a_reason(
    monkeypatch: pytest.MonkeyPatch, metric: MetricValue, line: str
) -> None:
    written = io.StringIO()
    monkeypatch.setattr(progress, "stderr", lambda: Console(file=written, width=200, color_system=None))
    record = make_record().model_copy(update={"metrics": {"acc1": metric}})
    with progress.TerminalListener(pairs=1) as listener:
        listener.pair_finished(PairResult("m", "t", "done", record=record))
    assert written.getvalue().strip() == f"✓ [1/1] m · t  {line}"


def listened(monkeypatch: pytest.MonkeyPatch, *, every_s: float = 60.0, terminal: bool = False) -> tuple[Any, Any]:
    written = io.StringIO()
    console = Console(file=written, width=200, color_system=None, force_terminal=terminal)
    monkeypatch.setattr(progress, "stderr", lambda: console)
    return written, progress.TerminalListener(pairs=2, every_s=every_s)


def failed(model: str, task: str, hint: str) -> PairResult:
    failure = make_failure(model, task, "no data").model_copy(update={"hint": hint})
    return PairResult(model, task, "failed", failure=failure)


def test_what_to_do_about_several_failures_is_printed_once_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    written, listener = listened(monkeypatch)
    with listener:
        for task in ("a", "b"):
            listener.pair_finished(failed("m", task, "Go online."))
    lines = written.getvalue().splitlines()
    assert lines == ["✗ [1/2] m · a  failed: no data", "✗ [2/2] m · b  failed: no data", "  a and b: Go online."]


def test_a_long_pair_is_reported_again_and_again_where_no_terminal_is(monkeypatch: pytest.MonkeyPatch) -> None:
    written, listener = listened(monkeypatch, every_s=0.01)
    with listener:
        listener.pair_started("m", "t")
        listener.start("images", 4_000)
        listener.advance(1_500)
        deadline = monotonic() + 10
        while "1,500" not in written.getvalue() and monotonic() < deadline:
            Event().wait(0.01)
    assert "… [1/2] m · t · images 1,500 of 4,000, after 0 min" in written.getvalue()


def test_a_short_run_has_no_lines_about_its_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    written, listener = listened(monkeypatch)
    with listener:
        listener.pair_started("m", "t")
    assert written.getvalue() == ""
