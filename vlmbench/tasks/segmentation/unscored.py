"""Counts the pixels that are not scored, and makes remarks about them and about classes without a scored pixel.

The segmentation plugin uses it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from vlmbench.metrics.segmentation import PixelCounts
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import UNSCORED_CLASSES, VOID_MASKS
from vlmbench.wording import counted, either


@dataclass
class Void:
    """Counts the pixels of the masks that are not scored, mask by mask."""

    pixels: int = 0
    masks: int = 0
    whole: list[str] = field(default_factory=list)

    def add(self, unscored: int, size: int, sample_id: str) -> None:
        """Count a mask of ``size`` pixels, of which ``unscored`` are not scored."""
        self.pixels += unscored
        self.masks += unscored > 0
        if unscored == size:
            self.whole.append(sample_id)

    def __str__(self) -> str:
        return f"{counted(self.pixels, 'pixel')} of {counted(self.masks, 'mask')}"

    def say(self) -> None:
        """Make a remark about masks without a scored pixel."""
        if count := len(self.whole):
            say(
                VOID_MASKS,
                f"{counted(count, 'mask')} {either(count, 'has', 'have')} no pixel to score",
                brief=f"{counted(count, 'mask')} without a scored pixel",
                count=count,
                examples=self.whole,
            )


def tell_of_unscored(counts: PixelCounts, void: Void, class_names: Sequence[str], mask_values: str) -> None:
    """Make a remark about classes that are in no mask.

    Args:
        mask_values: how the values of the masks become labels, as the dataset says it.
    """
    absent = [class_names[label] for label in np.flatnonzero(counts.truth.sum(axis=0) == 0).tolist()]
    if absent:
        not_scored = ""
        if void.pixels:
            were = either(void.pixels, "was", "were")
            not_scored = f", in which {void} {were} not scored ({mask_values})"
        say(
            UNSCORED_CLASSES,
            f"{len(absent):,} of {counts.num_classes:,} classes {either(len(absent), 'is', 'are')} in no mask of "
            f"the {counted(len(counts), 'image')}{not_scored}",
            brief=f"{len(absent):,} of {counts.num_classes:,} classes in no mask",
            count=len(absent),
            examples=absent,
        )
