"""What a mask file stores: an integer for every pixel, exactly as it was written, or a colour.

An image viewer's reading is not always that. Pillow stretches grey PNGs of 2 or 4 bits and PGMs to 0 … 255 and cuts
colours of 16 bits to 8: right for pictures, wrong for class indices. A file that may have lost values is refused.
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

Colour = tuple[int, int, int]

_LOSSY = {"JPEG": "a JPEG", "MPO": "a JPEG", "AVIF": "an AVIF", "JPEG2000": "a JPEG 2000 file"}
_COLOURS = ("RGB", "RGBA", "RGBX", "LA")
_INDICES = ("1", "L", "P", "PA", "I", "I;16", "I;16B", "I;16L", "I;16N", "F")
_BITS_PER_SAMPLE = 258
_PNG_HEADER = 26
"""Bytes of a PNG up to its colour type; the bit depth is the byte before it."""
_FEW = 12
"""Colours that a message lists."""


@dataclass(frozen=True)
class StoredMask:
    """A decoded mask file.

    Attributes:
        image: as Pillow has it.
        bits: of a stored sample.
        most: of a PGM its largest value, by which Pillow stretches; 0 of other files.
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
        """(H, W) integers as the file has them: of a palette the indices, of three equal channels the one.

        A GIF has no greys but in its palette, which its writers renumber: if all that occur are grey, they are the
        values.

        Raises:
            LabelError: they are colours, or no whole numbers.
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
        """(H, W) colours as red * 65,536 + green * 256 + blue; of a palette those that it shows.

        Raises:
            LabelError: it is transparent in places.
        """
        image = self.image
        if image.mode in ("RGBA", "LA", "PA"):
            _opaque(np.asarray(image), self.sample_id)
        channels = np.asarray(image.convert("RGB")).astype(np.int64)
        coded: NDArray[np.int64] = channels[..., 0] * 65536 + channels[..., 1] * 256 + channels[..., 2]
        return coded

    @cached_property
    def palette(self) -> dict[int, Colour]:
        """The colour of each index that occurs; empty of a file without a palette."""
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
        """The values that occur."""
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
        listed = ", ".join(str(list(colour_of(int(code)))) for code in codes[:_FEW])
        return LabelError(
            f"{message}; its {len(codes):,} colours are {listed}{', …' if len(codes) > _FEW else ''}",
            hint="State the colour of each class in label order in a card's source, as options: {colours: [[0, 0, 0], "
            "…]}; or put the annotation tool's labelmap.txt or class_dict.csv beside the folders; or use the dataset's "
            "index masks.",
        )


def stored_mask(data: bytes, sample_id: str) -> StoredMask:
    """Decode a mask file.

    Raises:
        BadSampleError: it cannot be decoded.
        LabelError: its format or depth loses values, or it holds several pictures.
    """
    image = decode_image(data, sample_id)
    if name := _lossy(image, data):
        raise LabelError(
            f"sample {sample_id!r}: its mask is {name}, which may blur values where classes meet",
            hint="Export the masks again as PNG. Turning these files into PNG does not bring lost values back.",
        )
    if (count := getattr(image, "n_frames", 1)) > 1:
        raise LabelError(f"sample {sample_id!r}: its mask file holds {count} pictures, and only one can be the mask")
    bits = _bits(image, data)
    if bits > 8 and image.mode in _COLOURS:
        raise LabelError(
            f"sample {sample_id!r}: its mask has {bits} bits a channel in several channels, of which 8 can be read",
            hint="Save masks as grey PNG files of 8 or 16 bits.",
        )
    return StoredMask(_upright(image, data), sample_id, bits, _most(image, data))


def _upright(image: Image.Image, data: bytes) -> Image.Image:
    """The mask turned as its orientation tag asks; Pillow has turned a TIFF."""
    turn = turn_in(data)
    if turn is None or image.format == "TIFF":
        return image
    turned = turn.apply(image)
    turned.format = image.format
    return turned


def colour_of(code: int) -> Colour:
    """Red, green and blue of a number of :attr:`StoredMask.colours`."""
    return code >> 16, code >> 8 & 255, code & 255


def _opaque(channels: NDArray[Any], sample_id: str) -> NDArray[Any]:
    if int(channels[..., -1].min(initial=255)) != 255:
        raise LabelError(
            f"sample {sample_id!r}: its mask is transparent in places: colour or alpha may mean classes",
            hint="Save masks without an alpha channel, as grey or palette PNG files of class indices.",
        )
    return channels[..., :-1]


def _whole(found: NDArray[Any], sample_id: str) -> NDArray[np.int64]:
    if not np.isfinite(found).all():
        raise BadSampleError(sample_id, "its mask has values that are not finite")
    rounded = np.rint(found)
    if (uneven := found[rounded != found]).size:
        raise LabelError(
            f"sample {sample_id!r}: its mask has the value {uneven[0]:g} and {uneven.size - 1:,} more that are no "
            "whole numbers",
            hint="Probabilities or scaled masks are no class indices: save each pixel's class.",
        )
    whole: NDArray[np.int64] = rounded.astype(np.int64)
    return whole


def _lossy(image: Image.Image, data: bytes) -> str:
    """What a file is whose compression may change values; empty where it does not."""
    if image.format == "WEBP":
        return "a lossy WebP" if _webp_chunk(data, b"VP8 ") else ""
    if image.format == "TIFF":
        return "a TIFF with JPEG inside" if image.info.get("compression") == "jpeg" else ""
    return _LOSSY.get(image.format or "", "")


def _webp_chunk(data: bytes, name: bytes) -> bool:
    """Whether a WebP file has a chunk of this name: ``VP8 `` is lossy, ``VP8L`` is not."""
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
