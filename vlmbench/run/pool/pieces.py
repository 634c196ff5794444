"""Defines pieces, the units of work that a pool gives to its workers: a whole pair, or a part of its images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vlmbench.cards import Role
from vlmbench.run.job import Job


@dataclass(frozen=True)
class Part:
    """Consecutive samples of one role of a question, which a worker encodes into the feature cache.

    Attributes:
        start: the first of them, as a position in the question's indices.
        stop: the position after the last.
    """

    role: Role
    start: int
    stop: int


@dataclass(frozen=True)
class Piece:
    """What a worker does next. It is picklable.

    Attributes:
        number: its number in the pool; every try of a piece has the same.
        job: the pair.
        part: the images to encode; None: the whole pair is answered.
        halvings: how often the batch size is halved, because earlier tries ran out of memory.
        attempt: 0 for the first try.
        carried: features that other workers have computed for this pair and that this worker's cache may lack. The
            crew decides their form: rows themselves, or references to them.
        done: what the workers of this pair's parts counted.
    """

    number: int
    job: Job
    part: Part | None = None
    halvings: int = 0
    attempt: int = 0
    carried: tuple[Any, ...] = ()
    done: tuple[Any, ...] = ()
