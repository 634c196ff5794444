"""Takes over the work on a pair that other workers have done. :mod:`vlmbench.run.pair` uses it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vlmbench.features.cache.rows import FeatureRows, keep_rows
from vlmbench.features.engine import FeatureEngine
from vlmbench.features.images.parts import PartCounts, add_part


@dataclass(frozen=True)
class DoneElsewhere:
    """Work on a pair that other workers have done.

    Attributes:
        counts: what they counted while they encoded parts of its images.
        images: features of its images that this process's cache may lack.
        texts: features of its prompts that this process's cache may lack.
    """

    counts: Sequence[PartCounts] = ()
    images: Sequence[FeatureRows] = ()
    texts: Sequence[FeatureRows] = ()


def take_over(done: DoneElsewhere, engine: FeatureEngine) -> None:
    """Give the engine the features that other workers computed, and what they counted."""
    for rows in done.images:
        keep_rows(engine.image_space(), rows)
    for rows in done.texts:
        keep_rows(engine.text_space(), rows)
    for counts in done.counts:
        add_part(engine, counts)
