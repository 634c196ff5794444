"""Images of every kind of sample to 8-bit RGB: the range, white behind what is transparent, orientation, remarks."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest
from hypothesis import given
from hypothesis import strategies as st
from picture_modes import every_mode, gradient, orientation, png, saved, tiff
from said import remarked, sentences

from vlmbench.data.formats.pixels import Turn, decode_rgb, facts_of_notes, notes_of, say_facts, turn_in
from vlmbench.errors import BadSampleError

GREY = np.arange(256).reshape(16, 16)
"""Every grey level."""
GUESSED, STATED = ", as the values suggest", ", as the file states"


def grey_of(data: bytes) -> tuple[np.ndarray[Any, Any], str]:
    """The grey levels that a file becomes, and what is noted of it."""
    decoded = decode_rgb(data, "x")
    pixels = np.asarray(decoded.image).astype(int)
    assert (pixels == pixels[..., :1]).all()
    return pixels[..., 0], notes_of(decoded.facts)


def pgm(samples: np.ndarray[Any, Any], highest: int, *, plain: bool = False) -> bytes:
    header = f"P{2 if plain else 5}\n{samples.shape[1]} {samples.shape[0]}\n{highest}\n".encode()
    return header + (" ".join(map(str, samples.ravel())).encode() if plain else samples.astype(">u2").tobytes())


def ppm(samples: np.ndarray[Any, Any], highest: int) -> bytes:
    return b"P6\n%d %d\n%d\n" % (*samples.shape[::-1], highest) + samples.astype(">u2").repeat(3).tobytes()


@pytest.mark.parametrize(
    ("factor", "shown"),
    [(257, "65,535"), (256, "65,280"), (16, "4,080"), (64, "16,320"), (4, "1,020"), (1, "255")],
)
def test_eight_bits_times_a_factor_come_back_as_they_were(factor: int, shown: str) -> None:
    for file in (png((GREY * factor).astype(np.uint16)), tiff((GREY * factor).astype("<u2"))):
        found, note = grey_of(file)
        np.testing.assert_array_equal(found, GREY)
        assert note == f"scaled from 0 to {shown}{GUESSED}"


@pytest.mark.parametrize(("factor", "brightest"), [(257, 15), (256, 9), (16, 20)])
def test_a_dark_picture_of_eight_bits_times_a_factor_stays_dark(factor: int, brightest: int) -> None:
    dark = GREY % (brightest + 1)
    np.testing.assert_array_equal(grey_of(png((dark * factor).astype(np.uint16)))[0], dark)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("order", ["<", ">"])
def test_whole_numbers_have_the_range_of_the_fewest_usual_bits(bits: int, order: str) -> None:
    highest = 2**bits - 1
    samples = np.rint(np.linspace(0, highest, 256)).reshape(16, 16)
    samples[0, 1] = 1  # no factor
    for file in (png(samples.astype(np.uint16)), tiff(samples.astype(f"{order}u2")), tiff(samples.astype("<i4"))):
        found, note = grey_of(file)
        assert np.abs(found - samples * 255 / highest).max() <= 0.5
        assert note == f"scaled from 0 to {highest:,}{GUESSED}"


@pytest.mark.parametrize(
    ("low", "high", "bottom", "top", "shown"),
    [
        (0, 1, 0, 1, "from 0 to 1, as the values suggest"),
        (0, 255, 0, 255, "from 0 to 255, as the values suggest"),
        (0, 65000, 0, 65535, "from 0 to 65,535, as the values suggest"),
        (-1, 1, -1, 1, "from -1 to 1, as the values suggest"),
        (-0.04, 1.06, 0, 1, "from 0 to 1, as the values suggest"),  # resampling overshoots
        (-4.5, 262.5, 0, 255, "from 0 to 255, as the values suggest"),
        (-2.12, 2.64, -2.12, 2.64, "each from its smallest to its largest value"),  # normalised
        (0, 2.5, 0, 2.5, "each from its smallest to its largest value"),
        (-1024, 3071, -1024, 3071, "each from its smallest to its largest value"),
    ],
)
def test_real_numbers(low: float, high: float, bottom: float, top: float, shown: str) -> None:
    samples = np.linspace(low, high, 256).reshape(16, 16).astype("<f4")
    found, note = grey_of(tiff(samples))
    assert np.abs(found - ((samples - bottom) * 255 / (top - bottom)).clip(0, 255)).max() <= 0.51
    assert note == f"scaled {shown}"


def test_whole_numbers_below_zero() -> None:
    found, note = grey_of(tiff((GREY - 128).astype("i1")))
    np.testing.assert_array_equal(found, GREY)
    assert note == f"scaled from -128 to 127{GUESSED}"
    samples = np.linspace(-1024, 3071, 256).reshape(16, 16).astype("<i2")  # of a scanner
    found, note = grey_of(tiff(samples))
    assert np.abs(found - (samples + 1024.0) * 255 / 4095).max() <= 0.5
    assert note == "scaled each from its smallest to its largest value"


@pytest.mark.parametrize("bits", [20, 31, 32])
def test_above_16_bits_the_fewest_bits(bits: int) -> None:
    samples = np.linspace(0, 2**bits - 1, 256).reshape(16, 16)
    found, note = grey_of(tiff(samples.astype("<u4")))
    assert np.abs(found - samples * 255 / (2**bits - 1)).max() <= 0.51
    assert note == f"scaled from 0 to {2**bits - 1:,}{GUESSED}"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_finite_make_a_bad_sample(value: float) -> None:
    samples = GREY.astype("<f4") / 255
    samples[3, 3] = value
    with pytest.raises(BadSampleError, match="sample 'x': cannot be converted to RGB: some of its pixel values"):
        decode_rgb(tiff(samples), "x")


def test_black_has_no_range() -> None:
    for black in (png(np.zeros((4, 4), np.uint16)), tiff(np.zeros((4, 4), "<f4"))):
        found, note = grey_of(black)
        assert found.max() == 0 and note == ""


@pytest.mark.parametrize("highest", [1023, 4095, 65535])
def test_netpbm_states_its_range(highest: int) -> None:
    """So a dark picture stays dark."""
    for brightest in (1, 0.02):
        samples = np.rint(np.linspace(0, highest * brightest, 256)).astype(int).reshape(16, 16)
        for file in (pgm(samples, highest), pgm(samples, highest, plain=True)):
            found, note = grey_of(file)
            assert np.abs(found - samples * 255 / highest).max() <= 0.51
            assert note == f"scaled from 0 to 65,535{STATED}"  # to which Pillow brings every one of them
        found, note = grey_of(ppm(samples, highest))
        assert np.abs(found - samples * 255 / highest).max() <= 1
        assert note == f"scaled from 0 to {highest:,}{STATED}"


def test_jpeg_2000_of_16_bits_states_them() -> None:
    dark = (GREY * 7).astype(np.uint16)
    found, note = grey_of(saved(PIL.Image.fromarray(dark), "JPEG2000", irreversible=False))
    assert np.abs(found - dark * 255.0 / 65535).max() <= 0.51 and note == f"scaled from 0 to 65,535{STATED}"


def test_a_tiff_may_state_its_range() -> None:
    dark = (GREY * 5).astype("<u2")
    dark[0, 1] = 3
    stated = grey_of(tiff(dark, {280: (3, 0), 281: (3, 65535)}))
    assert stated[0].max() == 5 and stated[1] == f"scaled from 0 to 65,535{STATED}"
    of_12 = grey_of(tiff(dark, {281: (3, 4095)}))
    assert of_12[0].max() == 79 and of_12[1] == f"scaled from 0 to 4,095{STATED}"
    # What occurs is no range; nor is one that does not hold the samples.
    assert grey_of(tiff(dark, {280: (3, 0), 281: (3, 1275)}))[1] == f"scaled from 0 to 4,095{GUESSED}"
    assert grey_of(tiff(dark, {281: (3, 1023)}))[1] == f"scaled from 0 to 4,095{GUESSED}"
    real = (GREY / 2550).astype("<f4") * 9
    assert grey_of(tiff(real, {340: (11, -1), 341: (11, 1)}))[1] == f"scaled from -1 to 1{STATED}"


def test_white_is_zero() -> None:
    for samples in ((GREY * 257).astype("<u2"), (GREY / 255).astype("<f4"), GREY.astype("u1")):
        found, _ = grey_of(tiff(samples, white_is_zero=True))
        np.testing.assert_array_equal(found, 255 - GREY)


@pytest.mark.parametrize("bits", [12, 16])
@pytest.mark.parametrize("bands", [3, 4])
@pytest.mark.parametrize("order", ["<", ">"])
def test_colours_of_more_than_8_bits(bits: int, bands: int, order: str) -> None:
    """Pillow keeps the upper half of 16 bits, which is black for 12."""
    highest = 2**bits - 1
    samples = np.rint(gradient(16) * (highest / 255))
    samples[0, 0] = 1
    if bands == 4:
        samples = np.concatenate([samples, np.full((16, 16, 1), highest)], axis=-1)
    decoded = decode_rgb(tiff(samples.astype(f"{order}u2"), {338: (3, 2)} if bands == 4 else None), "x")
    assert np.abs(np.asarray(decoded.image) - samples[..., :3] * 255 / highest).max() <= 1
    assert notes_of(decoded.facts) == f"scaled from 0 to {highest:,}{GUESSED}"


def png16(samples: np.ndarray[Any, Any], colour_type: int) -> bytes:
    """A PNG of 16 bits, byte by byte: Pillow writes them of grey alone."""
    import struct
    import zlib

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    head = struct.pack(">IIBBBBB", samples.shape[1], samples.shape[0], 16, colour_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("bits", [12, 16])
@pytest.mark.parametrize(("colour_type", "bands"), [(2, 3), (6, 4), (4, 2)])
def test_png_of_16_bits_in_every_colour_type(bits: int, colour_type: int, bands: int) -> None:
    highest = 2**bits - 1
    samples = np.rint(gradient(16) * (highest / 255))[..., : 3 if bands > 2 else 1]
    samples[0, 0] = 1
    colours = samples.repeat(3, axis=-1) if bands == 2 else samples
    if bands in (2, 4):
        samples = np.concatenate([samples, np.full((16, 16, 1), highest)], axis=-1)
    decoded = decode_rgb(png16(samples, colour_type), "x")
    assert np.abs(np.asarray(decoded.image) - colours * 255 / highest).max() <= 1
    if bands > 2 or bits == 12:
        assert notes_of(decoded.facts) == f"scaled from 0 to {highest:,}{GUESSED}"


def test_sixteen_bits_with_a_transparent_value() -> None:
    decoded = decode_rgb(png((GREY * 257).astype(np.uint16), transparency=7 * 257), "x")
    np.testing.assert_array_equal(np.asarray(decoded.image)[..., 0], np.where(GREY == 7, 255, GREY))
    assert [fact.kind for fact in decoded.facts] == ["scaled", "transparent"]


@given(
    st.lists(st.integers(0, 65535), min_size=4, max_size=4).filter(lambda values: max(values) > 0),
    st.sampled_from(["u2", "i4", "f4"]),
)
def test_scaling_keeps_order_and_stays_in_range(values: list[int], kind: str) -> None:
    samples = np.array(values, f"<{kind}").reshape(2, 2)
    found, _ = grey_of(tiff(samples))
    flat = found.ravel()
    assert all(flat[i] <= flat[j] for i in range(4) for j in range(4) if values[i] <= values[j])
    assert flat[int(np.argmin(values))] <= 255 * min(values) / max(values) + 1


@pytest.mark.parametrize("mode", ["LA", "P with transparency", "RGBA", "RGB with a transparent colour"])
def test_what_is_transparent_is_told(mode: str) -> None:
    file = every_mode(16)[mode]
    (_, said) = remarked(lambda: say_facts(decode_rgb(file.data, "a.png").facts, "a.png"))
    assert [(remark.code, remark.count) for remark in said] == [("transparency", 1)]


def test_opaque_alpha_is_silent() -> None:
    opaque = PIL.Image.new("RGBA", (4, 4), (1, 2, 3, 255))
    unused = png(np.zeros((4, 4), np.uint8), palette=np.eye(256, 3, dtype=np.uint8), transparency=9)
    for file in (saved(opaque, "PNG"), unused):
        assert decode_rgb(file, "x").facts == ()


def test_modes_that_pillow_converts_in_two_steps() -> None:
    grey, alpha = np.full((4, 4), 50, np.uint8), np.full((4, 4), 100, np.uint8)
    multiplied = tiff(np.stack([grey, alpha], axis=-1), {338: (3, 1)})  # associated alpha
    assert PIL.Image.open(io.BytesIO(multiplied)).mode == "La"
    assert np.abs(np.asarray(decode_rgb(multiplied, "x").image) - (50.0 + 155)).max() <= 1
    lab = saved(PIL.Image.new("RGB", (4, 4), (120, 60, 30)).convert("LAB"), "TIFF")
    assert np.abs(np.asarray(decode_rgb(lab, "x").image) - np.array([120, 60, 30])).max() <= 3


TURNS: Sequence[Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]] = (
    lambda stored: stored,
    lambda stored: stored[:, ::-1],
    lambda stored: stored[::-1, ::-1],
    lambda stored: stored[::-1],
    lambda stored: stored.swapaxes(0, 1),
    lambda stored: np.rot90(stored, -1),
    lambda stored: np.rot90(stored.swapaxes(0, 1), 2),
    lambda stored: np.rot90(stored),
)
"""What orientations 1 to 8 ask for (EXIF 2.3, table 6)."""
WIDE = gradient(16)[:10]


@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "WEBP", "JPEG"])
@pytest.mark.parametrize("tag", range(1, 9))
def test_orientation(tag: int, file_format: str) -> None:
    exact = {"lossless": True} if file_format == "WEBP" else {"quality": 100} if file_format == "JPEG" else {}
    file = saved(PIL.Image.fromarray(WIDE), file_format, exif=orientation(tag), **exact)
    shown, stored = TURNS[tag - 1](WIDE).astype(int), WIDE.astype(int)
    seen: list[Turn] = []
    as_shown, as_stored = (
        decode_rgb(file, "x", lambda turn: not seen.append(turn)),
        decode_rgb(file, "x", lambda _: False),
    )
    tolerance = 12 if file_format == "JPEG" else 0
    for decoded, expected in ((as_shown, shown), (as_stored, stored)):
        found = np.asarray(decoded.image).astype(int)
        assert found.shape == expected.shape and np.abs(found - expected).max() <= tolerance
    assert seen == ([] if tag == 1 else [Turn(tag, (16, 10))])
    asked = decode_rgb(file, "x")
    assert asked.image.size == (as_shown if file_format == "TIFF" else as_stored).image.size
    kinds = ["turned", "kept", "turned-tiff" if file_format == "TIFF" else "kept"] if tag > 1 else []
    assert [fact.kind for each in (as_shown, as_stored, asked) for fact in each.facts] == kinds
    assert turn_in(file) == (Turn(tag, (16, 10)) if tag > 1 else None)
    # What is turned once is not turned again by a library that looks for the tag.
    assert PIL.ImageOps.exif_transpose(as_shown.image).size == as_shown.image.size


def test_damaged_or_odd_exif_asks_for_nothing() -> None:
    for exif in (b"Exif\0\0junk", b"Exif\0\0II*\0\xff\xff\xff\xff", orientation(0).tobytes(), orientation(9).tobytes()):
        file = saved(PIL.Image.fromarray(WIDE), "JPEG", exif=exif)
        assert decode_rgb(file, "x").facts == () and turn_in(file) is None
    assert turn_in(b"Exif\0\0 is no image") is None


def test_an_orientation_in_xmp_counts_if_exif_has_none() -> None:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    file = saved(PIL.Image.fromarray(WIDE), "JPEG", xmp=xmp)
    assert decode_rgb(file, "x", lambda _: True).image.size == (10, 16)


@pytest.mark.parametrize(("annotated", "told"), [((16, 10), False), ((10, 16), True), ((32, 20), None), (None, None)])
def test_a_quarter_turn_is_told_by_the_annotated_size(annotated: tuple[int, int] | None, told: bool | None) -> None:
    assert Turn(6, (16, 10)).shows(annotated) is told
    assert Turn(3, (16, 10)).shows(annotated) is None  # a half turn has one size
    assert Turn(6, (16, 16)).shows((16, 16)) is None


def test_the_first_of_several_pictures() -> None:
    first, other = (PIL.Image.new("RGB", (8, 8), colour) for colour in ("red", "blue"))
    for file_format in ("GIF", "PNG", "TIFF", "WEBP"):
        decoded = decode_rgb(saved(first, file_format, save_all=True, append_images=[other]), "x")
        assert decoded.image.getpixel((4, 4))[0] > 240 and [fact.kind for fact in decoded.facts] == ["first"]
    assert decode_rgb(saved(first, "MPO", save_all=True, append_images=[other]), "x").facts == ()


def test_notes_come_back_as_facts() -> None:
    file = every_mode(16)["I;16"]
    facts = decode_rgb(file.data, "x").facts
    assert facts_of_notes(notes_of(facts)) == facts != ()
    assert facts_of_notes("") == facts_of_notes("of a version to come\n") == ()


def test_sentences_in_singular_and_plural() -> None:
    kinds = {
        "scaled.png": png((GREY * 257).astype(np.uint16)),
        "turned.tif": saved(PIL.Image.fromarray(WIDE), "TIFF", exif=orientation(6)),
        "kept.jpg": saved(PIL.Image.fromarray(WIDE), "JPEG", exif=orientation(6)),
        "clear.png": every_mode(16)["RGBA"].data,
        "film.gif": saved(
            PIL.Image.new("L", (4, 4)), "GIF", save_all=True, append_images=[PIL.Image.new("L", (4, 4), 9)]
        ),
    }

    def read(times: int) -> None:
        for name, file in kinds.items():
            for _ in range(times):
                say_facts(decode_rgb(file, name).facts, name)

    assert sentences(lambda: read(1)) == [
        "scaled-values: 1 image has more than 8 bits a channel, and its values were scaled to 8 bits from 0 to 65,535, "
        "as the values suggest: scaled.png",
        "orientation-applied: 1 TIFF image was turned as its tag asks, because Pillow does so whenever it reads one: "
        "turned.tif",
        "orientation-kept: 1 image has an EXIF tag that asks to turn it, and was read as it is stored: kept.jpg",
        "transparency: 1 image is transparent in places, and white was put behind it: clear.png",
        "first-frame: 1 image file holds several pictures, and the first was read: film.gif",
    ]
    assert [sentence.split(": ", 2)[1] for sentence in sentences(lambda: read(1200))] == [
        "1,200 images have more than 8 bits a channel, and their values were scaled to 8 bits from 0 to 65,535, as the "
        "values suggest",
        "1,200 TIFF images were turned as their tags ask, because Pillow does so whenever it reads one",
        "1,200 images have an EXIF tag that asks to turn them, and were read as they are stored",
        "1,200 images are transparent in places, and white was put behind them",
        "1,200 image files hold several pictures, and the first of each was read",
    ]


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (tiff(np.zeros((4, 4), "<f8")), "a TIFF with a kind of samples that Pillow does not decode"),
        (tiff(np.zeros((4, 4, 5), "<u2")), "a TIFF with a kind of samples that Pillow does not decode"),
        (b"PF\n2 2\n-1.0\n" + bytes(48), "a colour PFM, which Pillow does not decode"),
        (b"\x76\x2f\x31\x01" + bytes(40), "looks like OpenEXR"),
    ],
)
def test_what_cannot_be_read_says_what_it_is(file: bytes, words: str) -> None:
    with pytest.raises(BadSampleError, match=words):
        decode_rgb(file, "x")
