"""Frames of video files: exactly the wanted ones, and a reason for every file that is none."""

from __future__ import annotations

import builtins
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from data.videos import LOSSLESS, Pixels, flat, frame, pixels_of, write_sound, write_video

from vlmbench.data.base import segment_centres
from vlmbench.data.formats.clips.video import decoder_version, read_video_frames
from vlmbench.errors import BadSampleError, MissingDependencyError

CODECS = [
    ("a.avi", "mpeg4", "yuv420p"),
    ("a.mp4", "libx264", "yuv420p"),
    ("a.webm", "libvpx", "yuv420p"),
    ("a.mpg", "mpeg2video", "yuv420p"),
]


def read(path: Path, frames: int = 1) -> list[bytes]:
    return list(read_video_frames(path, frames, path.name))


def reason(path: Path) -> str:
    with pytest.raises(BadSampleError) as raised:
        read(path)
    assert raised.value.sample_id == path.name
    return raised.value.reason


@pytest.mark.parametrize("count", [1, 2, 9, 10])
def test_the_middle_frame_exactly(tmp_path: Path, count: int) -> None:
    (data,) = read(write_video(tmp_path / "a.mkv", map(frame, range(count)), *LOSSLESS))
    assert data.startswith(b"P6\n48 32\n255\n") and len(data) == 13 + 48 * 32 * 3
    np.testing.assert_array_equal(pixels_of(data), frame(count // 2))


def test_several_frames_are_the_centres_of_segments(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", map(frame, range(10)), *LOSSLESS)
    for data, number in zip(read(path, 4), [1, 3, 6, 8], strict=True):
        np.testing.assert_array_equal(pixels_of(data), frame(number))


def test_a_short_video_gives_frames_more_than_once(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", map(frame, range(2)), *LOSSLESS)
    numbers = [0, 0, 1, 1, 1]
    assert segment_centres(2, 5) == numbers
    for data, number in zip(read(path, 5), numbers, strict=True):
        np.testing.assert_array_equal(pixels_of(data), frame(number))


@pytest.mark.parametrize(("name", "codec", "pix_fmt"), CODECS)
def test_usual_codecs_give_the_right_frame(tmp_path: Path, name: str, codec: str, pix_fmt: str) -> None:
    path = write_video(tmp_path / name, map(flat, range(30)), codec, pix_fmt)
    for data, number in zip(read(path, 3), [5, 15, 25], strict=True):
        assert abs(float(pixels_of(data).mean()) - float(flat(number).mean())) < 3.5


@pytest.mark.parametrize(("name", "codec", "pix_fmt"), [("a.mkv", *LOSSLESS), *CODECS[:3]])
def test_half_a_video_is_truncated(tmp_path: Path, name: str, codec: str, pix_fmt: str) -> None:
    path = write_video(tmp_path / name, map(frame, range(30)), codec, pix_fmt)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert reason(path).startswith("truncated: the video ends after")


@pytest.mark.parametrize("broken", [13, 19, 20])
def test_a_frame_that_leans_on_damage_is_damaged(tmp_path: Path, broken: int) -> None:
    path = write_video(tmp_path / "a.avi", map(changing, range(40)), "mpeg4", "yuv420p")  # keyframes: 0, 12, 24, 36
    damage(path, broken)
    assert reason(path) == "damaged: frame 20 of 40 cannot be decoded without errors"


@pytest.mark.parametrize("broken", [3, 11, 21, 38])
def test_damage_elsewhere_does_not_matter(tmp_path: Path, broken: int) -> None:
    path = write_video(tmp_path / "a.avi", map(changing, range(40)), "mpeg4", "yuv420p")
    sound = read(path)
    damage(path, broken)
    assert read(path) == sound


def changing(number: int) -> Pixels:
    """Frames so much alike that an encoder stores their differences."""
    return frame(0) // 4 * 3 + frame(number) // 4


def damage(path: Path, packet: int) -> None:
    """Overwrite the middle of a packet with noise."""
    import av

    with av.open(str(path)) as container:
        place, size = [(p.pos, p.size) for p in container.demux(video=0) if p.size][packet]
    data = bytearray(path.read_bytes())
    noise = np.random.default_rng(1).integers(0, 256, size // 2, dtype=np.uint8).tobytes()
    data[place + size // 3 : place + size // 3 + len(noise)] = noise
    path.write_bytes(data)


def test_what_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"")
    assert reason(path) == "the file is empty (0 bytes)"
    path.write_text("hello " * 100)
    assert reason(path).startswith("FFmpeg cannot read it as a video")
    path.write_bytes(bytes(5000))
    assert reason(path).startswith("FFmpeg cannot read it as a video")
    assert reason(write_sound(tmp_path / "sound.mp4")) == "the file has no video stream"
    assert "No such file" in reason(tmp_path / "gone.mp4")
    (tmp_path / "folder.mp4").mkdir()
    assert reason(tmp_path / "folder.mp4") == "not a regular file"


def test_a_playlist_opens_nothing_else(tmp_path: Path) -> None:
    video = write_video(tmp_path / "real.mp4", map(flat, range(5)), "libx264", "yuv420p")
    path = tmp_path / "a.mp4"
    for text in (
        f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{video}\n#EXT-X-ENDLIST\n",
        f"ffconcat version 1.0\nfile '{video}'\n",
    ):
        path.write_text(text)
        assert reason(path).startswith("FFmpeg cannot read it as a video")


def test_a_frame_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "a.mp4", map(flat, range(5)), "libx264", "yuv420p")
    monkeypatch.setattr("vlmbench.data.formats.clips.video._MAX_PIXELS", 100)
    assert "FFmpeg cannot read it as a video, or it is damaged" in reason(path)


def test_random_damage_is_a_reason_or_a_frame_and_never_a_crash(tmp_path: Path) -> None:
    """In a process of its own: a crash of a C library would take the tests with it."""
    script = """
import sys
from pathlib import Path
import numpy as np
from vlmbench.data.formats.clips.video import read_video_frames
from vlmbench.errors import BadSampleError
random = np.random.default_rng(0)
outcomes = {True: 0, False: 0}
for path in map(Path, sys.argv[1:]):
    sound = path.read_bytes()
    for _ in range(25):
        data = bytearray(sound)
        for place in random.integers(0, len(data), random.integers(1, 30)):
            data[place] = random.integers(0, 256)
        path.write_bytes(bytes(data[: random.integers(len(data) // 2, len(data) + 1)]))
        try:
            outcomes[len(list(read_video_frames(path, 3, "x"))) == 3] += 1
        except BadSampleError as error:
            assert error.reason
            outcomes[False] += 1
print(outcomes)
"""
    paths = [write_video(tmp_path / name, map(frame, range(12)), codec, fmt) for name, codec, fmt in CODECS]
    command = [sys.executable, "-c", script, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "True: 0" not in done.stdout and "False: 0" not in done.stdout


def test_threads_read_side_by_side(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", map(frame, range(10)), *LOSSLESS)
    found: list[list[bytes]] = []
    threads = [threading.Thread(target=lambda: found.append(read(path, 2))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [read(path, 2)] * 8


def test_without_pyav_the_way_out_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "a.mkv", map(frame, range(2)), *LOSSLESS)
    real = builtins.__import__

    def absent(name: str, *rest: object) -> object:
        if name == "av":
            raise ImportError("No module named 'av'")
        return real(name, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", absent)
    for call in (lambda: read(path), lambda: decoder_version("frames 'x'")):
        with pytest.raises(MissingDependencyError, match=r"PyAV[\s\S]*pip install 'vlmbench\[video\]'"):
            call()
