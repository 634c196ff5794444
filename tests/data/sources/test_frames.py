"""Folders of clips: what is a clip, labels, lists, options, and everything that can be wrong with them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from data.layouts import image_bytes, named, write_folder
from data.videos import LOSSLESS, flat, frame, pixels_of, write_frames, write_video

from vlmbench.cards import SourceSpec
from vlmbench.data.base import ClipDataset, SourceContext, content_sha256, frames_per_sample
from vlmbench.data.open import open_source
from vlmbench.data.sources.imagefolder import open_source as open_images
from vlmbench.errors import BadSampleError, DataError, LabelError, MissingDataError, UsageError


def opened(root: Path, context: SourceContext | None = None, **fields: object) -> ClipDataset:
    spec = SourceSpec.model_validate({"kind": "frames", "location": str(root), **fields})
    return open_source(spec, context or SourceContext())


def ids(dataset: ClipDataset) -> list[tuple[str, object]]:
    return [(sample.id, sample.target) for sample in dataset.samples]


def touch(root: Path, *names: str) -> Path:
    return write_folder(root, dict.fromkeys(names, b""))


def test_videos_and_folders_of_frames_are_clips_in_natural_order(tmp_path: Path) -> None:
    root = touch(
        tmp_path,
        "run/v10.avi",
        "run/v2.AVI",
        "run/deep/er/x.MP4",
        "run/v3/frame1.jpg",
        "run/notes.txt",
        "run/v2.jpg",
        "run/.hidden.mp4",
        "jump/one/1.png",
        "jump/group/two/1.png",
        "loose.mp4",
    )
    assert ids(opened(root)) == [
        ("jump/group/two", 0),
        ("jump/one", 0),
        ("run/deep/er/x.MP4", 1),
        ("run/v2.AVI", 1),
        ("run/v3", 1),
        ("run/v10.avi", 1),
    ]
    assert opened(root).classes == ("jump", "run")


def test_the_middle_frame_in_natural_order(tmp_path: Path) -> None:
    write_frames(tmp_path / "run" / "a", range(11))  # frame10 sorts before frame2 as text
    dataset = opened(tmp_path)
    assert isinstance(dataset, ClipDataset) and frames_per_sample(dataset) == 1
    assert dataset.read(0) == image_bytes(5, size=(48, 32)) == next(dataset.read_frames(0))
    several = opened(tmp_path, options={"frames": 3})
    assert list(several.read_frames(0)) == [image_bytes(number, size=(48, 32)) for number in (1, 5, 9)]


def test_a_folder_of_frames_is_the_video_of_the_same_frames(tmp_path: Path) -> None:
    write_video(tmp_path / "run" / "a.mkv", map(frame, range(7)), *LOSSLESS)
    write_frames(tmp_path / "run" / "b", range(7))
    dataset = opened(tmp_path, options={"frames": 2})
    video, folder = (list(map(pixels_of, dataset.read_frames(index))) for index in (0, 1))
    np.testing.assert_array_equal(video, folder)


def test_several_frames_are_no_single_image(tmp_path: Path) -> None:
    write_frames(tmp_path / "run" / "a", range(4))
    with pytest.raises(DataError, match="each clip has 2 frames"):
        opened(tmp_path, options={"frames": 2}).read(0)


def test_the_content_hash_is_the_frames(tmp_path: Path) -> None:
    write_frames(tmp_path / "run" / "a", range(4))
    write_frames(tmp_path / "run" / "b", [0, 1, 2, 9])
    write_frames(tmp_path / "run" / "c", [3, 1, 2, 0])
    two = opened(tmp_path, options={"frames": 2})  # frames 1 and 3 of four
    hashes = [content_sha256(two, index) for index in range(3)]
    assert len(set(hashes)) == 3
    one = opened(tmp_path)  # frame 2 of four, the same image in all
    (same,) = {content_sha256(one, index) for index in range(3)}
    write_folder(tmp_path / "images", {"run/x.png": image_bytes(2, size=(48, 32))})
    images = open_images(SourceSpec(kind="imagefolder", location=str(tmp_path / "images")), SourceContext())
    assert same == content_sha256(images, 0)


def test_labels_come_as_for_image_folders(tmp_path: Path) -> None:
    root = touch(tmp_path, "HandstandWalking/a.avi", "Archery/b.avi")
    assert ids(opened(root, named("Handstand Walking", "Archery"), folders=["HandstandWalking", "Archery"])) == [
        ("HandstandWalking/a.avi", 0),
        ("Archery/b.avi", 1),
    ]
    with pytest.raises(LabelError, match="1 missing: handstand walking; 1 unexpected: HandstandWalking"):
        opened(root, named("handstand walking", "archery"))
    with pytest.raises(LabelError, match="gives each clip one class"):
        opened(root, SourceContext(target="classes"))


def test_a_clip_whose_frames_are_lost_is_a_bad_sample(tmp_path: Path) -> None:
    write_frames(tmp_path / "run" / "a", range(3))
    (tmp_path / "run" / "empty").mkdir()
    (tmp_path / "run" / "gone.mp4").symlink_to(tmp_path / "nowhere")
    (tmp_path / "stand").mkdir()  # a class without clips is one
    dataset = opened(tmp_path)
    assert ids(dataset) == [("run/a", 0), ("run/empty", 0), ("run/gone.mp4", 0)]
    with pytest.raises(BadSampleError, match="'run/empty': the folder holds no frames"):
        dataset.read(1)
    with pytest.raises(BadSampleError, match=r"'run/gone\.mp4': cannot be read: No such file"):
        dataset.read(2)


def test_links_in_a_circle_are_not_followed(tmp_path: Path) -> None:
    root = touch(tmp_path / "set", "run/a.mp4")
    (root / "run" / "up").symlink_to(root, target_is_directory=True)
    (root / "run" / "self").symlink_to(root / "run" / "self")
    assert ids(opened(root)) == [("run/a.mp4", 0)]


def test_what_is_no_folder_of_clips_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds images[\s\S]*imagefolder"):
        opened(touch(tmp_path / "images", "run/1.jpg"))
    with pytest.raises(LabelError, match=r"no class folders, but 1 clip directly in it\nExpected: .*/<any name>.mp4"):
        opened(touch(tmp_path / "flat", "a.mp4"))
    with pytest.raises(DataError, match="no clips in the 1 class folder"):
        opened(touch(tmp_path / "text", "run/a.txt"))
    with pytest.raises(MissingDataError):
        opened(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"frames": 0}, "`frames` must be a whole number above 0, not 0"),
        ({"frames": "8"}, "`frames` must be"),
        ({"frames": True}, "`frames` must be"),
        ({"list": 3}, "`list` must be the path"),
        ({"partial": "yes"}, "`partial` must be true or false"),
        ({"frame": 3}, "unknown option 'frame'"),
    ],
)
def test_wrong_options_are_refused(tmp_path: Path, options: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        opened(touch(tmp_path, "run/a.mp4"), options=options)


UCF = ("Archery/v_g01_c01.avi", "Archery/v_g02_c01.avi", "Fencing/v_g01_c01.avi", "Fencing/v_g02_c01.avi")


@pytest.mark.parametrize(
    "text",
    ["Fencing/v_g01_c01.avi\nArchery/v_g02_c01.avi\n", "\ufeffFencing/v_g01_c01.avi 2\r\nArchery/v_g02_c01.avi 1"],
)
@pytest.mark.parametrize("place", ["UCF-101/list.txt", "lists/list.txt"])
def test_a_list_chooses_clips(tmp_path: Path, text: str, place: str) -> None:
    root = touch(tmp_path / "UCF-101", *UCF)
    write_folder(tmp_path, {place: text.encode()})
    name = "list.txt" if place.startswith("UCF") else place
    assert ids(opened(root, options={"list": name})) == [("Archery/v_g02_c01.avi", 0), ("Fencing/v_g01_c01.avi", 1)]


def test_a_list_finds_folders_of_frames_of_its_videos(tmp_path: Path) -> None:
    root = touch(tmp_path, "Archery/v_1/0.jpg", "Archery/v 1 3/0.jpg", "Fencing/v_1/0.jpg", "Fencing/w.2/0.jpg")
    write_folder(tmp_path, {"list.txt": b"Archery/v_1.avi 1\nFencing/w.2.mp4\nArchery/v 1 3\n"})
    assert [id for id, _ in ids(opened(root, options={"list": "list.txt"}))] == [
        "Archery/v 1 3",
        "Archery/v_1",
        "Fencing/w.2",
    ]


def test_kinetics_lists_name_clips_by_id_and_seconds(tmp_path: Path) -> None:
    root = touch(tmp_path / "val", "baking_cookies/abc_000012_000022.mp4", "baking_cookies/abc_000001_000011.mp4")
    lines = "label,youtube_id,time_start,time_end,split\nbaking cookies,abc,12,22,val\nbaking cookies,gone,0,10,val\n"
    write_folder(tmp_path, {"val.csv": lines.encode()})
    with pytest.raises(
        DataError, match=r"1 of the 2 listed clips is missing: .*gone_000000_000010.mp4\n.*partial: true"
    ):
        opened(tmp_path, split="val", options={"list": "val.csv"})
    dataset = opened(tmp_path, split="val", options={"list": "val.csv", "partial": True})
    assert ids(dataset) == [("baking_cookies/abc_000012_000022.mp4", 0)]
    assert dataset.info.split == "val" and root.is_dir()


def test_lists_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    root = touch(tmp_path / "set", "run/a.mp4", "run/a.avi")
    with pytest.raises(DataError, match=r"its list 'no.txt' was not found at .*set/no.txt"):
        opened(root, options={"list": "no.txt"})
    files = {
        "empty.txt": b"\n",
        "other.txt": b"run/b.mp4\n",
        "both.txt": b"run/a.mkv\n",
        "times.csv": b"label,youtube_id,time_start,time_end\nrun,a,soon,later\n",
    }
    write_folder(root, files)
    for name, said in {
        "empty.txt": "names no clip",
        "other.txt": "1 of the 1 listed clips is missing: run/b.mp4",
        "both.txt": "2 clips may be run/a.mkv: run/a.avi and run/a.mp4",
        "times.csv": "row 2: time_start",
    }.items():
        with pytest.raises(DataError, match=said):
            opened(root, options={"list": name, "partial": True})


def test_state_follows_files_frames_and_their_number(tmp_path: Path) -> None:
    write_frames(tmp_path / "run" / "a", range(3))
    write_video(tmp_path / "run" / "b.mp4", map(flat, range(3)), "libx264", "yuv420p")
    states = [opened(tmp_path).state(), opened(tmp_path).state()]
    assert states[0] == states[1]
    states.append(opened(tmp_path, options={"frames": 2}).state())
    os.utime(tmp_path / "run" / "a" / "frame1.png", ns=(1, 1))
    states.append(opened(tmp_path).state())
    os.utime(tmp_path / "run" / "b.mp4", ns=(1, 1))
    states.append(opened(tmp_path).state())
    assert len(set(states)) == 4


def test_folders_of_frames_need_no_decoder_of_videos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(place: str) -> str:
        raise AssertionError(place)

    monkeypatch.setattr("vlmbench.data.sources.frames.decoder_version", absent)
    write_frames(tmp_path / "run" / "a", range(3))
    assert len(opened(tmp_path).read(0)) and len(opened(tmp_path).state()) == 64
    touch(tmp_path, "run/b.mp4")
    with pytest.raises(AssertionError, match="frames"):
        opened(tmp_path)
