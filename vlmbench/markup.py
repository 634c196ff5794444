"""Foreign words inside marked-up text: names are text, whatever is in them."""

from __future__ import annotations

import re
import unicodedata

_UNSEEN = dict.fromkeys(
    [
        *range(0x09),
        *range(0x0B, 0x20),
        *range(0x7F, 0xA0),
        0x200E,
        0x200F,
        *range(0x202A, 0x202F),
        *range(0x2066, 0x206A),
    ]
)
"""Signs that move a cursor, change colours or turn the direction of what follows; tabs and ends of lines are kept."""
_SHAPELESS = frozenset(("Zs", "Zl", "Zp", "Cc", "Cf"))
"""Unicode's categories of separators, control and format signs."""
_SPECIAL = re.compile(r"[\\`*\[\]|~]|(?<![^\W_])_|_(?![^\W_])")
"""What Markdown would read as its own; an underscore inside a word is none."""


def is_blank(text: str) -> bool:
    """Whether nothing of a text can be seen: it is empty, or all blanks and signs without a shape (zero width, BOM)."""
    return all(unicodedata.category(sign) in _SHAPELESS for sign in text)


def printable(text: str) -> str:
    """Text without signs that change how what stands around it is shown."""
    return text if text.isprintable() else text.translate(_UNSEEN)


def one_line(text: str, most: int) -> str:
    """Foreign text on one line, without signs that cannot be seen, cut if it is longer than ``most`` signs."""
    line = " ".join(printable(text).split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def escape_markdown(text: str) -> str:
    """Text on one line that no reader of Markdown takes for markup."""
    entities = printable(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return " ".join(_SPECIAL.sub(lambda sign: f"\\{sign[0]}", entities).split())
