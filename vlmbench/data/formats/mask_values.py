"""From the values of a mask file to class indices: every dataset has its own way, and a wrong guess shows nowhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlmbench.cards import SourceSpec
from vlmbench.data.formats.decode import decode_image
from vlmbench.data.formats.pixels import turn_in
from vlmbench.errors import LabelError, UsageError

IGNORE = -1
"""The label of pixels that are not scored, whatever the files write there: no class can have it."""

DEFAULT_IGNORED = 255
"""The value of such pixels in VOC, ADE20K, Cityscapes and COCO-Stuff files."""

OPTIONS = ("ignore", "reduce_zero_label", "values")

_UNKNOWN = -2
_LARGEST = 2**16
"""Masks have 8 or 16 bits."""
_INDEX_MODES = {"1", "L", "P", "I", "I;16", "I;16B", "I;16L"}


@dataclass(frozen=True)
class MaskValues:
    """How the values of a dataset's masks are read.

    Attributes:
        ignored: values of pixels that are not scored.
        reduce_zero_label: 0 is ignored too, and every other value is a label plus one (mmseg's name for it).
        values: value to label; None: values are labels.
        classes: how many there are; None where the card does not say.
    """

    ignored: frozenset[int] = frozenset({DEFAULT_IGNORED})
    reduce_zero_label: bool = False
    values: Mapping[int, int] | None = field(default=None, hash=False)
    classes: int | None = None

    def __str__(self) -> str:
        """In words, complete enough that two readings that differ have different words."""
        ignored = ", ".join(map(str, sorted(self.ignored))) or "no value"
        if self.values is not None:
            pairs = ", ".join(f"{value}: {label}" for value, label in sorted(self.values.items()))
            return f"value to label {{{pairs}}}, {ignored} ignored"
        if self.reduce_zero_label:
            return f"label + 1, 0 and {ignored} ignored"
        return f"label, {ignored} ignored"

    def labels(self, data: bytes, sample_id: str) -> NDArray[np.int64]:
        """An encoded mask as (H, W) class indices, :data:`IGNORE` where nothing is scored.

        Raises:
            BadSampleError: it cannot be decoded.
            LabelError: it holds colours, or a value that is no class: hardly a single file's fault.
        """
        pixels = _values(data, sample_id)
        outside = (pixels < 0) | (pixels >= _LARGEST)
        labels = self._table[np.where(outside, _LARGEST, pixels)]
        if (labels == _UNKNOWN).any():
            raise self._unknown(int(pixels[labels == _UNKNOWN][0]), sample_id)
        return labels

    @cached_property
    def _table(self) -> NDArray[np.int64]:
        """The label of each value; the last entry stands for all values that are too large."""
        every = np.arange(_LARGEST + 1)
        if self.values is not None:
            labels = np.full(len(every), _UNKNOWN)
            labels[list(self.values)] = list(self.values.values())
        else:
            labels = every - 1 if self.reduce_zero_label else every.copy()
            labels[0] = IGNORE if self.reduce_zero_label else 0
        if self.classes is not None:
            labels[labels >= self.classes] = _UNKNOWN
        labels[-1] = _UNKNOWN
        labels[list(self.ignored)] = IGNORE
        return labels

    def _unknown(self, value: int, sample_id: str) -> LabelError:
        if self.values is not None:
            return LabelError(
                f"sample {sample_id!r}: its mask has the value {value}, which the source's `values` do not name",
                hint="Name its label there, or list it under `ignore`.",
            )
        hint = "Pixels that are not to be scored have values listed under the source's option `ignore`."
        if value == self.classes and not self.reduce_zero_label:
            hint = "If 0 is no class here and labels start at 1, set the source's option reduce_zero_label."
        first, last = (1, self.classes) if self.reduce_zero_label else (0, (self.classes or 1) - 1)
        return LabelError(
            f"sample {sample_id!r}: its mask has the value {value}, but classes are {first} to {last}", hint=hint
        )


def mask_values(spec: SourceSpec, class_names: Sequence[str] | None) -> MaskValues:
    """The reading that a source's options ask for.

    ``ignore``: a value, or several, that are not scored (255 if it is left out). ``reduce_zero_label``: see
    :class:`MaskValues`. ``values``: the value of each class in label order, or a list of values where a class has
    several; or a mapping of values to labels.

    Raises:
        UsageError: they are of another form, or contradict each other.
        LabelError: they name more classes than the card.
    """
    place = f"{spec.kind} {spec.location!r}"
    reduce = spec.options.get("reduce_zero_label", False)
    if not isinstance(reduce, bool):
        raise UsageError(f"{place}: reduce_zero_label is true or false, not {reduce!r}")
    ignored = _numbers(spec.options.get("ignore", DEFAULT_IGNORED), f"{place}: ignore")
    values = _mapping(spec.options["values"], place) if spec.options.get("values") is not None else None
    classes = len(class_names) if class_names is not None else None
    if values is not None:
        if reduce:
            raise UsageError(f"{place}: with `values`, reduce_zero_label has nothing to say: leave one of them out")
        if both := sorted(set(values) & set(ignored)):
            raise UsageError(f"{place}: the value {both[0]} is both under `values` and ignored")
        if classes is not None and (largest := max(values.values(), default=0)) >= classes:
            raise LabelError(f"{place}: `values` has label {largest}, but the card has {classes} classes")
    return MaskValues(frozenset(ignored), reduce, values, classes)


def _mapping(given: Any, place: str) -> dict[int, int]:
    if isinstance(given, dict):
        labels = _numbers(list(given.values()), f"{place}: labels of `values`")
        return dict(zip(_numbers(list(given), f"{place}: `values`"), labels, strict=True))
    if not isinstance(given, list):
        raise UsageError(f"{place}: `values` is a list in label order or a mapping of values to labels, not {given!r}")
    found: dict[int, int] = {}
    for label, of_class in enumerate(given):
        for value in _numbers(of_class, f"{place}: `values`"):
            if value in found:
                raise UsageError(f"{place}: `values` has {value} for two classes, {found[value]} and {label}")
            found[value] = label
    return found


def _numbers(given: Any, what: str) -> list[int]:
    several = given if isinstance(given, list) else [given]
    for value in several:
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _LARGEST:
            raise UsageError(f"{what}: {value!r} is no value of a mask (0 to {_LARGEST - 1})")
    return several


def _values(data: bytes, sample_id: str) -> NDArray[Any]:
    """(H, W) integers as the file has them, turned as its tag asks; of a palette file the indices, not the colours."""
    image = decode_image(data, sample_id)
    if (turn := turn_in(data)) is not None and image.format != "TIFF":  # Pillow has turned a TIFF
        image = turn.apply(image)
    if image.mode not in _INDEX_MODES:
        raise LabelError(
            f"sample {sample_id!r}: its mask holds colours (mode {image.mode}), not class indices",
            hint="Use the dataset's index masks (grey or palette PNG), or convert colours to class indices first.",
        )
    return np.asarray(image).astype(np.int64)
