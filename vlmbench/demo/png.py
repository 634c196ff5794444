"""A PNG writer whose bytes depend on the pixels alone.

Compressed bytes differ between zlib builds and so between versions of Pillow; fingerprints of the generated sets must
not. Pixels are therefore stored uncompressed, which every PNG reader understands.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR_TYPES = {1: 0, 3: 2}
_LARGEST_BLOCK = 65_535
"""Bytes in one stored block (RFC 1951, 3.2.4)."""


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """Encode (H, W) grey or (H, W, 3) RGB pixels, losslessly.

    Raises:
        ValueError: for any other shape, or values that are not uint8.
    """
    channels = 1 if pixels.ndim == 2 else pixels.shape[-1]
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or channels not in _COLOUR_TYPES:
        raise ValueError(f"expected uint8 pixels of shape (H, W) or (H, W, 3), got {pixels.dtype} {pixels.shape}")
    height, width = pixels.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOUR_TYPES[channels], 0, 0, 0)
    rows = pixels.reshape(height, width * channels)
    scanlines = np.hstack([np.zeros((height, 1), dtype=np.uint8), rows]).tobytes()  # filter type 0 leads each row
    return b"".join((_SIGNATURE, _chunk(b"IHDR", header), _chunk(b"IDAT", _store(scanlines)), _chunk(b"IEND", b"")))


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _store(content: bytes) -> bytes:
    """A zlib stream (RFC 1950) of stored blocks."""
    parts = [b"\x78\x01"]
    for start in range(0, len(content), _LARGEST_BLOCK):
        block = content[start : start + _LARGEST_BLOCK]
        last = start + _LARGEST_BLOCK >= len(content)
        parts.append(struct.pack("<BHH", last, len(block), len(block) ^ 0xFFFF) + block)
    return b"".join((*parts, struct.pack(">I", zlib.adler32(content))))
