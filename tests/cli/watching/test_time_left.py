"""How long a run still takes, by hand-worked cases."""

from __future__ import annotations

import pytest

from vlmbench.cli.watching.time_left import TimeLeft, time_left


@pytest.mark.parametrize(
    ("samples", "speeds", "workers", "longest", "left"),
    [
        ({"a": 1000, "b": 500}, {"a": 0.1, "b": 0.2}, 4, 0, TimeLeft(50)),
        ({"a": 1000, "b": 500}, {"a": 0.1}, 4, 0, TimeLeft(25, at_least=True)),
        ({"a": 1000, "b": 500}, {}, 4, 30, TimeLeft(None)),
        ({"a": 1000}, {"a": 0.1}, 0, 0, TimeLeft(None)),  # no worker
        ({"a": 1000}, {"a": 0.1}, 8, 90, TimeLeft(90)),  # the last pair is one worker's
        ({"a": 0, "b": 10}, {"b": 1.0}, 1, 0, TimeLeft(10)),  # a model that is done needs no speed
    ],
)
def test_time_left(
    samples: dict[str, float], speeds: dict[str, float], workers: int, longest: float, left: TimeLeft
) -> None:
    assert time_left(samples, speeds, workers, longest) == left
