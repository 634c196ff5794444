"""decode_image: every mode survives, every kind of damage is a reason."""

from __future__ import annotations

import io
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from data.layouts import image_bytes
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from vlmbench.data.formats.decode import decode_image
from vlmbench.errors import BadSampleError


def encoded(image: Image.Image, file_format: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, file_format, **options)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("mode", "file_format"),
    [
        ("L", "PNG"),
        ("P", "PNG"),
        ("1", "PNG"),
        ("LA", "PNG"),
        ("RGBA", "PNG"),
        ("I;16", "PNG"),
        ("CMYK", "JPEG"),
        ("L", "JPEG"),
        ("RGB", "WEBP"),
        ("F", "TIFF"),
    ],
)
def test_the_mode_is_left_alone(mode: str, file_format: str) -> None:
    levels = np.arange(64, dtype=np.uint16).reshape(8, 8)
    image = Image.fromarray(levels * 900) if mode == "I;16" else Image.fromarray(levels.astype(np.uint8)).convert(mode)
    data = encoded(image, file_format)
    decoded = decode_image(data, "x")
    assert decoded.mode == mode
    assert np.array_equal(np.asarray(decoded), np.asarray(Image.open(io.BytesIO(data))))


def test_exif_orientation_is_kept_and_not_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees when shown
    decoded = decode_image(encoded(Image.new("RGB", (6, 4)), "JPEG", exif=exif), "x")
    assert decoded.size == (6, 4)
    assert decoded.getexif()[0x0112] == 6


def test_an_animation_gives_its_first_frame() -> None:
    frames = [Image.new("P", (5, 5), colour) for colour in (1, 2)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert set(np.asarray(decode_image(data, "x").convert("L")).flat) == set(
        np.asarray(Image.open(io.BytesIO(data)).convert("L")).flat
    )


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty (0 bytes)"),
        (b"<!DOCTYPE html><title>404</title>", "looks like HTML"),
        (b"\xef\xbb\xbf\n <HTML>", "looks like HTML"),
        (b'<?xml version="1.0"?><svg/>', "looks like SVG"),
        (b"<?xml?><a/>", "looks like XML"),
        (b'{"error": "not found"}', "looks like JSON"),
        (b"Not found\n", "looks like text"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS pointer"),
        (b"\x1f\x8b\x08\0\0", "looks like gzip"),
        (b"PK\x03\x04\0\0", "looks like a zip"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "it is HEIC or HEIF: convert it to JPEG"),
        (b"\0" * 300, "nothing but zero bytes"),
        (b"\x07\x01\xfe\x80", "unknown format, starting with 07 01 fe 80"),
        (b"\xff\xd8\xff", "a JPEG with a damaged header"),
    ],
)
def test_what_is_no_image_is_said(data: bytes, reason: str) -> None:
    with pytest.raises(BadSampleError) as raised:
        decode_image(data, "dogs/7.jpg")
    assert raised.value.sample_id == "dogs/7.jpg"
    assert reason in raised.value.reason
    assert "dogs/7.jpg" in str(raised.value)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF"])
def test_half_a_file_is_a_bad_sample(file_format: str) -> None:
    data = image_bytes(1, file_format, (64, 64))
    with pytest.raises(BadSampleError):
        decode_image(data[: len(data) // 2], "x")


@pytest.mark.parametrize("file_format", ["JPEG", "PNG"])
def test_truncation_is_called_so_even_if_another_library_tolerates_it(
    file_format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    data = image_bytes(1, file_format, (64, 64))
    with pytest.raises(BadSampleError, match=r"truncated: .*\d bytes"):
        decode_image(data[: len(data) // 2], "x")


def test_a_decompression_bomb_is_refused() -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    with pytest.raises(BadSampleError, match="decompression bomb"):
        decode_image(bomb, "x")


def test_out_of_memory_is_not_blamed_on_the_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> Image.Image:
        raise MemoryError

    monkeypatch.setattr(Image, "open", fail)
    with pytest.raises(MemoryError):
        decode_image(b"x", "x")


def test_threads_decode_the_same_pixels() -> None:
    files = [image_bytes(seed, "JPEG", (40, 30)) for seed in range(8)] * 8
    expected = [np.asarray(decode_image(data, "x")) for data in files]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda data: np.asarray(decode_image(data, "x")), files))
    assert all(np.array_equal(a, b) for a, b in zip(expected, found, strict=True))


@settings(max_examples=150, deadline=None)
@given(
    file_format=st.sampled_from(["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF"]),
    cut=st.integers(0, 600),
    at=st.integers(0, 400),
    patch=st.binary(max_size=12),
)
@pytest.mark.filterwarnings("ignore")
def test_damage_never_raises_anything_else(file_format: str, cut: int, at: int, patch: bytes) -> None:
    data = bytearray(image_bytes(0, file_format))
    data[at : at + len(patch)] = patch
    try:
        decode_image(bytes(data[: max(0, len(data) - cut)]), "x")
    except BadSampleError as error:
        assert error.reason
