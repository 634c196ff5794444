"""A mask file's own numbers, whatever a viewer makes of them; files that may have lost some are refused."""

from __future__ import annotations

import io
import struct

import numpy as np
import PIL.Image
import pytest
from data.mask_files import png, raw_png, saved

from vlmbench.data.formats.masks.stored import colour_of, stored_mask
from vlmbench.errors import BadSampleError, LabelError

VALUES = np.array([[0, 1, 2], [3, 2, 255]], dtype=np.uint8)
GREY_AS_RGB = np.repeat(VALUES[..., None], 3, axis=2)
OPAQUE = np.concatenate([GREY_AS_RGB, np.full((2, 3, 1), 255, np.uint8)], axis=2)


def values(data: bytes) -> list[list[int]]:
    return stored_mask(data, "s").values.astype(int).tolist()


@pytest.mark.parametrize(
    "data",
    [
        saved(VALUES, "PNG"),
        saved(VALUES, "BMP"),
        saved(VALUES, "TGA"),
        saved(VALUES, "PPM"),
        saved(VALUES, "TIFF"),
        saved(VALUES, "TIFF", compression="tiff_lzw"),
        saved(VALUES.astype(np.uint16), "PNG"),
        saved(VALUES.astype(np.uint16), "TIFF"),
        saved(VALUES.astype(np.int32), "TIFF"),
        saved(VALUES.astype(np.float32), "TIFF"),
        png(VALUES, "P"),
        saved(GREY_AS_RGB, "PNG"),
        saved(GREY_AS_RGB, "WEBP", lossless=True),
        saved(OPAQUE, "PNG"),
        saved(OPAQUE[..., 2:], "PNG"),
    ],
)
def test_every_lossless_way_to_store_them_gives_the_values(data: bytes) -> None:
    assert values(data) == VALUES.tolist()
    assert stored_mask(data, "s").held == {0, 1, 2, 3, 255}


def test_grey_of_few_bits_is_not_stretched() -> None:
    two, four = raw_png([bytes([0b00011011])], 2, 0, (4, 1)), raw_png([bytes([0x01, 0x2E])], 4, 0, (4, 1))
    assert np.asarray(PIL.Image.open(io.BytesIO(two))).tolist() == [[0, 85, 170, 255]], "as Pillow shows it"
    assert values(two) == [[0, 1, 2, 3]] and stored_mask(two, "s").held == {0, 1, 2, 3}
    assert values(four) == [[0, 1, 2, 14]]
    assert values(raw_png([bytes([0b01010000])], 1, 0, (4, 1))) == [[0, 1, 0, 1]]


@pytest.mark.parametrize("most", [1, 2, 20, 150, 255, 300, 65535])
def test_a_pgm_is_not_stretched_by_its_largest_value(most: int) -> None:
    held = sorted({0, 1, most // 2, most})
    body = struct.pack(f">{len(held)}{'B' if most < 256 else 'H'}", *held)
    assert values(f"P5\n# made by hand\n{len(held)} 1\n{most}\n".encode() + body) == [held]
    plain = f"P2 {len(held)} 1 {most}\n{' '.join(map(str, held))}\n"
    assert values(plain.encode()) == [held]


def test_signed_and_real_numbers() -> None:
    assert values(saved(np.array([[-1, 70000]], np.int32), "TIFF")) == [[-1, 70000]]
    assert values(saved(np.array([[-1.0, 3.0]], np.float32), "TIFF")) == [[-1, 3]]
    with pytest.raises(LabelError, match=r"not whole numbers, such as 0\.5 \(2 pixels\)"):
        values(saved(np.array([[0.5, 1.25, 2]], np.float32), "TIFF"))
    with pytest.raises(BadSampleError, match="not finite"):
        values(saved(np.array([[np.nan, 1]], np.float32), "TIFF"))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (saved(VALUES, "JPEG", quality=100), "a JPEG"),
        (saved(GREY_AS_RGB, "WEBP", quality=100), "a lossy WebP"),
        (saved(OPAQUE // 2, "WEBP", quality=90), "a lossy WebP"),
        (saved(VALUES, "TIFF", compression="jpeg"), "a TIFF with JPEG inside"),
        (saved(np.zeros((64, 64), np.uint8), "AVIF"), "an AVIF"),
        (saved(np.zeros((64, 64), np.uint8), "JPEG2000"), "a JPEG 2000 file"),
    ],
)
def test_what_may_have_lost_values_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(
        LabelError, match=rf"'s': its mask is {words}, and lossy compression changes values[\s\S]*as PNG"
    ):
        stored_mask(data, "s")


@pytest.mark.parametrize(("colour_type", "channels"), [(2, 3), (4, 2), (6, 4)])
def test_colours_of_16_bits_are_refused_because_the_lower_8_cannot_be_read(colour_type: int, channels: int) -> None:
    row = struct.pack(f">{2 * channels}H", *[5] * (2 * channels))
    with pytest.raises(LabelError, match="several channels of 16 bits"):
        stored_mask(raw_png([row], 16, colour_type, (2, 1)), "s")


def test_several_pictures_in_a_file_are_refused() -> None:
    for file_format in ("GIF", "TIFF", "PNG"):
        file = io.BytesIO()
        PIL.Image.fromarray(VALUES).save(
            file, file_format, save_all=True, append_images=[PIL.Image.fromarray(255 - VALUES)]
        )
        with pytest.raises(LabelError, match="holds 2 pictures"):
            stored_mask(file.getvalue(), "s")
    assert values(saved(VALUES, "GIF")) == VALUES.tolist()


def test_transparent_masks_are_refused() -> None:
    clear = OPAQUE.copy()
    clear[0, 0, 3] = 0
    for channels in (clear, clear[..., 2:]):
        with pytest.raises(LabelError, match="transparent pixels"):
            values(saved(channels, "PNG"))
    with pytest.raises(LabelError, match="transparent pixels"):
        assert stored_mask(saved(clear, "PNG"), "s").colours.any()


def test_colours_are_listed_for_the_option() -> None:
    coloured = np.array([[[0, 0, 0], [128, 0, 0], [0, 64, 255]]], np.uint8)
    with pytest.raises(LabelError, match=r"3 colours: \[0, 0, 0\], \[0, 64, 255\] and \[128, 0, 0\]\n.*colours: \[\["):
        values(saved(coloured, "PNG"))
    codes = stored_mask(saved(coloured, "PNG"), "s").colours
    assert [list(colour_of(int(code))) for code in codes[0]] == coloured[0].tolist()
    many = np.arange(60, dtype=np.uint8).reshape(1, 20, 3)
    with pytest.raises(LabelError, match=r"20 colours: .* and 8 more"):
        values(saved(many, "PNG"))
    cmyk = io.BytesIO()
    PIL.Image.new("CMYK", (2, 2)).save(cmyk, "TIFF")
    with pytest.raises(LabelError, match="mode CMYK"):
        values(cmyk.getvalue())


def test_the_palette_of_values_that_occur() -> None:
    stored = stored_mask(png(VALUES, "P"), "s")
    assert stored.palette == {
        v: ((21 * v + 90) % 256, (21 * v + 97) % 256, (21 * v + 104) % 256) for v in (0, 1, 2, 3, 255)
    }
    assert stored_mask(png(VALUES), "s").palette == {}
