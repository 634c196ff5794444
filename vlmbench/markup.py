"""Makes names and other foreign text safe for terminals, tables and Markdown. Reports, the gate and messages use it."""

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
"""Characters that move the cursor, change colours or change the direction of text. Tabs and line ends stay."""
_SHAPELESS = frozenset(("Zs", "Zl", "Zp", "Cc", "Cf"))
"""Unicode's categories of separators, control characters and format characters."""
_SPECIAL = re.compile(r"[\\`*\[\]|~]|(?<![^\W_])_|_(?![^\W_])")
"""Characters that Markdown reads as markup. An underscore inside a word is not markup."""


def is_blank(text: str) -> bool:
    """Whether a text is invisible: empty, or only blanks and characters without a shape (zero width, BOM)."""
    return all(unicodedata.category(sign) in _SHAPELESS for sign in text)


def printable(text: str) -> str:
    """The text without characters that change how the text around it is shown."""
    return text if text.isprintable() else text.translate(_UNSEEN)


def one_line(text: str, most: int) -> str:
    """Foreign text on one line, without invisible characters, cut after ``most`` characters."""
    line = " ".join(printable(text).split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def escape_markdown(text: str) -> str:
    """The text on one line, escaped so that Markdown shows it as it is."""
    entities = printable(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return " ".join(_SPECIAL.sub(lambda sign: f"\\{sign[0]}", entities).split())
