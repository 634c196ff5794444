"""Decides what 255 means in masks of two classes: the second class (a black and white mask), or not scored (VOC).

The source ``masks`` uses it.
"""

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
from vlmbench.wording import counted, either

_SAMPLED = 200
"""The number of masks that decide, evenly spread over the dataset. If they hold only 0, more masks are looked at."""


def settled(values: MaskValues, masks: Sequence[Path], place: str) -> MaskValues:
    """Decide how masks are read if it is not stated what 255 means.

    If there are two classes and the masks hold only 0 and 255, then 255 is the second class, and a remark says so. If a
    mask that was not looked at holds another value, reading it is an error.

    Args:
        values: how masks are read by the options or by default.
        masks: the mask files of all samples.
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
        f"the masks of {place} hold only the values 0 and 255 ({count:,} of {len(masks):,} were looked at), so 255 was "
        "read as the second of two classes; to state it, write `values: [0, 255]` in a card",
        brief="255 read as class 1",
        count=len(masks),
    )
    return replace(values, ignored=frozenset(), values={0: 0, DEFAULT_IGNORED: 1})


def say_unscored(sample_id: str) -> None:
    """Make a remark that 255 was not scored in a mask of two classes, because other masks hold 1."""
    say(ASSUMED_MASK_VALUES, _unscored, brief=_unscored_brief, examples=[sample_id])


def _unscored(count: int) -> str:
    what = f"{counted(count, 'mask')} of two classes {either(count, 'holds', 'hold')} 255"
    return f"{what}, which was not scored; to state it, write `ignore: 255` in a card"


def _unscored_brief(count: int) -> str:
    return f"255 not scored in {counted(count, 'mask')}"


def _held(masks: Sequence[Path]) -> Iterator[set[int]]:
    """The values of each mask; first of some that are evenly spread, then of the others.

    A mask that cannot be read gives an empty set: the error is reported when the sample is read.
    """
    step = max(1, len(masks) // _SAMPLED)
    order = [*masks[::step], *(path for index, path in enumerate(masks) if index % step)]
    for path in order:
        try:
            stored = stored_mask(read_file(path, path.name), path.name)
            yield stored.held
        except (DataError, LabelError):
            yield set()
