"""What the image stream gives, and what it counts on the way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter

from torch import Tensor

from vlmbench.features.stopwatch import Stopwatch
from vlmbench.records import BadSample


@dataclass(frozen=True)
class ImageBatch:
    """Some of a dataset's samples, encoded; batches come in no particular order.

    Attributes:
        indices: which samples, B of them.
        features: (B, D) float32, unit length, on the CPU.
        contents: the hex content hash of each, see :func:`~vlmbench.data.base.content_sha256`.
    """

    indices: list[int]
    features: Tensor
    contents: list[str]


@dataclass
class ImageTally:
    """What went by, filled while batches are drawn. A clip of N frames counts as N images, and once where it is bad.

    Attributes:
        hits: images whose features came from the cache.
        repeats: those among them that this tally's own images brought there: the same content once more.
        encoded: images whose features were computed, and can be served again.
        pictures: whole pictures, of which nothing can.
        forward_seconds: time in image towers and heads.
        clock: time in every other stage; see :class:`vlmbench.records.RunInfo`.
        bad: samples left out.
        kept: the contents that were encoded and put into the cache.
    """

    hits: int = 0
    repeats: int = 0
    encoded: int = 0
    pictures: int = 0
    forward_seconds: float = 0.0
    clock: Stopwatch = field(default_factory=Stopwatch)
    bad: list[BadSample] = field(default_factory=list)
    kept: set[bytes] = field(default_factory=set)

    def served(self, content: bytes) -> None:
        """An image's features came from the cache."""
        self.hits += 1
        self.repeats += content in self.kept

    @property
    def from_earlier(self) -> int:
        """Images whose features something else than this tally's images brought into the cache."""
        return self.hits - self.repeats

    @property
    def computed(self) -> int:
        """Images that were worked on, rather than looked up."""
        return self.encoded + self.pictures

    @contextmanager
    def forward(self) -> Iterator[None]:
        """The time of the block is an image tower's or a head's."""
        started = perf_counter()
        try:
            yield
        finally:
            self.forward_seconds += perf_counter() - started
