"""A source's options that say how its masks' values are read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from vlmbench.cards import SourceSpec
from vlmbench.data.formats.masks.values import DEFAULT_IGNORED, MaskValues
from vlmbench.errors import LabelError, UsageError

OPTIONS = ("ignore", "reduce_zero_label", "values", "colours")

_SMALLEST, _LARGEST = -(2**31), 2**32 - 1
"""Of the integers that image files hold."""


def states_values(spec: SourceSpec) -> bool:
    """Whether the options say how values are read, so that nothing is left to be guessed."""
    return any(spec.options.get(name) is not None for name in OPTIONS)


def mask_values(spec: SourceSpec, classes: int | None) -> MaskValues:
    """The reading that a source's options ask for.

    ``ignore``: a value, or several, that are not scored (255 if it is left out and no class's).
    ``reduce_zero_label``: see
    :class:`MaskValues`. ``values``: the value of each class in label order, or a list of values where a class has
    several; or a mapping of values to labels. ``colours``: the colour of each class in label order, as ``[red, green,
    blue]`` or ``"#rrggbb"``; with them, ``ignore`` lists colours.

    Args:
        classes: how many the card or the user names; None where neither does.

    Raises:
        UsageError: they are of another form, or contradict each other.
        LabelError: they name more classes than the card.
    """
    place = f"{spec.kind} {spec.location!r}"
    reduce = spec.options.get("reduce_zero_label", False)
    if not isinstance(reduce, bool):
        raise UsageError(f"{place}: reduce_zero_label is true or false, not {reduce!r}")
    if spec.options.get("colours") is not None:
        return _of_colours(spec, classes, place)
    values = _mapping(spec.options["values"], place) if spec.options.get("values") is not None else None
    usual = [DEFAULT_IGNORED] if DEFAULT_IGNORED not in (values or {}) else []
    ignored = _numbers(spec.options.get("ignore", usual), f"{place}: ignore")
    if values is not None:
        if reduce:
            raise UsageError(f"{place}: with `values`, reduce_zero_label has nothing to say: leave one of them out")
        if both := sorted(set(values) & set(ignored)):
            raise UsageError(f"{place}: the value {both[0]} is both under `values` and ignored")
        if classes is not None and (largest := max(values.values(), default=0)) >= classes:
            raise LabelError(f"{place}: `values` has label {largest}, but the card has {classes} classes")
    return MaskValues(frozenset(ignored), reduce, values, classes, ignore_stated=states_values(spec))


def _of_colours(spec: SourceSpec, classes: int | None, place: str) -> MaskValues:
    for other in ("values", "reduce_zero_label"):
        if spec.options.get(other):
            raise UsageError(f"{place}: with `colours`, {other} has nothing to say: leave one of them out")
    given = spec.options["colours"]
    if not isinstance(given, list):
        raise UsageError(f"{place}: `colours` is a list of colours in label order, not {given!r}")
    colours: dict[int, int] = {}
    for label, colour in enumerate(given):
        code = _colour(colour, f"{place}: `colours`")
        if code in colours:
            raise UsageError(f"{place}: `colours` has {colour!r} for two classes, {colours[code]} and {label}")
        colours[code] = label
    ignored = spec.options.get("ignore", [])
    if not isinstance(ignored, list):
        raise UsageError(f"{place}: with `colours`, ignore is a list of colours, not {ignored!r}")
    void = frozenset(_colour(colour, f"{place}: ignore") for colour in ignored)
    if both := void & set(colours):
        raise UsageError(f"{place}: {len(both)} colours are both under `colours` and ignored")
    if classes is not None and len(colours) != classes:
        raise LabelError(f"{place}: `colours` has {len(colours)} colours, but there are {classes} classes")
    return MaskValues(classes=classes, colours=colours, ignored_colours=void)


def colour_code(red: int, green: int, blue: int) -> int:
    """A colour as :attr:`~vlmbench.data.formats.masks.stored.StoredMask.colours` counts them."""
    return red << 16 | green << 8 | blue


def _colour(given: Any, what: str) -> int:
    if isinstance(given, str) and re.fullmatch("#[0-9a-fA-F]{6}", given):
        return int(given[1:], 16)
    if isinstance(given, list) and len(given) == 3 and all(type(part) is int and 0 <= part <= 255 for part in given):
        return colour_code(*given)
    raise UsageError(f'{what}: {given!r} is no colour, such as [128, 0, 0] or "#800000"')


def _mapping(given: Any, place: str) -> dict[int, int]:
    if isinstance(given, dict):
        labels = _numbers(list(given.values()), f"{place}: labels of `values`")
        if labels and min(labels) < 0:
            raise UsageError(f"{place}: labels of `values`: {min(labels)} is no label")
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


def _numbers(given: Any, what: str) -> Sequence[int]:
    several = given if isinstance(given, list) else [given]
    for value in several:
        if not isinstance(value, int) or isinstance(value, bool) or not _SMALLEST <= value <= _LARGEST:
            raise UsageError(f"{what}: {value!r} is no value of a mask ({_SMALLEST} to {_LARGEST})")
    return several
