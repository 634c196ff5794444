"""Numbers and flags as annotation files write them: as numbers, as text, in words."""

from __future__ import annotations

import math
from typing import Any

_WORDS = {"true": True, "yes": True, "false": False, "no": False}


def stated_flag(value: Any) -> bool:
    """A flag: 0 or 1, true or false, as a number, a text or a word. What is null or empty states nothing: false.

    Raises:
        ValueError: it is anything else, such as -1.

    >>> [stated_flag(value) for value in (1, "0", " 1.0 ", "True", None)]
    [True, False, True, True, False]
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return False
    if isinstance(value, str) and value.strip().lower() in _WORDS:
        return _WORDS[value.strip().lower()]
    number = value if isinstance(value, bool) else stated_number(value)
    if number not in (0, 1):
        raise ValueError(f"{value!r} is neither 0 nor 1")
    return bool(number)


def stated_number(value: Any) -> float:
    """A finite number, also as a text.

    Raises:
        ValueError: it is none.

    >>> stated_number(" 12.5 ")
    12.5
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"{value!r} is no number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    except ValueError:
        raise ValueError(f"{_short(value)} is no number") from None
    if not math.isfinite(number):
        raise ValueError(f"{_short(value)} is not finite")
    return number


def stated_size(width: Any, height: Any) -> tuple[int, int] | None:
    """The size of an image in whole pixels; None where it is not stated, or as 0.

    Raises:
        ValueError: it is no number, or no size that an image can have.
    """
    if any(side is None or (isinstance(side, str) and not side.strip()) for side in (width, height)):
        return None
    sides = stated_number(width), stated_number(height)
    if any(side != int(side) or not 0 <= side <= LONGEST_SIDE for side in sides):
        raise ValueError(f"the size {_short(width)} × {_short(height)}, which no image has")
    return (int(sides[0]), int(sides[1])) if all(sides) else None


LONGEST_SIDE = 10**6
"""Pixels: ten times what Pillow decodes without asking."""


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 40 else f"{shown[:40]}…"
