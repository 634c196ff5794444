"""Which stream of a container is the video, and how players show its frames."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from data.odd_videos import asks, covered, film, two_streams
from data.videos import LOSSLESS, Pixels, flat, frame, pixels_of, write_video
from said import remarked, sentences

from vlmbench.data.formats.clips.video import read_segment_frames, read_video_frames
from vlmbench.data.formats.clips.video_suffixes import FORMATS, VIDEO_SUFFIXES, is_video_name, kind_of_suffix
from vlmbench.errors import BadSampleError

av = pytest.importorskip("av", reason="the video extra is not installed")

ONE = 1 << 16
MATRICES = {
    "0": (ONE, 0, 0, ONE),
    "90": (0, ONE, -ONE, 0),
    "180": (-ONE, 0, 0, -ONE),
    "270": (0, -ONE, ONE, 0),
    "mirrored": (-ONE, 0, 0, ONE),
    "upside down": (ONE, 0, 0, -ONE),
    "transposed": (0, ONE, ONE, 0),
    "transverse": (0, -ONE, -ONE, 0),
}
"""(a, b, c, d) of a track's header."""
STORED = {
    "0": lambda shown: shown,
    "90": lambda shown: np.rot90(shown, 1),
    "180": lambda shown: np.rot90(shown, 2),
    "270": lambda shown: np.rot90(shown, 3),
    "mirrored": lambda shown: shown[:, ::-1],
    "upside down": lambda shown: shown[::-1],
    "transposed": lambda shown: shown.transpose(1, 0, 2),
    "transverse": lambda shown: np.rot90(shown, 2).transpose(1, 0, 2),
}
"""How the pixels lie in the file that a player shows like this."""


def corners() -> Pixels:
    """A picture that no turn and no mirror leaves as it is; each quarter is of one colour."""
    pixels = np.zeros((48, 64, 3), dtype=np.uint8)
    pixels[:24, :32], pixels[:24, 32:], pixels[24:, :32] = (220, 30, 30), (30, 200, 40), (40, 40, 220)
    return pixels


def read(path: Path, frames: int = 1) -> list[bytes]:
    return list(read_video_frames(path, frames, path.name))


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
@pytest.mark.parametrize("turn", MATRICES)
def test_turns_are_applied_as_players_do(turn: str, suffix: str, tmp_path: Path) -> None:
    path = asks(film(tmp_path / f"a{suffix}", STORED[turn](corners())), *MATRICES[turn])
    for call in (lambda: read(path, 3), lambda: list(read_segment_frames(path, (0, 0.2), 3, path.name))):
        found, remarks = remarked(call)
        for data in found:
            shown = pixels_of(data).astype(int)
            assert shown.shape == (48, 64, 3) and abs(shown - corners()).mean() < 4
        assert [remark.sentence for remark in remarks] == (
            [] if turn == "0" else [f"1 video was turned as its file asks, and as players do: {path.name}"]
        )


def test_a_turn_by_no_right_angle_is_refused(tmp_path: Path) -> None:
    half = round(ONE / 2**0.5)
    path = asks(film(tmp_path / "a.mp4", corners()), half, half, -half, half)
    with pytest.raises(BadSampleError, match="asks to be turned by 45 degrees"):
        read(path)
    assert len(read(asks(path, 0, 0, 0, 0))) == 1  # what asks for nothing is shown as it is


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_cover_is_not_the_video(suffix: str, tmp_path: Path, *, first: bool) -> None:
    path = covered(tmp_path / f"a{suffix}", first=first)
    (data,), remarks = remarked(lambda: read(path))
    assert abs(float(pixels_of(data).mean()) - float(flat(15).mean())) < 3.5 and not remarks


def test_of_several_videos_the_first_is_read(tmp_path: Path) -> None:
    path = two_streams(tmp_path / "a.mkv")
    (data,), remarks = remarked(lambda: read(path))
    assert abs(float(pixels_of(data).mean()) - float(flat(0).mean())) < 3.5
    assert [remark.sentence for remark in remarks] == [
        "1 clip has several video streams, and the first one was read: a.mkv"
    ]


