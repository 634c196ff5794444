"""Puts numbers and lists into words: ``3 files``, ``1 class``. Every room uses it in messages that count or list."""

from __future__ import annotations

import math
from collections.abc import Sequence


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """A number with its noun in the right form.

    >>> counted(1, "file"), counted(1200, "file"), counted(0, "class", "classes")
    ('1 file', '1,200 files', '0 classes')
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def either(number: int, one: str, several: str) -> str:
    """The word that fits a number, such as the verb behind :func:`counted`.

    >>> either(1, "is", "are"), either(2, "is", "are")
    ('is', 'are')
    """
    return one if number == 1 else several


def listed(names: Sequence[str], word: str = "and", most: int | None = None) -> str:
    """Names in one phrase; if there are more than ``most``, the rest is a number.

    >>> listed(["a", "b", "c"]), listed(["a", "b"], "or"), listed(["a", "b", "c", "d"], most=2)
    ('a, b and c', 'a or b', 'a, b and 2 more')
    """
    shown = list(names)
    if most is not None and len(shown) > most:
        shown = [*shown[:most], f"{len(shown) - most:,} more"]
    return shown[0] if len(shown) == 1 else f" {word} ".join((", ".join(shown[:-1]), *shown[-1:])) if shown else ""


def speed_text(images_per_second: float) -> str:
    """A speed as people read it, with three significant digits.

    >>> speed_text(0.012345), speed_text(9.999), speed_text(57.0), speed_text(1234.5)
    ('0.0123', '10.0', '57.0', '1,230')
    """
    rounded = float(f"{images_per_second:.3g}")
    decimals = max(0, 2 - math.floor(math.log10(rounded))) if rounded > 0 else 0
    return f"{rounded:,.{decimals}f}"


def duration_text(seconds: float) -> str:
    """A duration in a readable unit.

    >>> duration_text(42.0), duration_text(750.0), duration_text(9000.0)
    ('42.0 s', '12.5 min', '2.5 h')
    """
    for limit, unit, divisor in ((60.0, "s", 1.0), (3600.0, "min", 60.0)):
        if seconds < limit:
            return f"{seconds / divisor:.1f} {unit}"
    return f"{seconds / 3600:.1f} h"
