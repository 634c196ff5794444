"""Splits a pair with many images into parts, and joins what their workers did. The pool uses it."""

from __future__ import annotations

from dataclasses import dataclass, field

from vlmbench.features.images.parts import PartCounts
from vlmbench.run.job import Job
from vlmbench.run.pool.events import Encoded
from vlmbench.run.pool.pieces import Carried, Part

WHOLE_BATCHES = 256
"""Parts begin at multiples of the batch size, so that the batches are those of a worker that encodes everything. Some
processors round differently in batches of another size. 256 is a multiple of all default batch sizes."""


def parts_of(size: int, workers: int, batch_size: int | None) -> list[Part]:
    """Divide ``size`` images among workers, in parts of whole batches.

    >>> [(part.start, part.stop) for part in parts_of(1000, 3, None)]
    [(0, 512), (512, 1000)]
    """
    unit = batch_size or WHOLE_BATCHES
    step = unit * max(1, -(-size // (workers * unit)))
    return [Part(start, min(start + step, size)) for start in range(0, size, step)]


@dataclass
class Split:
    """A pair whose images are encoded by several workers.

    Attributes:
        open: the pieces that are not done.
    """

    job: Job
    open: set[int]
    _counts: dict[int, PartCounts] = field(default_factory=dict)
    _carried: dict[int, Carried] = field(default_factory=dict)

    def add(self, event: Encoded) -> None:
        """Take what a worker did."""
        self.open.discard(event.piece)
        if event.counts is not None:
            self._counts[event.piece] = event.counts
        if event.rows is not None:
            self._carried[event.piece] = Carried("images", event.rows)

    @property
    def counts(self) -> tuple[PartCounts, ...]:
        """In the order of the parts."""
        return tuple(self._counts[piece] for piece in sorted(self._counts))

    @property
    def carried(self) -> tuple[Carried, ...]:
        """In the order of the parts: of an image that is in two of them, the first features count, as in one worker."""
        return tuple(self._carried[piece] for piece in sorted(self._carried))
