"""The line of a finished pair: a number with its interval, or why there is none."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from vlmbench.cli import progress
from vlmbench.records import MetricValue
from vlmbench.run.listener import PairResult
from vlmbench.testing.toy_records import make_record


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
