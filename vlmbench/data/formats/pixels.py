"""Decodes an image file into 8-bit RGB by the rules of :mod:`vlmbench.rgb`, and collects facts for remarks.

Everything that reads pictures for a model uses it. If a file holds several pictures, the first is read. The EXIF
orientation is applied only if the caller asks for it, see :mod:`vlmbench.data.shown`. TIFF files are an exception:
Pillow turns them when it loads them.
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
"""TIFF tags: the width and the height of the stored picture."""
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""The operation that turns the stored picture, for each value of the orientation tag."""
_BACK = {**_TURNS, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
_QUARTERS = (5, 6, 7, 8)
_TAGS = {"exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif"}
"""Keys of :attr:`PIL.Image.Image.info` that may contain an orientation."""
_SIGNS = (b"Exif\0\0", b"eXIf", b"Orientation", b"profile type exif", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""Bytes that occur in every file with an orientation tag: signatures of EXIF and XMP, and the beginning of a TIFF."""
_NOT_FRAMES = ("MPO", "PSD")
"""Formats in which the other pictures of a file are previews (which phones add to a JPEG) or layers of the picture."""

Size = tuple[int, int]
"""Width and height."""
FactKind = Literal["scaled", "transparent", "kept", "turned", "turned-tiff", "first"]


@dataclass(frozen=True)
class Turn:
    """How an image's orientation tag asks to turn it.

    Attributes:
        orientation: the tag's value, 2 to 8.
        stored: the size of the image as it is stored.
    """

    orientation: int
    stored: Size

    @property
    def shown(self) -> Size:
        """The size of the image after it is turned as the tag asks."""
        return self.stored[::-1] if self.orientation in _QUARTERS else self.stored

    def shows(self, annotated: Size | None) -> bool | None:
        """Whether annotations of this size belong to the turned image; None if the size does not decide it."""
        if annotated is None or self.stored == self.shown or annotated not in (self.stored, self.shown):
            return None
        return annotated == self.shown

    def apply(self, image: Image.Image) -> Image.Image:
        """Turn the stored image as the tag asks, and remove the tag."""
        return _without_tag(image.transpose(_TURNS[self.orientation]))

    def undo(self, image: Image.Image) -> Image.Image:
        """Turn an image that was turned back to how it is stored, and remove the tag."""
        return _without_tag(image.transpose(_BACK[self.orientation]))


def _without_tag(image: Image.Image) -> Image.Image:
    for name in _TAGS:
        image.info.pop(name, None)
    return image


@dataclass(frozen=True)
class Fact:
    """Something unusual about an image file, which becomes a remark.

    Attributes:
        detail: for ``scaled``, the range; for the other kinds, empty.
    """

    kind: FactKind
    detail: str = ""


@dataclass(frozen=True)
class RgbImage:
    """An image in RGB, with facts about its conversion."""

    image: Image.Image
    facts: tuple[Fact, ...] = ()


@dataclass
class _Opened:
    """What must be read from an image before Pillow loads it, because loading removes it."""

    data: bytes
    several: bool = False
    turn: Turn | None = None
    depth: Depth | None = None

    def look(self, image: Image.Image) -> None:
        self.several = image.format not in _NOT_FRAMES and bool(getattr(image, "is_animated", False))
        self.turn = turn_of(image) if image.format == "TIFF" else None
        self.depth = depth_of(image, lambda: Image.open(io.BytesIO(self.data)))


def decode_rgb(data: bytes, sample_id: str, shown: Callable[[Turn], bool] | None = None) -> RgbImage:
    """Open and fully load an image file as 8-bit RGB. Several threads may call it at once.

    Args:
        shown: decides whether an image with an orientation tag is turned; None: never, except TIFF files, which Pillow
            always turns.

    Raises:
        BadSampleError: it cannot be decoded, see :func:`~vlmbench.data.formats.decode.decode_image`, or not converted
            (some of its pixel values are NaN, for example).
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
    except (OSError, ValueError, EOFError) as error:  # Pillow opened the image, but cannot convert it
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
    """How an image's orientation tag asks to turn it; None if there is no such tag, or it is damaged.

    If EXIF has no orientation, that of XMP counts, as in Pillow. A TIFF must not be loaded yet: loading removes its
    tag.
    """
    if image.format == "TIFF":
        tags = cast(Any, image).tag_v2  # in newer versions of Pillow, image.size is already the turned size
        return _turn(tags.get(_ORIENTATION), (tags.get(_WIDTH), tags.get(_LENGTH)))
    if not image.info.keys() & _TAGS and image.format != "PNG":  # a PNG may have the tag after its pixels
        return None
    try:
        return _turn(image.getexif().get(_ORIENTATION), image.size)
    except (SyntaxError, struct.error, OSError, LookupError, ValueError, TypeError):
        return None


def turn_in(data: bytes) -> Turn | None:
    """How the orientation tag in an image file asks to turn it; None without such a tag, or if it cannot be opened."""
    if not any(sign in data for sign in _SIGNS):
        return None
    try:
        with Image.open(io.BytesIO(data)) as image:
            return turn_of(image)
    except Exception:  # bad bytes make decoders raise any error; decode_image reports what is wrong
        return None


def shown_size(file: BinaryIO) -> Size | None:
    """Width and height of an image after it is turned as its orientation tag asks; None if it is not an image.

    Pixels are not decoded, except those of a PNG, whose orientation may come after them.
    """
    try:
        with Image.open(file) as image:
            turn = turn_of(image)
            return turn.shown if turn is not None else image.size
    except MemoryError:
        raise
    except Exception:  # bad bytes make decoders raise any error; reading the sample later reports what is wrong
        return None


def _turn(orientation: Any, stored: Size) -> Turn | None:
    return Turn(orientation, stored) if isinstance(orientation, int) and orientation in _TURNS else None


def _turned(
    image: Image.Image, turn: Turn, shown: Callable[[Turn], bool] | None, *, loaded: bool
) -> tuple[FactKind, Image.Image]:
    """The kind of fact to report about an image with a tag, and the image in the wanted orientation.

    Args:
        loaded: whether Pillow turned the image when it loaded it.
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
    """Facts as text, which the cache keeps beside an image's features. Without facts, it is empty."""
    return "\n".join(f"{fact.kind} {fact.detail}".strip() for fact in facts)


def facts_of_notes(notes: str) -> tuple[Fact, ...]:
    """The facts in a text that :func:`notes_of` made."""
    found = []
    for line in notes.splitlines():
        kind, _, detail = line.partition(" ")
        found += [Fact(known, detail) for known in _SAYINGS if known == kind]
    return tuple(found)


@dataclass(frozen=True)
class _Saying:
    """The sentence that reports a fact about a number of images. Facts with equal sentences make one remark."""

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
    """Make a remark of each fact. The remarks of many images are joined into one."""
    for fact in facts:
        code, text, brief = _SAYINGS[fact.kind]
        say(
            code,
            replace(text, detail=fact.detail),
            brief=replace(brief, detail=fact.detail.partition(", ")[0]),  # the range without its reason
            examples=[sample_id],
        )


def say_turned_mask(sample_id: str) -> None:
    """Make a remark that a mask was turned. The remarks of many masks are joined into one."""
    say(
        ORIENTATION_APPLIED,
        _Saying("mask was turned as its EXIF tag asks", "masks were turned as their EXIF tags ask"),
        brief=_Saying("mask turned", "masks turned"),
        examples=[sample_id],
    )
