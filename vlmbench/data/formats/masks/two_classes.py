"""Masks of two classes: whether 255 is the second class, as in a mask of black and white, or not scored, as in VOC."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from vlmbench.data.formats.masks.stored import stored_mask
from vlmbench.data.formats.masks.values import DEFAULT_IGNORED, MaskValues
from vlmbench.data.image_files import read_file
from vlmbench.errors import DataError, LabelError
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import ASSUMED_MASK_VALUES

_SAMPLED = 200
"""Masks, evenly spread, that decide; if none of them holds more than 0, the others are looked at until one does."""


def settled(values: MaskValues, masks: Sequence[Path], place: str) -> MaskValues:
    """The reading of masks of which nothing says what 255 means: the second of two classes, if 0 and 255 are all.

    A mask with another value, which later contradicts that, is an error.

    Args:
        values: as the options say, or the default.
        masks: of all samples.
    """
    if values.ignore_stated or values.classes != 2:
        return values
    found: set[int] = set()
    count = 0
    for count, held in enumerate(_held(masks), 1):
        found |= held
        if not found <= {0, DEFAULT_IGNORED}:
            return values
        if count >= _SAMPLED and DEFAULT_IGNORED in found:
            break
    if found != {0, DEFAULT_IGNORED}:
        return values
    say(
        ASSUMED_MASK_VALUES,
        f"the masks of {place} hold the values 0 and 255 alone ({count:,} of {len(masks):,} were looked at), so that "
        "255 was read as the second of two classes; a card states it as `values: [0, 255]`",
        brief="255 read as class 1",
        count=len(masks),
    )
    return replace(values, ignored=frozenset(), values={0: 0, DEFAULT_IGNORED: 1})


def say_unscored(sample_id: str) -> None:
    """A mask of two classes holds 255, others hold 1, and nothing says what 255 means."""
    say(ASSUMED_MASK_VALUES, _unscored, brief=_unscored_brief, examples=[sample_id])


def _unscored(count: int) -> str:
    what = "1 mask of two classes holds" if count == 1 else f"{count:,} masks of two classes hold"
    return f"{what} 255, which was not scored; a card states it as `ignore: 255`"


def _unscored_brief(count: int) -> str:
    return f"255 not scored in {count:,} mask{'s' * (count != 1)}"


def _held(masks: Sequence[Path]) -> Iterator[set[int]]:
    """The values of each mask, a spread of them first. One that cannot be read holds none; its turn comes."""
    step = max(1, len(masks) // _SAMPLED)
    order = [*masks[::step], *(path for index, path in enumerate(masks) if index % step)]
    for path in order:
        try:
            stored = stored_mask(read_file(path, path.name), path.name)
            yield stored.held
        except (DataError, LabelError):
            yield set()
