"""Defines the batches that the image streams yield, with their counts and times.

Tasks read the features, and runs write the counts and times into records.
"""

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
    """Some of a dataset's samples, encoded. The order of batches is not fixed.

    Attributes:
        indices: the B samples.
        features: (B, D) float32, unit length, on the CPU; (B, K, D) of models with several vectors an image.
        contents: the hex content hash of each sample, see :func:`~vlmbench.data.base.content_sha256`.
    """

    indices: list[int]
    features: Tensor
    contents: list[str]


@dataclass
class ImageTally:
    """Counts and times, filled while batches are drawn. A clip of N frames counts as N images; a bad clip counts once.

    Attributes:
        hits: images whose features came from the cache.
        repeats: the hits on features that this tally itself put into the cache, because a content came again.
        encoded: images whose features were computed and can be cached.
        pictures: whole pictures, from which nothing is cached.
        forward_seconds: seconds in image towers and heads.
        clock: seconds in every other stage; see :class:`vlmbench.records.RunInfo`.
        bad: samples that were left out.
        kept: the contents that were encoded and put into the cache.
        elsewhere: of the ``encoded`` images, those that other workers encoded and that were not served here yet.
    """

    hits: int = 0
    repeats: int = 0
    encoded: int = 0
    pictures: int = 0
    forward_seconds: float = 0.0
    clock: Stopwatch = field(default_factory=Stopwatch)
    bad: list[BadSample] = field(default_factory=list)
    kept: set[bytes] = field(default_factory=set)
    elsewhere: int = 0

    def served(self, content: bytes) -> None:
        """Count an image whose features came from the cache, unless another worker has encoded and counted it."""
        if self.elsewhere and content in self.kept:
            self.elsewhere -= 1
            return
        self.hits += 1
        self.repeats += content in self.kept

    @property
    def from_earlier(self) -> int:
        """The number of hits on features that this tally did not put into the cache."""
        return self.hits - self.repeats

    @property
    def computed(self) -> int:
        """The number of images that were computed, not taken from the cache."""
        return self.encoded + self.pictures

    @contextmanager
    def forward(self) -> Iterator[None]:
        """Add the time that the block takes to the time in image towers and heads."""
        started = perf_counter()
        try:
            yield
        finally:
            self.forward_seconds += perf_counter() - started
