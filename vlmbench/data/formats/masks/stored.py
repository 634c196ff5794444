"""Decodes a mask file: an integer or a colour for every pixel, exactly as it was written. The source ``masks`` uses it.

Decoding a mask as a picture would change its values: Pillow scales grey PNGs of 2 or 4 bits and PGMs to 0 … 255, and
cuts colours of 16 bits to 8. A file is refused if its values may have been lost.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vlmbench.data.formats.decode import decode_image
from vlmbench.data.formats.pixels import turn_in
from vlmbench.errors import BadSampleError, LabelError
from vlmbench.wording import counted, listed

Colour = tuple[int, int, int]

_LOSSY = {"JPEG": "a JPEG", "MPO": "a JPEG", "AVIF": "an AVIF", "JPEG2000": "a JPEG 2000 file"}
_COLOURS = ("RGB", "RGBA", "RGBX", "LA")
_INDICES = ("1", "L", "P", "PA", "I", "I;16", "I;16B", "I;16L", "I;16N", "F")
_BITS_PER_SAMPLE = 258
_PNG_HEADER = 26
"""The number of bytes of a PNG up to and including its colour type. The bit depth is the byte before it."""
_FEW = 12
"""A message lists at most this many colours."""


@dataclass(frozen=True)
class StoredMask:
    """A decoded mask file.

    Attributes:
        image: the image as Pillow decodes it.
        sample_id: the sample's id, for messages.
        bits: the number of bits per stored sample.
        most: the largest value that a PGM states, from which Pillow scales; 0 for other files.
    """

    image: Image.Image
    sample_id: str
    bits: int
    most: int = 0

    @property
    def has_palette(self) -> bool:
        return self.image.mode == "P"

    @cached_property
    def values(self) -> NDArray[Any]:
        """(H, W) integers as the file stores them: the indices of a palette, or one of three equal channels.

        A GIF stores grey values only in its palette, and programs renumber the palette. So if all colours in a GIF are
        grey, these are the values.

        Raises:
            LabelError: the file holds colours, transparent pixels, or numbers that are not whole.
        """
        image = self.image
        if image.mode in _COLOURS:
            return self._grey()
        if image.mode == "PA":
            return _opaque(np.asarray(image), self.sample_id)[..., 0]
        if image.mode not in _INDICES:
            raise self._is_coloured()
        found = np.asarray(image)
        if image.mode == "F":
            return _whole(found, self.sample_id)
        if image.format == "GIF" and all(len(set(colour)) == 1 for colour in self.palette.values()):
            return np.asarray(image.convert("L"))
        if image.mode == "L" and self.bits in (2, 4):
            small: NDArray[Any] = found // (255 // (2**self.bits - 1))
            return small
        if self.most and image.mode in ("L", "I"):
            top = 255 if self.most < 256 else 65535
            return np.rint(found.astype(np.float64) * self.most / top).astype(np.int64)
        return found.astype(np.uint8) if image.mode == "1" else found

    @property
    def colours(self) -> NDArray[np.int64]:
        """(H, W) colours as red * 65,536 + green * 256 + blue; for a palette, the colours of its indices.

        Raises:
            LabelError: some pixels are transparent.
        """
        image = self.image
        if image.mode in ("RGBA", "LA", "PA"):
            _opaque(np.asarray(image), self.sample_id)
        channels = np.asarray(image.convert("RGB")).astype(np.int64)
        coded: NDArray[np.int64] = channels[..., 0] * 65536 + channels[..., 1] * 256 + channels[..., 2]
        return coded

    @cached_property
    def palette(self) -> dict[int, Colour]:
        """The colour of each index that occurs; empty for a file without a palette."""
        if not self.has_palette:
            return {}
        flat = self.image.getpalette("RGB") or []
        used = [index for index, count in enumerate(self.image.histogram()[:256]) if count]
        return {
            index: (flat[3 * index], flat[3 * index + 1], flat[3 * index + 2])
            for index in used
            if 3 * index + 2 < len(flat)
        }

    @cached_property
    def held(self) -> set[int]:
        """The set of values that occur."""
        if self.image.mode in ("L", "P") and self.image.format == "PNG" and self.bits == 8:
            return {value for value, count in enumerate(self.image.histogram()[:256]) if count}
        return set(np.unique(self.values).tolist())

    def _grey(self) -> NDArray[Any]:
        channels = np.asarray(self.image)
        if self.image.mode in ("RGBA", "LA"):
            channels = _opaque(channels, self.sample_id)
        first = channels[..., 0]
        if not all(np.array_equal(first, channels[..., other]) for other in range(1, min(3, channels.shape[2]))):
            raise self._is_coloured()
        return first

    def _is_coloured(self) -> LabelError:
        message = f"sample {self.sample_id!r}: its mask holds colours (mode {self.image.mode}), not class indices"
        if self.image.mode not in _COLOURS:
            return LabelError(message, hint="Save masks as grey or palette PNG files of class indices.")
        codes = np.unique(self.colours)
        colours = listed([str(list(colour_of(int(code)))) for code in codes], most=_FEW)
        return LabelError(
            f"{message}; it has {counted(len(codes), 'colour')}: {colours}",
            hint="State the colour of each class in label order in a card's source, as options: {colours: [[0, 0, 0], "
            "…]}; or put the annotation tool's labelmap.txt or class_dict.csv beside the folders; or use masks of "
            "class indices, if the dataset has them.",
        )


def stored_mask(data: bytes, sample_id: str) -> StoredMask:
    """Decode a mask file.

    Raises:
        BadSampleError: it cannot be decoded.
        LabelError: its format or depth may have lost values, or it holds several pictures.
    """
    image = decode_image(data, sample_id)
    if name := _lossy(image, data):
        raise LabelError(
            f"sample {sample_id!r}: its mask is {name}, and lossy compression changes values where classes meet",
            hint="Export the masks again as PNG. To convert these files to PNG does not bring the lost values back.",
        )
    if (count := getattr(image, "n_frames", 1)) > 1:
        raise LabelError(f"sample {sample_id!r}: its mask file holds {count} pictures, and only one can be the mask")
    bits = _bits(image, data)
    if bits > 8 and image.mode in _COLOURS:
        raise LabelError(
            f"sample {sample_id!r}: its mask has several channels of {bits} bits each, but only 8 bits can be read",
            hint="Save masks as grey PNG files of 8 or 16 bits.",
        )
    return StoredMask(_upright(image, data), sample_id, bits, _most(image, data))


def _upright(image: Image.Image, data: bytes) -> Image.Image:
    """The mask, turned as its orientation tag asks. A TIFF has already been turned by Pillow."""
    turn = turn_in(data)
    if turn is None or image.format == "TIFF":
        return image
    turned = turn.apply(image)
    turned.format = image.format
    return turned


def colour_of(code: int) -> Colour:
    """Red, green and blue of a colour that is written as one number, as in :attr:`StoredMask.colours`."""
    return code >> 16, code >> 8 & 255, code & 255


def _opaque(channels: NDArray[Any], sample_id: str) -> NDArray[Any]:
    if int(channels[..., -1].min(initial=255)) != 255:
        raise LabelError(
            f"sample {sample_id!r}: its mask has transparent pixels, and it is unclear whether the colours or the "
            "alpha channel are the classes",
            hint="Save masks without an alpha channel, as grey or palette PNG files of class indices.",
        )
    return channels[..., :-1]


def _whole(found: NDArray[Any], sample_id: str) -> NDArray[np.int64]:
    if not np.isfinite(found).all():
        raise BadSampleError(sample_id, "its mask has values that are not finite")
    rounded = np.rint(found)
    if (uneven := found[rounded != found]).size:
        raise LabelError(
            f"sample {sample_id!r}: its mask has values that are not whole numbers, such as {uneven[0]:g} "
            f"({counted(int(uneven.size), 'pixel')})",
            hint="Probabilities and scaled masks are not class indices: save the class index of each pixel.",
        )
    whole: NDArray[np.int64] = rounded.astype(np.int64)
    return whole


def _lossy(image: Image.Image, data: bytes) -> str:
    """The name of a file's format if its compression may change values; else empty."""
    if image.format == "WEBP":
        return "a lossy WebP" if _webp_chunk(data, b"VP8 ") else ""
    if image.format == "TIFF":
        return "a TIFF with JPEG inside" if image.info.get("compression") == "jpeg" else ""
    return _LOSSY.get(image.format or "", "")


def _webp_chunk(data: bytes, name: bytes) -> bool:
    """Whether a WebP file has a chunk of this name. ``VP8 `` is a lossy picture, ``VP8L`` a lossless one."""
    place = 12
    while place + 8 <= len(data):
        if data[place : place + 4] == name:
            return True
        size = int.from_bytes(data[place + 4 : place + 8], "little")
        place += 8 + size + size % 2
    return False


def _bits(image: Image.Image, data: bytes) -> int:
    if image.format == "PNG" and len(data) > _PNG_HEADER:
        return data[_PNG_HEADER - 2]
    tags = getattr(image, "tag_v2", None)
    if tags is not None and (bits := tags.get(_BITS_PER_SAMPLE)):
        return int(max(bits))
    return 8


def _most(image: Image.Image, data: bytes) -> int:
    """The largest value that a grey Netpbm file states in its header."""
    if image.format != "PPM" or image.mode not in ("L", "I"):
        return 0
    comment = rb"(?:\s|#[^\n]*\n)+"
    header = re.match(rb"P[25]" + comment + rb"\d+" + comment + rb"\d+" + comment + rb"(\d+)\s", data)
    return int(header[1]) if header else 0
