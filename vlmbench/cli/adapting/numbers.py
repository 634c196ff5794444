"""Reads the numbers of ``--shots`` and ``--seeds``. ``vlmbench run`` uses it."""

from __future__ import annotations

from vlmbench.errors import LONGEST_IN_TABLE, UsageError
from vlmbench.markup import one_line

MOST_DIGITS = 18
"""Longer numbers are refused as text: Python itself refuses to read thousands of digits."""


def parse_numbers(flag: str, text: str) -> tuple[int, ...]:
    """Whole numbers with commas between them.

    Raises:
        UsageError: it is something else.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() for part in parts):
        shown = one_line(text, LONGEST_IN_TABLE)
        raise UsageError(f"{flag} takes whole numbers with commas between them, such as 1,2,4, not {shown!r}")
    long = next((part for part in parts if len(part) > MOST_DIGITS), None)
    if long is not None:
        raise UsageError(f"{flag}: a number of {len(long):,} digits is too large")
    return tuple(map(int, parts))


def parse_draws(text: str) -> tuple[int, ...]:
    """The draws of ``--seeds``: ``5`` is 0 to 4, and ``0,3`` is these two.

    Raises:
        UsageError: it is something else, or too many draws.
    """
    from vlmbench.transfer.every import MOST_DRAWS

    numbers = parse_numbers("--seeds", text)
    if "," in text:
        return numbers
    if numbers[0] > MOST_DRAWS:
        raise UsageError(f"--seeds is the number of draws, at most {MOST_DRAWS:,}, not {numbers[0]:,}")
    return tuple(range(numbers[0]))
