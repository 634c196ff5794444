"""Turns the values or colours of a mask into class indices. The sources ``masks`` and ``demo`` use it.

Every dataset has its own rule. A wrong rule raises no error and gives wrong numbers, so unknown values are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlmbench.data.formats.masks.stored import StoredMask, colour_of, stored_mask
from vlmbench.errors import LabelError
from vlmbench.wording import listed

IGNORE = -1
"""The label of pixels that are not scored. No class can have it."""

DEFAULT_IGNORED = 255
"""The value of pixels that are not scored in the files of VOC, ADE20K, Cityscapes and COCO-Stuff."""

_UNKNOWN = -2
_TABLE = 2**16
"""Values from 0 to this are looked up in a table. Other values are rare and are compared one by one."""
_LISTED = 12
"""A message lists at most this many values."""
_SMEARED = 20
"""A mask with more values than this, and more than twice the number of classes, was smoothed."""


@dataclass(frozen=True)
class MaskValues:
    """How the values of a dataset's masks are read.

    Attributes:
        ignored: the values of pixels that are not scored.
        reduce_zero_label: 0 is ignored, too, and every other value is the label plus one (the name is mmseg's).
        values: the label of each value; None: the values are the labels.
        classes: the number of classes; None if neither the card nor the user states it.
        colours: the label of each colour, with colours as numbers (see
            :attr:`~vlmbench.data.formats.masks.stored.StoredMask.colours`); None: masks hold values. If some of these
            colours are not grey, a grey mask is read by its values instead.
        ignored_colours: the colours of pixels that are not scored.
        ignore_stated: whether it is stated which values are ignored: by options, or by a card written for this data.
    """

    ignored: frozenset[int] = frozenset({DEFAULT_IGNORED})
    reduce_zero_label: bool = False
    values: Mapping[int, int] | None = field(default=None, hash=False)
    classes: int | None = None
    colours: Mapping[int, int] | None = field(default=None, hash=False)
    ignored_colours: frozenset[int] = frozenset()
    ignore_stated: bool = field(default=True, compare=False)

    def __str__(self) -> str:
        """The rule as a text. It is part of the run's identity, so two different rules have different texts."""
        ignored = ", ".join(map(str, sorted(self.ignored))) or "no value"
        if self.colours is not None:
            listed = ", ".join(f"{list(colour_of(code))}: {label}" for code, label in sorted(self.colours.items()))
            void = ", ".join(str(list(colour_of(code))) for code in sorted(self.ignored_colours)) or "no colour"
            return f"colour to label {{{listed}}}, {void} ignored; of grey masks label, {ignored} ignored"
        if self.values is not None:
            pairs = ", ".join(f"{value}: {label}" for value, label in sorted(self.values.items()))
            return f"value to label {{{pairs}}}, {ignored} ignored"
        if self.reduce_zero_label:
            return f"label + 1, 0 and {ignored} ignored"
        return f"label, {ignored} ignored"

    def labels(self, data: bytes, sample_id: str) -> NDArray[np.int64]:
        """An encoded mask as (H, W) class indices, with :data:`IGNORE` at pixels that are not scored.

        Raises:
            BadSampleError: it cannot be decoded.
            LabelError: it holds a colour or a value without a class. Other masks of the dataset probably do, too.
        """
        return self.labels_of(stored_mask(data, sample_id))

    def labels_of(self, stored: StoredMask) -> NDArray[np.int64]:
        """The same as :meth:`labels`, for a mask that is already decoded."""
        if self.colours is not None and (self._all_grey or not _is_grey(stored)):
            return self._labels_of_colours(self.colours, stored)
        pixels, labels = stored.values, self._table
        if pixels.dtype == np.uint8:
            labels = labels[pixels]
        else:
            pixels = pixels.astype(np.int64)
            outside = (pixels < 0) | (pixels >= _TABLE)
            labels = labels[np.where(outside, _TABLE, pixels)]
            if outside.any():
                for value, label in self._beyond_the_table.items():
                    labels[pixels == value] = label
        if (unknown := labels == _UNKNOWN).any():
            raise self._unknown(pixels, unknown, stored.sample_id)
        return labels

    @cached_property
    def _table(self) -> NDArray[np.int64]:
        """The label of each value. The last entry is used for all values outside the table."""
        every = np.arange(_TABLE + 1)
        if self.values is not None:
            labels = np.full(len(every), _UNKNOWN)
            for value, label in self.values.items():
                if 0 <= value < _TABLE:
                    labels[value] = label
        else:
            labels = every - 1 if self.reduce_zero_label else every.copy()
            labels[0] = IGNORE if self.reduce_zero_label else 0
        if self.classes is not None:
            labels[labels >= self.classes] = _UNKNOWN
        labels[-1] = _UNKNOWN
        labels[[value for value in self.ignored if 0 <= value < _TABLE]] = IGNORE
        return labels

    @cached_property
    def _beyond_the_table(self) -> dict[int, int]:
        named = {**(self.values or {}), **dict.fromkeys(self.ignored, IGNORE)}
        return {value: label for value, label in named.items() if not 0 <= value < _TABLE}

    @cached_property
    def _all_grey(self) -> bool:
        return all(len(set(colour_of(code))) == 1 for code in self.colours or ())

    def _labels_of_colours(self, colours: Mapping[int, int], stored: StoredMask) -> NDArray[np.int64]:
        named = {**colours, **dict.fromkeys(self.ignored_colours, IGNORE)}
        known = np.array(sorted(named))
        of_known = np.array([named[code] for code in sorted(named)])
        codes = stored.colours
        places = np.minimum(np.searchsorted(known, codes), len(known) - 1)
        if (unknown := known[places] != codes).any():
            first = list(colour_of(int(codes[unknown][0])))
            raise LabelError(
                f"sample {stored.sample_id!r}: its mask has the colour {first} in {_share(unknown)}, and no class has "
                "this colour",
                hint="If edges are blurred, the mask was scaled or compressed: export it again. If the colour is not "
                "to be scored, list it in a card's source under `ignore`, beside `colours`.",
            )
        labels: NDArray[np.int64] = of_known[places]
        return labels

    def _unknown(self, pixels: NDArray[Any], unknown: NDArray[np.bool_], sample_id: str) -> LabelError:
        value, place = int(pixels[unknown][0]), f"sample {sample_id!r}: its mask has the value"
        found = np.unique(pixels).tolist()
        holds = f"in {_share(unknown)}; it holds {_few(found)}"
        if self.values is not None:
            return LabelError(
                f"{place} {value}, which the source's `values` do not name, {holds}",
                hint="Give its label under `values`, or list it under `ignore`.",
            )
        first, last = (1, self.classes) if self.reduce_zero_label else (0, (self.classes or 1) - 1)
        classes = "no class has it" if self.classes is None else f"classes are {first} to {last}"
        return LabelError(f"{place} {value}, but {classes} ({holds})", hint=self._hint(value, found))

    def _hint(self, value: int, found: list[int]) -> str:
        """The hint for a value that no class has: the option that probably fits, judged by this mask only."""
        not_scored = (
            f"If pixels of value {value} are not to be scored, state it in a card's source, as options: "
            f"{{ignore: {sorted({value, *self.ignored})}}}."
        )
        if self.classes is None or value < 0 or self.reduce_zero_label:
            return not_scored
        if len(found) > max(_SMEARED, 2 * self.classes):
            return (
                "A mask with this many values was smoothed when it was scaled or compressed, or it does not hold "
                "classes: export it again, without smoothing."
            )
        if value == self.classes and found[0] > 0:
            return "If 0 is not a class here and labels start at 1, set the source's option reduce_zero_label."
        if len(found) == self.classes:
            return f"If these are the classes in order, state it in a card's source, as options: {{values: {found}}}."
        if value == self.classes:
            return (
                f"Masks with the values 0 to {value} have {value + 1} classes: 0 is often background and needs a name. "
                "If 0 is not a class here and labels start at 1, set the source's option reduce_zero_label."
            )
        first = ", ".join(map(str, found[:_LISTED]))
        return f"{not_scored} If classes have values of their own, list all in order: {{values: [{first}, …]}}."


def _is_grey(stored: StoredMask) -> bool:
    return stored.image.mode not in ("RGB", "RGBA", "RGBX", "P", "PA")


def _share(chosen: NDArray[np.bool_]) -> str:
    count = int(chosen.sum())
    return f"{count:,} of {chosen.size:,} pixels"


def _few(values: list[int]) -> str:
    return listed([*map(str, values)], most=_LISTED)
