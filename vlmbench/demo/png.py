"""Writes PNG files whose bytes depend only on the pixels. ``demo/sets.py`` uses it.

Compressed bytes differ between builds of zlib, and so between versions of Pillow. But the fingerprints of the demo's
sets must not change. So pixels are stored uncompressed, which every PNG reader understands.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR_TYPES = {1: 0, 3: 2}
_LARGEST_BLOCK = 65_535
"""The largest number of bytes in one stored block (RFC 1951, section 3.2.4)."""


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """Encode grey pixels (H, W) or RGB pixels (H, W, 3) without loss.

    Raises:
        ValueError: the pixels have another shape, or are not uint8.
    """
    channels = 1 if pixels.ndim == 2 else pixels.shape[-1]
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or channels not in _COLOUR_TYPES:
        raise ValueError(
            f"pixels must be uint8 of shape (H, W) or (H, W, 3), not {pixels.dtype} of shape {pixels.shape}"
        )
    height, width = pixels.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOUR_TYPES[channels], 0, 0, 0)
    rows = pixels.reshape(height, width * channels)
    scanlines = np.hstack([np.zeros((height, 1), dtype=np.uint8), rows]).tobytes()  # each row begins with filter type 0
    return b"".join((_SIGNATURE, _chunk(b"IHDR", header), _chunk(b"IDAT", _store(scanlines)), _chunk(b"IEND", b"")))


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _store(content: bytes) -> bytes:
    """A zlib stream (RFC 1950) that consists of stored blocks."""
    parts = [b"\x78\x01"]
    for start in range(0, len(content), _LARGEST_BLOCK):
        block = content[start : start + _LARGEST_BLOCK]
        last = start + _LARGEST_BLOCK >= len(content)
        parts.append(struct.pack("<BHH", last, len(block), len(block) ^ 0xFFFF) + block)
    return b"".join((*parts, struct.pack(">I", zlib.adler32(content))))
