"""The time of workers by model and task, by hand-worked cases."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from vlmbench.cli.watching.hours import Cost, Span, SpanRecorder, worker_seconds
from vlmbench.run.pool.crew import Slot
from vlmbench.run.pool.events import Told


def piece(model: str, task: str) -> Any:
    return SimpleNamespace(job=SimpleNamespace(model=SimpleNamespace(name=model), task=SimpleNamespace(name=task)))


LOADING, IMAGES = Told("loading", (None,)), Told("start", ("images", 100))


def test_a_run_of_two_workers_of_which_one_dies() -> None:
    recorder = SpanRecorder()
    recorder.starting(0, 0, Slot("a", 0, "a"))
    recorder.starting(0, 1, Slot("b", 0, "b"))
    recorder.ready(10, 0)
    recorder.given(12, 0, piece("m", "t"))
    recorder.told(13, 0, LOADING)
    recorder.ready(15, 1)
    recorder.given(15, 1, piece("m", "u"))
    recorder.told(16, 1, LOADING)
    recorder.told(33, 0, IMAGES)  # 20 s of loading
    recorder.told(40, 0, IMAGES)
    recorder.ended(45, 1)  # it dies while it loads: 30 s are lost
    recorder.finished(62, 0, "done")  # 50 s, of which 20 s of loading
    recorder.given(62, 0, piece("m", "u"))
    recorder.finished(82, 0, "lost")  # the memory ran out
    recorder.given(82, 0, piece("m", "u"))
    recorder.told(83, 0, IMAGES)
    recorder.finished(92, 0, "failed")
    recorder.close(100)
    spent = worker_seconds(recorder.spans)
    assert spent.pairs == {("m", "u"): Cost(0, 10, 50), ("m", "t"): Cost(20, 30, 0)}
    assert (spent.starting, spent.idle, spent.workers, spent.nodes) == (25, 2 + 8, 2, 2)
    assert spent.spent == Cost(20, 40, 50)
    assert spent.all == 100 + 45  # each worker from its start to its end


def test_a_pair_without_images_is_loading_until_its_end_and_another_model_counts_too() -> None:
    recorder = SpanRecorder()
    recorder.starting(0, 0, Slot("a", 0, "a"))
    recorder.ready(0, 0)
    recorder.given(0, 0, piece("m", "t"))
    recorder.told(1, 0, LOADING)
    recorder.told(3, 0, LOADING)  # the model that a transfer method uses
    recorder.told(5, 0, IMAGES)
    recorder.told(8, 0, LOADING)
    recorder.finished(9, 0, "done")
    assert worker_seconds(recorder.spans).pairs == {("m", "t"): Cost(loading=4 + 1, working=4)}


def test_what_comes_after_a_workers_end_is_ignored_and_no_worker_costs_nothing() -> None:
    recorder = SpanRecorder()
    recorder.starting(0, 0, Slot("a", 0, "a"))
    recorder.ended(3, 0)
    recorder.ended(9, 0)
    recorder.close(10)
    assert recorder.spans == [Span(0, "a", "starting", 3)]
    assert worker_seconds([]).all == 0


@pytest.mark.parametrize("what", ["loading", "working", "lost"])
def test_spans_of_a_pair_add_up(what: Any) -> None:
    spans = [Span(worker, "a", what, 2.0, "m", "t") for worker in range(3)]
    assert worker_seconds(spans).pairs == {("m", "t"): Cost(**{what: 6.0})}
