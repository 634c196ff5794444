"""Encodes a part of a pair's images into the feature cache, so that another worker can answer the pair with them.

The workers of a pool use it. The worker that answers the pair adds what the others counted to its own counts, so that
the record is that of one worker that did everything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from vlmbench.data.base import ImageDataset
from vlmbench.features.cache.rows import FeatureRows, rows_of_space
from vlmbench.features.cache.space import FeatureSpace
from vlmbench.features.engine import FeatureEngine


@dataclass(frozen=True)
class PartCounts:
    """What was counted while a part was encoded.

    Attributes:
        encoded: images whose features were computed.
        seconds: of each stage.
        forward_seconds: in the image tower.
        kept: the contents that were encoded and put into the cache, 32 bytes each.
    """

    encoded: int
    seconds: Mapping[str, float]
    forward_seconds: float
    kept: frozenset[bytes]


@dataclass(frozen=True)
class EncodedPart:
    """A part that is in the cache.

    Attributes:
        counts: what was counted.
        rows: the features, if the caller wants to carry them to another cache.
    """

    counts: PartCounts
    rows: FeatureRows | None = None


def encode_part(
    engine: FeatureEngine, dataset: ImageDataset, indices: Sequence[int], *, carry: bool
) -> EncodedPart | None:
    """Encode these samples into the cache.

    Args:
        carry: whether the features are returned too.

    Returns:
        The part; None if the cache cannot keep it.

    Raises:
        BadSampleError, ModelError, NonFiniteFeaturesError: as :meth:`~vlmbench.features.engine.FeatureEngine.images`.
    """
    space = engine.image_space()
    if space is None or not _keeps(space):
        return None
    contents: dict[bytes, None] = {}
    with engine.timed("total"), closing(engine.images(dataset, indices)) as batches:
        for batch in batches:
            contents.update((bytes.fromhex(content), None) for content in batch.contents)
    if not _keeps(space):
        return None
    tally = engine.tally
    counts = PartCounts(tally.encoded, tally.clock.seconds(), tally.forward_seconds, frozenset(tally.kept))
    return EncodedPart(counts, rows_of_space(space, list(contents)) if carry else None)


def add_part(engine: FeatureEngine, counts: PartCounts) -> None:
    """Add what another worker counted to the counts of a pair. An image that two workers encoded counts once."""
    tally = engine.tally
    encoded = counts.encoded - len(counts.kept & tally.kept)
    tally.encoded += encoded
    tally.elsewhere += encoded
    tally.kept |= counts.kept
    tally.forward_seconds += counts.forward_seconds
    for stage, seconds in counts.seconds.items():
        tally.clock.add(stage, seconds)


def _keeps(space: FeatureSpace) -> bool:
    """Whether the cache can be written. That may change while it is used: its disk becomes full."""
    return space.writable