def test_oblong_pixels_are_told(tmp_path: Path) -> None:
    wide = film(tmp_path / "wide.mp4", corners(), aspect=Fraction(16, 11))
    assert pixels_of(read(wide)[0]).shape == (48, 64, 3)
    assert sentences(lambda: read(wide)) == [
        "oblong-pixels: 1 video has pixels that are not square, and its frames were not stretched: wide.mp4"
    ]
    assert not sentences(lambda: read(film(tmp_path / "even.mp4", corners(), aspect=Fraction(160, 161))))


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "tolerance"),
    [
        ("ffv1", "yuv444p10le", 3),
        ("ffv1", "gray", 1),
        ("ffv1", "gray16le", 1),
        ("ffv1", "bgra", 0),
        ("qtrle", "argb", 0),
    ],
)
def test_any_depth_becomes_rgb(codec: str, pix_fmt: str, tolerance: int, tmp_path: Path) -> None:
    path = write_video(tmp_path / ("a.mov" if codec == "qtrle" else "a.mkv"), map(flat, range(5)), codec, pix_fmt)
    (data,), remarks = remarked(lambda: read(path))
    assert abs(pixels_of(data).astype(int) - flat(2)).max() <= tolerance and not remarks


def test_white_is_put_behind_what_is_transparent(tmp_path: Path) -> None:
    pixels = np.zeros((32, 48, 4), dtype=np.uint8)
    pixels[:16, :, 0] = pixels[:16, :, 3] = 255
    with av.open(str(tmp_path / "a.mov"), "w") as container:
        stream = container.add_stream("qtrle", rate=10)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "argb"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgba")))
        container.mux(stream.encode())
    (data,), remarks = remarked(lambda: read(tmp_path / "a.mov"))
    found = pixels_of(data)
    assert (found[:16] == (255, 0, 0)).all() and (found[16:] == 255).all()
    assert [remark.code for remark in remarks] == ["transparency"]


WRITTEN = {
    ".3gp": "mpeg4", ".3g2": "mpeg4", ".asf": "wmv2", ".wmv": "wmv2", ".flv": "flv", ".f4v": "libx264",
    ".ts": "mpeg2video", ".mts": "mpeg2video", ".m2ts": "mpeg2video", ".mpg": "mpeg1video", ".mpeg": "mpeg2video",
    ".vob": "mpeg2video", ".m2v": "mpeg2video", ".m1v": "mpeg1video", ".m4v": "mpeg4", ".mov": "mpeg4",
    ".mp4": "mpeg4", ".avi": "mpeg4", ".mkv": "mpeg4", ".webm": "libvpx", ".ogv": "libvpx", ".gif": "gif",
    ".mxf": "mpeg2video", ".nut": "mpeg4", ".ivf": "libvpx", ".y4m": "wrapped_avframe", ".h264": "libx264",
    ".mjpeg": "mjpeg",
}  # fmt: skip
FORMAT_OF = {".m2ts": "mpegts", ".f4v": "mp4", ".mjpeg": "mjpeg"}


@pytest.mark.parametrize("suffix", WRITTEN)
def test_usual_containers_are_read_under_their_suffixes(suffix: str, tmp_path: Path) -> None:
    codec = WRITTEN[suffix]
    if codec not in av.codecs_available:
        pytest.skip(f"this FFmpeg has no encoder {codec}")
    path = tmp_path / f"a{suffix.upper()}"
    pix_fmt = {"gif": "rgb8", "mjpeg": "yuvj420p"}.get(codec, "yuv420p")
    with av.open(str(path), "w", format=FORMAT_OF.get(suffix)) as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 352, 288, pix_fmt
        for number in range(9):
            pixels = np.full((288, 352, 3), 20 + 20 * number, dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    assert is_video_name(path.name)
    (data,), remarks = remarked(lambda: read(path))
    assert abs(float(pixels_of(data).mean()) - 100) < 20 and not remarks


def test_every_container_is_one_that_ffmpeg_knows() -> None:
    known = {name for listed in av.formats_available for name in listed.split(",")}
    assert {*FORMATS.split(",")} <= known
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in VIDEO_SUFFIXES)


def test_names_of_videos() -> None:
    assert all(map(is_video_name, ["a.MP4", "a.b.Flv", "x.gif"]))
    assert (kind_of_suffix(".GIF"), kind_of_suffix(".Mp4"), kind_of_suffix(".txt")) == ("either", "video", None)
    assert not any(map(is_video_name, ["a.txt", "mp4", "a.ogg", "a.m3u8", "a.jpg"]))


def test_noise_is_the_same_pixels_as_before(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", map(frame, range(3)), *LOSSLESS)
    np.testing.assert_array_equal(pixels_of(read(path)[0]), frame(1))
