"""What each worker does, and how long the run still takes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from vlmbench.cli.watching.time_left import TimeLeft
from vlmbench.cli.watching.workers import Row, Workers
from vlmbench.run.pool.crew import Slot
from vlmbench.run.pool.events import Told
from vlmbench.run.pool.watching import Share

FACTS: Any = SimpleNamespace(device="cpu")


def piece(model: str, task: str) -> Any:
    return SimpleNamespace(job=SimpleNamespace(model=SimpleNamespace(name=model), task=SimpleNamespace(name=task)))


def workers(*names: int, pairs: int = 2, sizes: Any = (("m", "t", 1000), ("m", "u", 3000))) -> Workers:
    found = Workers(pairs, sizes, 0.0)
    for name in names:
        found.starting(name, Slot("a", name, "a"))
        found.ready(name, FACTS)
    return found


def images(found: Workers, worker: int, began: float, total: int, done: int) -> None:
    found.told(began, worker, Told("start", ("images", total)))
    found.told(began + 1, worker, Told("advance", (done,)))


def left(found: Workers, now: float) -> tuple[float | None, bool]:
    estimate = found.totals(now).left
    return estimate.seconds, estimate.at_least


def test_the_states_of_a_worker() -> None:
    found = Workers(1, [("m", "t", 100)], 0.0)
    found.starting(5, Slot("a", 2, "gpu"))
    assert found.rows(1.0) == [Row("gpu", 2, "", "starting")]
    found.ready(5, FACTS)
    assert found.rows(1.0) == [Row("gpu", 2, "cpu", "idle")]
    found.given(10.0, 5, piece("m", "t"), None)
    assert [row.doing for row in found.rows(10.0)] == ["opening"]
    found.told(11.0, 5, Told("loading", (None,)))
    assert [row.doing for row in found.rows(12.0)] == ["loading"]
    found.told(20.0, 5, Told("start", ("prompts", 40)))
    found.told(21.0, 5, Told("advance", (10,)))
    assert found.rows(21.0) == [Row("gpu", 2, "cpu", "prompts", "m", "t", None, 0.25)]
    images(found, 5, 30.0, 100, 50)
    (row,) = found.rows(40.0)
    assert (row.doing, row.done, row.speed, row.left) == ("images", 0.5, 5.0, 10.0)
    found.told(50.0, 5, Told("advance", (50,)))
    assert found.rows(50.0) == [Row("gpu", 2, "cpu", "metrics", "m", "t")]
    found.piece_ended(60.0, 5, piece("m", "t"), "done")
    assert [row.doing for row in found.rows(60.0)] == ["idle"]
    found.ended(5, died=False)
    assert found.rows(60.0) == []


def test_the_speed_is_that_of_the_last_seconds() -> None:
    found = workers(0)
    found.given(0.0, 0, piece("m", "u"), None)
    images(found, 0, 0.0, 3000, 900)  # 900 in the first second
    for second in range(2, 32):
        found.told(float(second), 0, Told("advance", (10,)))
    (row,) = found.rows(31.0)
    assert row.speed == pytest.approx(10, rel=0.1)
    (later,) = found.rows(60.0)
    assert later.speed is None  # nothing has come for a while


def test_the_time_left_is_unknown_until_a_model_has_a_speed() -> None:
    found = workers(0)
    assert found.totals(1.0).left == TimeLeft(None)
    found.given(0.0, 0, piece("m", "t"), None)
    assert found.totals(1.0).left == TimeLeft(None)
    images(found, 0, 10.0, 1000, 500)
    assert found.totals(11.0).left == TimeLeft(None)  # after a second
    # 500 of 4,000 images took 10 s: 3,500 take 70 s
    assert left(found, 20.0) == (pytest.approx(70.0), False)


def test_finished_pairs_tell_the_speed_without_loading() -> None:
    found = workers(0, 1)
    found.given(0.0, 0, piece("m", "t"), None)
    found.told(0.0, 0, Told("loading", (None,)))
    images(found, 0, 100.0, 1000, 1000)
    found.piece_ended(150.0, 0, piece("m", "t"), "done")  # 50 s for 1,000 images
    found.pair_finished("m", "t", "done")
    assert found.totals(150.0).left == TimeLeft(3000 * 0.05 / 2)


def test_a_model_that_has_done_nothing_makes_the_time_a_bound() -> None:
    found = workers(0, sizes=(("m", "t", 1000), ("n", "t", 1000)))
    found.given(0.0, 0, piece("m", "t"), None)
    images(found, 0, 0.0, 1000, 500)
    assert left(found, 10.0) == (pytest.approx(10.0), True)


def test_parts_count_for_their_pair() -> None:
    found = workers(0, 1, pairs=1, sizes=(("m", "u", 3000),))
    for worker in (0, 1):
        found.given(0.0, worker, piece("m", "u"), Share(worker + 1, 3))
        images(found, worker, 0.0, 1000, 500)
    # 1,000 of 3,000 images in 2 x 10 s: 2,000 take 40 s, by two workers 20 s
    assert left(found, 10.0) == (pytest.approx(20.0), False)
    found.piece_ended(20.0, 0, piece("m", "u"), "done")
    assert found.totals(20.0).left.seconds is not None


def test_failures_lost_tries_and_found_pairs_are_counted() -> None:
    found = workers(0, 1, pairs=3)
    found.given(0.0, 0, piece("m", "t"), None)
    found.given(0.0, 1, piece("m", "u"), None)
    found.ended(1, died=True)
    found.piece_ended(1.0, 0, piece("m", "t"), "lost")
    found.pair_finished("m", "t", "failed")
    found.pair_finished("m", "u", "found")
    found.pair_finished("other", "x", "done")  # its size is not known
    totals = found.totals(2.0)
    assert (totals.finished, totals.failed, totals.lost, totals.workers) == (3, 1, 2, 1)
    assert totals.left == TimeLeft(None)
