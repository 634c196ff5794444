"""RareAct's annotations and the segments of its videos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from data.layouts import write_folder
from data.videos import LOSSLESS, flat, frame, pixels_of, write_video
from said import remarked

from vlmbench.cards import SourceSpec
from vlmbench.data.base import ClipDataset, SourceContext
from vlmbench.data.formats.clips.video import read_segment_frames
from vlmbench.data.sources.rareact import AnnotatedActions, RareAct, open_source
from vlmbench.errors import BadSampleError, DataError, LabelError, MissingDataError, UsageError

HEADER = "id,video_id,start,end,class_id,verb,noun,annotation"
ROWS = ("0,abc,0,1,0,cut,phone,1", "1,abc,1,3,1,wash,rock,0", "2,gone,0,1,0,cut,phone,3")


def written(root: Path, *rows: str) -> Path:
    write_folder(root, {"rareact.csv": "\n".join([HEADER, *rows]).encode()})
    return root


def opened(root: Path, target: str = "annotated class", **options: object) -> RareAct:
    spec = SourceSpec(kind="rareact", location=str(root), options=options)
    dataset = open_source(spec, SourceContext(target=target))  # type: ignore[arg-type]
    assert isinstance(dataset, RareAct)
    return dataset


def test_segments_are_read_by_their_seconds(tmp_path: Path) -> None:
    write_video(written(tmp_path, *ROWS) / "videos" / "abc.mkv", map(frame, range(40)), *LOSSLESS)  # ten a second
    dataset = opened(tmp_path)
    assert isinstance(dataset, ClipDataset) and isinstance(dataset, AnnotatedActions)
    assert dataset.classes == ("cut phone", "wash rock")
    assert [(s.id, s.target) for s in dataset.samples] == [("0 abc 0-1", 0), ("1 abc 1-3", 1), ("2 gone 0-1", 0)]
    np.testing.assert_array_equal(pixels_of(dataset.read(0)), frame(5))
    np.testing.assert_array_equal(pixels_of(dataset.read(1)), frame(20))
    two = list(opened(tmp_path, frames=2).read_frames(1))
    np.testing.assert_array_equal([pixels_of(data) for data in two], [frame(15), frame(25)])
    with pytest.raises(BadSampleError, match="the video 'gone' is missing"):
        dataset.read(2)
    with pytest.raises(DataError, match="each clip has 2 frames"):
        opened(tmp_path, frames=2).read(0)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi"])
@pytest.mark.parametrize("codec", ["mpeg4", "libx264"])
def test_reordered_frames_are_found_in_every_segment(tmp_path: Path, name: str, codec: str) -> None:
    """A seek goes by times of decoding, and AVI has no others."""
    path = write_video(tmp_path / name, map(flat, range(32)), codec, "yuv420p", reordered=True)
    for start in range(28):
        (data,) = read_segment_frames(path, (start / 10, (start + 3) / 10), 1, "x")
        assert abs(float(pixels_of(data).mean()) - float(flat(start + 1).mean())) < 3.5, start


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mp4", "libx264"), ("a.webm", "libvpx"), ("a.mkv", "mpeg4"), ("a.avi", "mpeg4")]
)
def test_usual_containers_find_the_segment(tmp_path: Path, name: str, codec: str) -> None:
    path = write_video(tmp_path / name, map(flat, range(30)), codec, "yuv420p")
    for seconds, number in {(0, 1): 5, (1, 2): 15, (2.5, 9): 27}.items():
        (data,) = read_segment_frames(path, seconds, 1, "x")
        assert abs(float(pixels_of(data).mean()) - float(flat(number).mean())) < 3.5
    with pytest.raises(BadSampleError, match="no frames between 10 and 20 seconds"):
        list(read_segment_frames(path, (10, 20), 1, "x"))


def test_a_damaged_video_is_a_bad_sample(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_text("hello")
    with pytest.raises(BadSampleError, match="FFmpeg cannot read it as a video"):
        list(read_segment_frames(path, (0, 1), 1, "x"))


@pytest.mark.parametrize(
    ("rows", "error", "said"),
    [
        (["0,a,0,1,1,cut,phone,1"], LabelError, "must count from 0 without gaps"),
        (["0,a,0,1,0,cut,phone,1", "1,a,0,1,0,cut,egg,1"], LabelError, "line 3: class 0 has two names"),
        (["0,a,0,1,0,cut,phone,1", "1,a,0,1,1,cut,phone,1"], LabelError, "two classes have the same verb"),
        (["0,a,zero,1,0,cut,phone,1"], DataError, "line 2: could not convert"),
        (["0,a,0,1,0,cut,phone"], DataError, "line 2: invalid literal"),
        (["0,a,3,1,0,cut,phone,1"], DataError, "line 2: a segment must end after it starts"),
        (["0,a,0,1,0,cut,phone,5"], DataError, "its annotation must be between 0 and 4"),
        ([], LabelError, "must count from 0"),
    ],
)
def test_annotations_that_do_not_fit_are_refused(
    tmp_path: Path, rows: list[str], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        opened(written(tmp_path, *rows))


def test_what_is_no_rareact_is_said(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError):
        opened(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"rareact\.csv: cannot be read"):
        opened(tmp_path)
    write_folder(tmp_path / "other", {"rareact.csv": b"id,verb\n1,cut\n"})
    with pytest.raises(DataError, match="no columns video_id, start"):
        opened(tmp_path / "other")
    root = written(tmp_path / "good", *ROWS)
    with pytest.raises(LabelError, match=r"may or may not show its action[\s\S]*rareact-frames"):
        opened(root, target="class")
    with pytest.raises(UsageError, match="`frames` must be"):
        opened(root, frames=0)
    write_folder(root, {"a/abc.mp4": b"", "b/abc.webm": b""})
    with pytest.raises(DataError, match="the same video id"):
        opened(root)


def test_videos_that_are_missing_are_told_at_once_and_strangers_are_none(tmp_path: Path) -> None:
    root = written(tmp_path, *ROWS)
    write_folder(root, dict.fromkeys(("deep/abc.FLV", "._abc.mp4", "@eaDir/abc.mp4", "other.mp4", "notes.txt"), b""))
    dataset, (remark,) = remarked(lambda: opened(root))
    assert dataset.videos["abc"] == root / "deep" / "abc.FLV"
    assert (remark.code, remark.brief) == ("missing-images", "1 video missing")
    assert remark.sentence == (
        f"1 of the 2 videos that {root / 'rareact.csv'} names is missing; this stops the pair unless "
        "--skip-bad leaves its segments out: gone"
    )
    write_folder(root, {"gone.mkv": b""})
    assert not remarked(lambda: opened(root))[1]


def test_state_follows_videos_annotations_and_frames(tmp_path: Path) -> None:
    root = written(tmp_path, *ROWS)
    states = [opened(root).state(), opened(root).state(), opened(root, frames=2).state()]
    write_folder(root, {"abc.mp4": b"x"})
    states.append(opened(root).state())
    written(root, ROWS[0], ROWS[1].replace(",0", ",2"), ROWS[2])
    states.append(opened(root).state())
    assert states[0] == states[1] and len(set(states)) == 4
