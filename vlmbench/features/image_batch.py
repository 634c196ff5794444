"""What the image stream gives, and what it counts on the way."""

from __future__ import annotations

from dataclasses import dataclass, field

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
class Cached:
    """What the feature cache was given: so many vectors, and the seconds that encoding them took."""

    vectors: int = 0
    seconds: float = 0.0


@dataclass
class ImageTally:
    """What went by, filled while batches are drawn. A clip of N frames counts as N images, and once where it is bad.

    Attributes:
        hits: images whose features came from the cache.
        encoded: images that went through the encoder.
        forward_seconds: time in the encoder.
        clock: time in every other stage; see :class:`vlmbench.records.RunInfo`.
        bad: samples left out.
        cached: what of it can be served again. Whole pictures, crops and a model's own heads go by uncached.
    """

    hits: int = 0
    encoded: int = 0
    forward_seconds: float = 0.0
    clock: Stopwatch = field(default_factory=Stopwatch)
    bad: list[BadSample] = field(default_factory=list)
    cached: Cached = field(default_factory=Cached)
