"""Decodes image files with Pillow. All readers of pictures and masks use it.

For a damaged file it raises an error that says what is wrong; it never returns a picture with missing parts.
"""

from __future__ import annotations

import io
from collections.abc import Callable

from PIL import Image, ImageFile, UnidentifiedImageError

from vlmbench.errors import BadSampleError

_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (
        b"version https://git-lfs",
        "it is a Git LFS pointer: the file itself was not downloaded (`git lfs pull` does it)",
    ),
    (b"\xff\xd8\xff", "a JPEG with a damaged header"),
    (b"\x89PNG", "a PNG with a damaged header"),
    (b"GIF8", "a GIF with a damaged header"),
    *((order, "a TIFF with a kind of samples that Pillow does not decode") for order in (b"II*\0", b"MM\0*")),
    *((order, "a BigTIFF with a kind of samples that Pillow does not decode") for order in (b"II+\0", b"MM\0+")),
    (b"PF", "a colour PFM, which Pillow does not decode"),
    (b"\x76\x2f\x31\x01", "looks like OpenEXR"),
    (b"#?RADIANCE", "looks like Radiance HDR"),
    (b"\x1f\x8b", "looks like gzip"),
    (b"PK\x03\x04", "looks like a zip archive"),
    (b"%PDF", "looks like PDF"),
    (b"\x93NUMPY", "looks like a NumPy array"),
)
_SNIFFED = 512
"""The number of bytes that are looked at to tell what a file is that Pillow cannot open."""
CONVERT_HEIC = "to JPEG, for example with the package pillow-heif"
"""The advice of messages about HEIC files, which Pillow does not decode."""
_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
"""Brands of HEIC and HEIF files, which phones write."""


def decode_image(data: bytes, sample_id: str, look: Callable[[Image.Image], None] | None = None) -> Image.Image:
    """Open and fully load an image, so that a truncated file is an error and does not get grey pixels.

    The mode (L, P, CMYK, I;16, ...) is not changed. The EXIF orientation is not applied, except to a TIFF, which Pillow
    always turns. Of an animation, the first frame is read. Several threads may call it at once.

    Args:
        look: is called with the image before it is loaded.

    Raises:
        BadSampleError: the file is empty, truncated, too large, not an image, or of a kind that Pillow cannot read.
    """
    if not data:
        raise BadSampleError(sample_id, "the file is empty (0 bytes)")
    # Some libraries turn this switch on for the whole process. With it, missing parts of an image are silently grey.
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        image = Image.open(io.BytesIO(data))
        if look is not None:
            look(image)
        image.load()
    except UnidentifiedImageError as error:
        raise BadSampleError(sample_id, f"not an image that Pillow can read: {_describe(data)}") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadSampleError(sample_id, f"refused as a possible decompression bomb: {error}") from error
    except MemoryError:
        raise  # the machine is at fault, not the sample: leaving out samples by chance would change the numbers
    except Exception as error:  # bad bytes make decoders raise OSError, SyntaxError, ValueError, struct.error, ...
        raise BadSampleError(sample_id, _decoding_failure(error, len(data))) from error
    return image


def _decoding_failure(error: Exception, size: int) -> str:
    text = str(error).strip() or type(error).__name__
    if isinstance(error, EOFError) or "truncated" in text.casefold():
        return f"truncated: the image ends early ({size:,} bytes; {text})"
    return f"cannot be decoded: {text}"


def _describe(data: bytes) -> str:
    head = data[:_SNIFFED]
    for signature, words in _SIGNATURES:
        if head.startswith(signature):
            return words
    if head[4:8] == b"ftyp" and head[8:12].lower() in _HEIC:
        return f"it is HEIC or HEIF: convert it {CONVERT_HEIC}"
    if head[4:8] == b"ftyp":
        return f"looks like {head[8:12].decode('ascii', 'replace').strip()} (HEIF, AVIF or video)"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    start = text[:15].lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "looks like HTML (perhaps an error page that was saved as the file)"
    if start.startswith(b"<svg") or (start.startswith(b"<?xml") and b"<svg" in text):
        return "looks like SVG, which has no pixels"
    if start.startswith(b"<"):
        return "looks like XML"
    if start.startswith((b"{", b"[")) and _is_text(head):
        return "looks like JSON"
    if _is_text(head):
        return "looks like text"
    if not head.strip(b"\0"):
        return "it starts with nothing but zero bytes"
    return f"unknown format, starting with {head[:8].hex(' ')}"


def _is_text(head: bytes) -> bool:
    return all(byte >= 0x20 or byte in b"\t\n\r\f" for byte in head)
