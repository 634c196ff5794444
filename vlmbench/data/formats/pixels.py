"""From an image's bytes to 8-bit RGB, by :mod:`vlmbench.rgb`, and what the user is to know of it.

Of several pictures in a file the first is read. An EXIF orientation is applied only if the caller asks for it: see
:mod:`vlmbench.data.shown`. TIFF files are turned by Pillow itself when it loads them.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, Literal, cast

from PIL import Image

from vlmbench.data.formats.decode import decode_image
from vlmbench.errors import BadSampleError
from vlmbench.remarks.base import Code, say
from vlmbench.remarks.codes import FIRST_FRAME, ORIENTATION_APPLIED, ORIENTATION_KEPT, SCALED_VALUES, TRANSPARENCY
from vlmbench.rgb import Depth, Range, depth_of, to_rgb

_ORIENTATION = 0x0112
_WIDTH, _LENGTH = 256, 257
"""Tags of TIFF."""
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What each orientation asks for."""
_BACK = {**_TURNS, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
_QUARTERS = (5, 6, 7, 8)
_TAGS = {"exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif"}
"""Where in :attr:`PIL.Image.Image.info` an orientation may stand."""
_SIGNS = (b"Exif\0\0", b"eXIf", b"Orientation", b"profile type exif", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""What a file with such a tag holds: EXIF, XMP, or the beginning of a TIFF."""
_NOT_FRAMES = ("MPO", "PSD")
"""Formats whose further pictures are previews, which phones put behind a JPEG, or the layers of the picture itself."""

Size = tuple[int, int]
"""Width and height."""
FactKind = Literal["scaled", "transparent", "kept", "turned", "turned-tiff", "first"]


@dataclass(frozen=True)
class Turn:
    """What an image's orientation tag asks for.

    Attributes:
        orientation: 2 to 8.
        stored: the size of the image as it is stored.
    """

    orientation: int
    stored: Size

    @property
    def shown(self) -> Size:
        """The size of the image as the tag asks to show it."""
        return self.stored[::-1] if self.orientation in _QUARTERS else self.stored

    def shows(self, annotated: Size | None) -> bool | None:
        """Whether annotations of this size are of the image as it is shown; None if that cannot be told."""
        if annotated is None or self.stored == self.shown or annotated not in (self.stored, self.shown):
            return None
        return annotated == self.shown

    def apply(self, image: Image.Image) -> Image.Image:
        """The stored image as it is shown, without the tag."""
        return _without_tag(image.transpose(_TURNS[self.orientation]))

    def undo(self, image: Image.Image) -> Image.Image:
        """The shown image as it is stored, without the tag."""
        return _without_tag(image.transpose(_BACK[self.orientation]))


def _without_tag(image: Image.Image) -> Image.Image:
    for name in _TAGS:
        image.info.pop(name, None)
    return image


@dataclass(frozen=True)
class Fact:
    """Something about an image's file that the user is to know.

    Attributes:
        detail: of ``scaled`` the range, of the others nothing.
    """

    kind: FactKind
    detail: str = ""


@dataclass(frozen=True)
class RgbImage:
    """An image in RGB, and what it took to get there."""

    image: Image.Image
    facts: tuple[Fact, ...] = ()


@dataclass
class _Opened:
    """What an image's file says before Pillow loads it, and loading forgets."""

    data: bytes
    several: bool = False
    turn: Turn | None = None
    depth: Depth | None = None

    def look(self, image: Image.Image) -> None:
        self.several = image.format not in _NOT_FRAMES and bool(getattr(image, "is_animated", False))
        self.turn = turn_of(image) if image.format == "TIFF" else None
        self.depth = depth_of(image, lambda: Image.open(io.BytesIO(self.data)))


def decode_rgb(data: bytes, sample_id: str, shown: Callable[[Turn], bool] | None = None) -> RgbImage:
    """Open and fully load an image file as 8-bit RGB; see the module for the rules. From several threads at once.

    Args:
        shown: whether an image with an orientation tag is wanted as the tag asks to show it, rather than as it is
            stored; None: as Pillow loads it, which turns TIFF alone.

    Raises:
        BadSampleError: see :func:`~vlmbench.data.formats.decode.decode_image`; or it cannot be converted, such as an
            image with samples that are not finite.
    """
    opened = _Opened(data)
    image = decode_image(data, sample_id, opened.look)
    first = (Fact("first"),) if opened.several else ()
    found = _as_rgb(image, sample_id, opened, shown)
    return replace(found, facts=(*first, *found.facts))


def picture_rgb(image: Image.Image, sample_id: str) -> RgbImage:
    """A picture in memory as 8-bit RGB, by the same rules as a file that holds it.

    Raises:
        BadSampleError: it cannot be loaded or converted.
    """
    try:
        image.load()
    except MemoryError:
        raise
    except Exception as error:  # of a file that Pillow has opened and not yet read
        raise BadSampleError(sample_id, f"cannot be decoded: {error}") from error
    return _as_rgb(image, sample_id, _Opened(b""), None)


def _as_rgb(image: Image.Image, sample_id: str, opened: _Opened, shown: Callable[[Turn], bool] | None) -> RgbImage:
    facts: list[Fact] = []
    try:
        rgb = to_rgb(image, opened.depth)
    except (OSError, ValueError, EOFError) as error:  # Pillow's own complaints about an image that it opened
        raise BadSampleError(sample_id, f"cannot be converted to RGB: {error}") from error
    picture = rgb.image
    if (turn := opened.turn or turn_of(image)) is not None:
        kind, picture = _turned(picture, turn, shown, loaded=opened.turn is not None)
        facts.append(Fact(kind))
    if rgb.scaled is not None:
        facts.append(Fact("scaled", _range_in_words(rgb.scaled)))
    if rgb.transparent:
        facts.append(Fact("transparent"))
    return RgbImage(picture, tuple(facts))


def turn_of(image: Image.Image) -> Turn | None:
    """What an image's orientation tag asks for; None if it asks for nothing, or is damaged.

    XMP's tag counts if EXIF has none, as it does for Pillow. Of a TIFF that is loaded the tag is gone.
    """
    if image.format == "TIFF":
        tags = cast(Any, image).tag_v2  # the image's own size is the shown one from the start, in newer versions
        return _turn(tags.get(_ORIENTATION), (tags.get(_WIDTH), tags.get(_LENGTH)))
    if not image.info.keys() & _TAGS and image.format != "PNG":  # a PNG may have it behind its pixels
        return None
    try:
        return _turn(image.getexif().get(_ORIENTATION), image.size)
    except (SyntaxError, struct.error, OSError, LookupError, ValueError, TypeError):
        return None


def turn_in(data: bytes) -> Turn | None:
    """What the orientation tag in an image's file asks for; None if there is none, or the file cannot be opened."""
    if not any(sign in data for sign in _SIGNS):
        return None
    try:
        with Image.open(io.BytesIO(data)) as image:
            return turn_of(image)
    except Exception:  # decoders meet bad bytes with any error; decode_image puts it into words
        return None


def shown_size(file: BinaryIO) -> Size | None:
    """Width and height of an image as its orientation tag asks to show it; None for no image.

    No pixels are decoded, but for a PNG's, behind which its orientation may lie.
    """
    try:
        with Image.open(file) as image:
            turn = turn_of(image)
            return turn.shown if turn is not None else image.size
    except MemoryError:
        raise
    except Exception:  # decoders meet bad bytes with any error; reading the sample says what is wrong
        return None


def _turn(orientation: Any, stored: Size) -> Turn | None:
    return Turn(orientation, stored) if isinstance(orientation, int) and orientation in _TURNS else None


def _turned(
    image: Image.Image, turn: Turn, shown: Callable[[Turn], bool] | None, *, loaded: bool
) -> tuple[FactKind, Image.Image]:
    """What to tell of an image with a tag, and the image as it is wanted.

    Args:
        loaded: whether it was loaded as shown.
    """
    if shown is None:
        return ("turned-tiff" if loaded else "kept"), image
    if shown(turn):
        return "turned", image if loaded else turn.apply(image)
    return "kept", turn.undo(image) if loaded else image


def _range_in_words(found: Range) -> str:
    if found.own:
        return "each from its smallest to its largest value"
    return f"from {found}, {'as the file states' if found.stated else 'as the values suggest'}"


def notes_of(facts: Sequence[Fact]) -> str:
    """Facts as text, to be kept beside an image's features; empty where there are none."""
    return "\n".join(f"{fact.kind} {fact.detail}".strip() for fact in facts)


def facts_of_notes(notes: str) -> tuple[Fact, ...]:
    """Facts from what :func:`notes_of` made of them."""
    found = []
    for line in notes.splitlines():
        kind, _, detail = line.partition(" ")
        found += [Fact(known, detail) for known in _SAYINGS if known == kind]
    return tuple(found)


@dataclass(frozen=True)
class _Saying:
    """The sentence of a fact for a number of images; equal ones make one remark."""

    one: str
    several: str
    detail: str = ""

    def __call__(self, count: int) -> str:
        words = f"1 {self.one}" if count == 1 else f"{count:,} {self.several}"
        return f"{words} {self.detail}" if self.detail else words


_SAYINGS: dict[FactKind, tuple[Code, _Saying, _Saying]] = {
    "scaled": (
        SCALED_VALUES,
        _Saying(
            "image has more than 8 bits a channel, and its values were scaled to 8 bits",
            "images have more than 8 bits a channel, and their values were scaled to 8 bits",
        ),
        _Saying("image scaled", "images scaled"),
    ),
    "transparent": (
        TRANSPARENCY,
        _Saying(
            "image is transparent in places, and white was put behind it",
            "images are transparent in places, and white was put behind them",
        ),
        _Saying("transparent image", "transparent images"),
    ),
    "kept": (
        ORIENTATION_KEPT,
        _Saying(
            "image has an EXIF tag that asks to turn it, and was read as it is stored",
            "images have an EXIF tag that asks to turn them, and were read as they are stored",
        ),
        _Saying("image not turned", "images not turned"),
    ),
    "turned": (
        ORIENTATION_APPLIED,
        _Saying(
            "image was turned as its EXIF tag asks, as annotation tools show it",
            "images were turned as their EXIF tags ask, as annotation tools show them",
        ),
        _Saying("image turned", "images turned"),
    ),
    "turned-tiff": (
        ORIENTATION_APPLIED,
        _Saying(
            "TIFF image was turned as its tag asks, because Pillow does so whenever it reads one",
            "TIFF images were turned as their tags ask, because Pillow does so whenever it reads one",
        ),
        _Saying("TIFF image turned", "TIFF images turned"),
    ),
    "first": (
        FIRST_FRAME,
        _Saying(
            "image file holds several pictures, and the first was read",
            "image files hold several pictures, and the first of each was read",
        ),
        _Saying("first picture of a file", "first pictures of files"),
    ),
}


def say_facts(facts: Sequence[Fact], sample_id: str) -> None:
    """Make a remark of each fact; those of many images become one."""
    for fact in facts:
        code, text, brief = _SAYINGS[fact.kind]
        say(
            code,
            replace(text, detail=fact.detail),
            brief=replace(brief, detail=fact.detail.partition(", ")[0]),  # the range without its reason
            examples=[sample_id],
        )


def say_turned_mask(sample_id: str) -> None:
    """Make a remark of a mask that was turned; those of many become one."""
    say(
        ORIENTATION_APPLIED,
        _Saying("mask was turned as its EXIF tag asks", "masks were turned as their EXIF tags ask"),
        brief=_Saying("mask turned", "masks turned"),
        examples=[sample_id],
    )
