"""Draws text in pictures: the font, characters that it lacks, and text that fits into a width. All pictures use it.

Class names may be in any script and of any length, and no font has every character. Characters that the font lacks are
spelled out in square brackets, so that a reader sees that this is not the name's own spelling.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path

from PIL import ImageFont

from vlmbench.errors import UsageError
from vlmbench.paths import user_path

FONT_VARIABLE = "VLMBENCH_FONT"
_IN_NO_FONT = "\U0010ffff"
"""A noncharacter. A font draws it like every character that it lacks."""
_LONGEST = 400
"""The most characters of a text that are used: no picture has room for more."""
_SPELLED_AT_MOST = 24

Font = ImageFont.FreeTypeFont


def font_path() -> Path | None:
    """The font file to draw with; None for the font inside Pillow, which has little more than ASCII.

    It is the file that the variable ``VLMBENCH_FONT`` names; else matplotlib's DejaVu Sans (Latin, Greek, Cyrillic,
    Hebrew, Arabic), if matplotlib is installed.

    Raises:
        UsageError: ``VLMBENCH_FONT`` names a file that is not a font.
    """
    if chosen := os.environ.get(FONT_VARIABLE):
        path = user_path(chosen)
        try:
            ImageFont.truetype(str(path), 12)
        except OSError as error:
            raise UsageError(
                f"{FONT_VARIABLE} names {chosen!r}, which is not a font: {error}",
                hint="Name a .ttf, .otf or .ttc file.",
            ) from error
        return path
    return _dejavu()


@lru_cache
def _dejavu() -> Path | None:
    spec = find_spec("matplotlib")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
    return path if path.is_file() else None


def font(size: int) -> Font:
    """The font at a height of ``size`` pixels."""
    return _load(font_path(), size)


@lru_cache(maxsize=64)
def _load(path: Path | None, size: int) -> Font:
    if path is not None:
        return ImageFont.truetype(str(path), size)
    own = ImageFont.load_default(size)
    assert isinstance(own, ImageFont.FreeTypeFont)  # with a size it always is
    return own


def legible(text: str) -> str:
    """A text on one line, in characters that the font has.

    >>> legible("a\\ncat")
    'a cat'
    """
    path = font_path()
    visible = "".join(
        " " if character.isspace() else character
        for character in unicodedata.normalize("NFC", text[:_LONGEST])
        if character.isspace() or not _is_invisible(character)
    )
    written = []
    for known, run in groupby(visible, lambda character: _has(path, character)):
        characters = "".join(run)
        written.append(characters if known else _spelled(characters, path))
    return " ".join("".join(written).split())


def class_label(class_names: Sequence[str], index: int) -> str:
    """A class's name in characters that the font has; its number if the font has none of them.

    >>> class_label(["", "cat"], 0), class_label(["", "cat"], 1)
    ('class 0', 'cat')
    """
    return legible(class_names[index]) or f"class {index}"


_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})


def _is_invisible(character: str) -> bool:
    """Whether it is a control or format character, or a variation selector, which asks for the colours of an emoji."""
    return unicodedata.category(character) in _INVISIBLE or "\ufe00" <= character <= "\ufe0f"


@lru_cache(maxsize=65536)
def _has(path: Path | None, character: str) -> bool:
    if character == " ":
        return True
    probe = _probe(path)
    return bytes(probe.getmask(character)) != bytes(probe.getmask(_IN_NO_FONT))


@lru_cache
def _probe(path: Path | None) -> Font:
    size = 20
    if path is None:
        return _load(None, size)
    return ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.BASIC)


def _spelled(run: str, path: Path | None) -> str:
    """Characters that the font lacks: by their base letters, else by their names.

    >>> _spelled("é", None), _spelled("강아지", None), _spelled("猫", None)
    ('e', '[gang a ji]', '[U+732B]')
    """
    plain = "".join(c for c in unicodedata.normalize("NFKD", run) if not unicodedata.combining(c))
    if plain != run and all(_has(path, character) for character in plain):
        return plain
    named = " ".join(map(_name, run[:_SPELLED_AT_MOST]))
    return f"[{named}{' ...' if len(run) > _SPELLED_AT_MOST else ''}]"


def _name(character: str) -> str:
    name = unicodedata.name(character, "")
    kind, _, last = name.rpartition(" ")
    if "IDEOGRAPH" in name or not name:
        return f"U+{ord(character):04X}"
    return last.lower() if "LETTER" in kind or "SYLLABLE" in kind or "VOWEL SIGN" in kind else name.lower()


def fitting(text: str, width: float, face: Font) -> str:
    """A legible text at most ``width`` pixels wide. Three dots replace the end of a longer text."""
    if face.getlength(text) <= width:
        return text
    shortest, longest = 0, len(text)  # the longest beginning that fits, by halving
    while shortest < longest:
        middle = (shortest + longest + 1) // 2
        if face.getlength(text[:middle].rstrip() + "...") <= width:
            shortest = middle
        else:
            longest = middle - 1
    return text[:shortest].rstrip() + "..." if shortest else ""


def wrapped(text: str, width: float, face: Font, *, lines: int) -> list[str]:
    """A legible text broken at spaces into at most ``lines`` lines. The last line is cut as :func:`fitting` does."""
    words = text.split(" ")
    found: list[str] = []
    while words and len(found) < lines - 1:
        taken = 1
        while taken < len(words) and face.getlength(" ".join(words[: taken + 1])) <= width:
            taken += 1
        found.append(fitting(" ".join(words[:taken]), width, face))
        words = words[taken:]
    if words:
        found.append(fitting(" ".join(words), width, face))
    return found
