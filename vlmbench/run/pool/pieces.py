"""Defines pieces, the units of work that a pool gives to its workers: a whole pair, or a part of its images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from vlmbench.features.images.parts import PartCounts
    from vlmbench.run.job import Job


@dataclass(frozen=True)
class Part:
    """Consecutive samples of a question, which a worker encodes into the feature cache.

    Attributes:
        start: the first of them, as a position among the samples that the question encodes.
        stop: the position after the last.
    """

    start: int
    stop: int


@dataclass(frozen=True)
class Carried:
    """Features that another worker computed.

    Attributes:
        of: what was encoded.
        rows: a :class:`~vlmbench.features.cache.rows.FeatureRows` when it reaches the worker. On the way it may be a
            reference to them that the crew understands.
    """

    of: Literal["images", "texts"]
    rows: Any


@dataclass(frozen=True)
class Piece:
    """What a worker does next. It is picklable.

    Attributes:
        number: its number in the pool; every try of a piece has the same.
        job: the pair.
        part: the images to encode; None: the whole pair is answered.
        halvings: how often the batch size is halved, because earlier tries ran out of memory.
        attempt: 0 for the first try.
        carried: features that other workers have computed and that this worker's cache may lack.
        done: what the workers of this pair's parts counted, see :class:`~vlmbench.features.images.parts.PartCounts`.
    """

    number: int
    job: Job
    part: Part | None = None
    halvings: int = 0
    attempt: int = 0
    carried: tuple[Carried, ...] = ()
    done: tuple[PartCounts, ...] = ()
