"""Parses numbers, flags and sizes in annotation files, which may be numbers, texts or words.

All readers of boxes use it.
"""

from __future__ import annotations

import math
from typing import Any

_WORDS = {"true": True, "yes": True, "false": False, "no": False}


def stated_flag(value: Any) -> bool:
    """A flag as a bool: 0 or 1, true or false, yes or no, as a number or a text. Null and an empty text are false.

    Raises:
        ValueError: it has another value, such as -1.

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
    """A finite number, also if it is written as a text.

    Raises:
        ValueError: it is not a number, or not finite.

    >>> stated_number(" 12.5 ")
    12.5
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"{_short(value)} is not a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    except ValueError:
        raise ValueError(f"{_short(value)} is not a number") from None
    if not math.isfinite(number):
        raise ValueError(f"{_short(value)} is not finite")
    return number


def stated_size(width: Any, height: Any) -> tuple[int, int] | None:
    """The width and height of an image in whole pixels; None if one of them is missing, empty or 0.

    Raises:
        ValueError: it is not a number, or an image cannot have this size.
    """
    if any(side is None or (isinstance(side, str) and not side.strip()) for side in (width, height)):
        return None
    sides = stated_number(width), stated_number(height)
    if any(side != int(side) or not 0 <= side <= LONGEST_SIDE for side in sides):
        raise ValueError(f"no image can have the size {_short(width)} × {_short(height)}")
    return (int(sides[0]), int(sides[1])) if all(sides) else None


LONGEST_SIDE = 10**6
"""The longest side that a stated size may have, in pixels."""


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 40 else f"{shown[:40]}…"
