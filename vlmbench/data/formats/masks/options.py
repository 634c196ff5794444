"""Reads the options of a source that say how the values or colours of masks become labels.

The source ``masks`` uses it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from vlmbench.cards import SourceSpec
from vlmbench.data.formats.masks.values import DEFAULT_IGNORED, MaskValues
from vlmbench.errors import LabelError, UsageError
from vlmbench.wording import counted, either

OPTIONS = ("ignore", "reduce_zero_label", "values", "colours")

_SMALLEST, _LARGEST = -(2**31), 2**32 - 1
"""The smallest and the largest integer that an image file can hold."""


def states_values(spec: SourceSpec) -> bool:
    """Whether the options say how values are read, so that nothing has to be guessed."""
    return any(spec.options.get(name) is not None for name in OPTIONS)


def mask_values(spec: SourceSpec, classes: int | None) -> MaskValues:
    """How masks are read, according to a source's options.

    - ``ignore``: a value, or a list of values, that is not scored. The default is 255, unless it is a class's value.
    - ``reduce_zero_label``: see :class:`MaskValues`.
    - ``values``: the value of each class in label order (a list of values if a class has several), or a mapping of
      values to labels.
    - ``colours``: the colour of each class in label order, as ``[red, green, blue]`` or ``"#rrggbb"``. With it,
      ``ignore`` lists colours.

    Args:
        classes: the number of classes that the card or the user names; None if neither names them.

    Raises:
        UsageError: an option has a wrong form, or two options contradict each other.
        LabelError: they do not fit the number of classes.
    """
    place = f"{spec.kind} {spec.location!r}"
    reduce = spec.options.get("reduce_zero_label", False)
    if not isinstance(reduce, bool):
        raise UsageError(f"{place}: `reduce_zero_label` must be true or false, not {reduce!r}")
    if spec.options.get("colours") is not None:
        return _of_colours(spec, classes, place)
    values = _mapping(spec.options["values"], place) if spec.options.get("values") is not None else None
    usual = [DEFAULT_IGNORED] if DEFAULT_IGNORED not in (values or {}) else []
    ignored = _numbers(spec.options.get("ignore", usual), f"{place}: ignore")
    if values is not None:
        if reduce:
            raise UsageError(
                f"{place}: `values` and `reduce_zero_label` cannot be used together: leave one of them out"
            )
        if both := sorted(set(values) & set(ignored)):
            raise UsageError(f"{place}: the value {both[0]} is in both `values` and `ignore`")
        if classes is not None and (largest := max(values.values(), default=0)) >= classes:
            there = f"there {either(classes, 'is', 'are')} {counted(classes, 'class', 'classes')}"
            raise LabelError(f"{place}: `values` has label {largest}, but {there}")
    return MaskValues(frozenset(ignored), reduce, values, classes, ignore_stated=states_values(spec))


def _of_colours(spec: SourceSpec, classes: int | None, place: str) -> MaskValues:
    for other in ("values", "reduce_zero_label"):
        if spec.options.get(other):
            raise UsageError(f"{place}: `colours` and `{other}` cannot be used together: leave one of them out")
    given = spec.options["colours"]
    if not isinstance(given, list):
        raise UsageError(f"{place}: `colours` must be a list of colours in label order, not {given!r}")
    colours: dict[int, int] = {}
    for label, colour in enumerate(given):
        code = _colour(colour, f"{place}: `colours`")
        if code in colours:
            raise UsageError(f"{place}: `colours` gives {colour!r} to two classes, {colours[code]} and {label}")
        colours[code] = label
    ignored = spec.options.get("ignore", [])
    if not isinstance(ignored, list):
        raise UsageError(f"{place}: with `colours`, `ignore` must be a list of colours, not {ignored!r}")
    void = frozenset(_colour(colour, f"{place}: ignore") for colour in ignored)
    if both := void & set(colours):
        number = len(both)
        raise UsageError(
            f"{place}: {counted(number, 'colour')} {either(number, 'is', 'are')} in both `colours` and `ignore`"
        )
    if classes is not None and len(colours) != classes:
        there = f"there {either(classes, 'is', 'are')} {counted(classes, 'class', 'classes')}"
        raise LabelError(f"{place}: `colours` has {counted(len(colours), 'colour')}, but {there}")
    return MaskValues(classes=classes, colours=colours, ignored_colours=void)


def colour_code(red: int, green: int, blue: int) -> int:
    """A colour as one number: red * 65,536 + green * 256 + blue."""
    return red << 16 | green << 8 | blue


def _colour(given: Any, what: str) -> int:
    if isinstance(given, str) and re.fullmatch("#[0-9a-fA-F]{6}", given):
        return int(given[1:], 16)
    if isinstance(given, list) and len(given) == 3 and all(type(part) is int and 0 <= part <= 255 for part in given):
        return colour_code(*given)
    raise UsageError(f'{what}: {given!r} is not a colour, such as [128, 0, 0] or "#800000"')


def _mapping(given: Any, place: str) -> dict[int, int]:
    if isinstance(given, dict):
        labels = _numbers(list(given.values()), f"{place}: labels of `values`")
        if labels and min(labels) < 0:
            raise UsageError(f"{place}: labels of `values`: {min(labels)} is not a label")
        return dict(zip(_numbers(list(given), f"{place}: `values`"), labels, strict=True))
    if not isinstance(given, list):
        raise UsageError(
            f"{place}: `values` must be a list in label order or a mapping of values to labels, not {given!r}"
        )
    found: dict[int, int] = {}
    for label, of_class in enumerate(given):
        for value in _numbers(of_class, f"{place}: `values`"):
            if value in found:
                raise UsageError(f"{place}: `values` gives {value} to two classes, {found[value]} and {label}")
            found[value] = label
    return found


def _numbers(given: Any, what: str) -> Sequence[int]:
    several = given if isinstance(given, list) else [given]
    for value in several:
        if not isinstance(value, int) or isinstance(value, bool) or not _SMALLEST <= value <= _LARGEST:
            raise UsageError(f"{what}: {value!r} is not a value that a mask can have ({_SMALLEST} to {_LARGEST})")
    return several
