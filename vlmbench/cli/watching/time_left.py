"""Estimates how long a run with workers still takes, from the sizes of its pairs and the speed of each model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class TimeLeft:
    """An estimate.

    Attributes:
        seconds: None if nothing is known.
        at_least: whether some models have no speed yet, so that it takes longer.
    """

    seconds: float | None
    at_least: bool = False


def time_left(
    samples: Mapping[str, float], seconds_a_sample: Mapping[str, float], workers: int, longest: float = 0.0
) -> TimeLeft:
    """The time until the last pair is done, if the workers share what is left evenly.

    Args:
        samples: by model, the samples of the pairs that are not done, without what is done of them.
        seconds_a_sample: by model, for one worker. Models that have done nothing yet are missing.
        workers: how many work at the same time.
        longest: the seconds that the longest piece at work still takes; the run cannot end before.
    """
    todo = {model: count for model, count in samples.items() if count > 0}
    known = [count * seconds_a_sample[model] for model, count in todo.items() if model in seconds_a_sample]
    if not workers or (todo and not known):
        return TimeLeft(None)
    return TimeLeft(max(sum(known) / workers, longest), at_least=len(known) < len(todo))
