"""What lies beside clips and their frames: it is told apart, counted or asked about."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from data.layouts import image_bytes, named, write_folder
from data.videos import flat, frame, write_video
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from said import remarked, sentences

from vlmbench.cards import SourceSpec
from vlmbench.data.base import ClipDataset, SourceContext
from vlmbench.data.formats.clips.clip_walk import frames_of
from vlmbench.data.open import open_source
from vlmbench.errors import DataError, LabelError, UsageError
from vlmbench.remarks.base import Remark


def opened(root: Path, context: SourceContext | None = None, **fields: object) -> ClipDataset:
    spec = SourceSpec.model_validate({"kind": "frames", "location": str(root), **fields})
    return open_source(spec, context or SourceContext())


def found(root: Path, **fields: object) -> tuple[list[str], list[Remark]]:
    dataset, remarks = remarked(lambda: opened(root, **fields))  # type: ignore[arg-type]
    return [sample.id for sample in dataset.samples], remarks


def touch(root: Path, *names: str) -> Path:
    return write_folder(root, dict.fromkeys(names, b""))


def series(folder: str, *patterns: str, count: int = 9) -> list[str]:
    return [f"{folder}/{pattern.format(number)}" for pattern in patterns for number in range(1, count + 1)]


FLOW = {
    "TSN": ["img_{:05d}.jpg", "flow_x_{:05d}.jpg", "flow_y_{:05d}.jpg"],
    "older": ["image_{:05d}.jpg", "x_{:05d}.jpg", "y_{:05d}.jpg"],
    "masks": ["{:05d}.jpg", "{:05d}_mask.png"],
    "folders": ["rgb/{}.jpg", "flow_x/{}.jpg", "flow_y/{}.jpg"],
    "folders u, v": ["frames/frame{:06d}.jpg", "u/frame{:06d}.jpg", "v/frame{:06d}.jpg"],
    "a folder beside": ["img_{}.jpg", "depth/{}.png"],
}


@pytest.mark.parametrize("layout", FLOW)
def test_frames_are_the_pictures(layout: str, tmp_path: Path) -> None:
    first, *others = FLOW[layout]
    for clip in ("run/a", "run/b", "jump/c"):
        files = {path: image_bytes(number, size=(48, 32)) for number, path in enumerate(series(clip, first))}
        write_folder(tmp_path, {**files, **dict.fromkeys(series(clip, *others), b"no picture")})
    dataset, (remark,) = remarked(lambda: opened(tmp_path))
    assert len(dataset.samples) == 3
    assert all(dataset.read(index) == image_bytes(4, size=(48, 32)) for index in range(3))
    assert (remark.code, remark.count) == ("files-passed-over", 3 * 9 * len(others))
    assert f"({remark.count} beside the frames of their clips, such as optical flow, depth or masks)" in remark.text
    before = dataset.state()
    (tmp_path / series("run/a", others[0])[0]).write_bytes(b"other")
    assert opened(tmp_path).state() == before  # what is not read changes nothing
    (tmp_path / series("run/a", first)[0]).write_bytes(b"other")
    assert opened(tmp_path).state() != before


def test_unclear_frames_are_asked_and_the_printed_way_works(tmp_path: Path) -> None:
    touch(tmp_path, *series("run/a", "left_{}.jpg", "right_{}.jpg"))
    with pytest.raises(
        DataError, match=r"run/a holds several series of images: left_1.jpg and 8 more; right_"
    ) as raised:
        opened(tmp_path)
    assert raised.value.hint == (
        "Name the frames by a pattern in a card's source, such as options: {frame_names: 'left_*.jpg'}."
    )
    ids, (remark,) = found(tmp_path, options={"frame_names": "left_*.jpg"})
    assert ids == ["run/a"] and remark.count == 9 and remark.examples[0] == "run/a/right_1.jpg"
    touch(tmp_path / "folders", *series("run/a", "flow_x/{}.jpg", "flow_y/{}.jpg"))
    with pytest.raises(DataError, match=r"holds the folders flow_x and flow_y, and it is unclear[\s\S]*'flow_x/\*'"):
        opened(tmp_path / "folders")
    ids, (remark,) = found(tmp_path / "folders", options={"frame_names": "flow_x/*"})
    assert ids == ["run/a/flow_x"] and remark.count == 9
    with pytest.raises(DataError, match=r"no clips in the [\s\S]*whose names match 'img_\*'"):
        opened(tmp_path, options={"frame_names": "img_*"})
    for wrong in ("", "/", 3):
        with pytest.raises(UsageError, match="`frame_names` must be a pattern"):
            opened(tmp_path, options={"frame_names": wrong})


def test_the_named_frames_are_read_and_belong_to_the_state(tmp_path: Path) -> None:
    left, right = (series("run/a", pattern) for pattern in ("left_{}.jpg", "right_{}.jpg"))
    pictures = {path: image_bytes(number) for number, path in enumerate([*left, *right])}
    write_folder(tmp_path, pictures)
    one, other = (opened(tmp_path, options={"frame_names": name}) for name in ("left_*", "right_*"))
    assert one.read(0) == image_bytes(4) and other.read(0) == image_bytes(13) and one.state() != other.state()


def test_kinds_of_pictures_are_no_classes(tmp_path: Path) -> None:
    root = touch(tmp_path, *(f"{kind}/run/a/{kind}_1.jpg" for kind in ("rgb", "flow_x", "flow_y")))
    with pytest.raises(LabelError, match=r"kinds of pictures, not classes: flow_x, flow_y and rgb") as raised:
        opened(root)
    assert raised.value.hint == f"Name one of them: -t frames:{root / 'rgb'}."
    assert found(root / "rgb")[0] == ["run/a"]
    assert len(opened(root, named("flow x", "flow y", "rgb")).samples) == 3  # if the card says that they are classes


def test_clips_may_have_any_names(tmp_path: Path) -> None:
    root = touch(tmp_path, "wear/mask/1.jpg", "wear/hat/1.jpg", "wear/depth.mp4")
    assert found(root) == (["wear/depth.mp4", "wear/hat", "wear/mask"], [])
    assert found(touch(tmp_path / "b", "run/rgb/v1/1.jpg", "run/flow/v1/1.jpg"))[0] == ["run/rgb/v1"]


STRANGERS = {
    "run/notes.txt": "of other kinds: 1 .txt",
    "run/.hidden.mp4": "hidden",
    "run/._a.mp4": "hidden",
    "run/Thumbs.db": "of the system's",
    "run/@eaDir/a.mp4": "in hidden or system folders",
    "run/clip/__MACOSX/1.jpg": "in hidden or system folders",
    "run/clip/.ipynb_checkpoints/deep/1.jpg": "in hidden or system folders",
    "run/clip/flow_x_1.jpg": "beside the frames of their clips, such as optical flow, depth or masks",
    "run/clip/depth/1.png": "beside the frames of their clips, such as optical flow, depth or masks",
    "run/clip/info.json": "of other kinds: 1 .json",
    "run/a.jpg": "beside videos",
    "run/a.gif": "beside videos",
    "run/a_flow.mp4": "named as another clip's optical flow, depth or masks",
    "loose.mp4": "beside the class folders",
    "README": "of other kinds: 1 without an ending",
    "__MACOSX/run/a.mp4": "in hidden or system folders",
}
CLEAN = ["run/a.mp4", "run/clip/img_1.jpg", "run/clip/img_2.jpg", "jump/b.AVI", "jump/deep/c.WMV"]
CLIPS = ["jump/b.AVI", "jump/deep/c.WMV", "run/a.mp4", "run/clip"]


@pytest.mark.parametrize("stranger", STRANGERS)
def test_one_stranger_of_each_kind_is_counted(stranger: str, tmp_path: Path) -> None:
    touch(tmp_path, *CLEAN, stranger)
    ids, (remark,) = found(tmp_path)
    assert ids == CLIPS
    assert remark.sentence == (
        f"1 file of frames '{tmp_path}' was passed over "
        f"({'' if STRANGERS[stranger].startswith('of another') else '1 '}"
        f"{STRANGERS[stranger].replace('of another', '1 of another')}): {stranger}"
    )


def test_a_clean_folder_has_no_remark(tmp_path: Path) -> None:
    assert found(touch(tmp_path, *CLEAN)) == (CLIPS, [])


FOLDERS = st.sampled_from(["a_", "v1", "img", "depth", "rgb", "flow_x", "u", ".hidden", "@eaDir", "group"])
STEMS = st.sampled_from(["a", "b", "img_1", "img_2", "flow_x_1", "x_1", "left_1", "left_2", ".h", "Thumbs", "a_mask"])
SUFFIXES = st.sampled_from([".jpg", ".mp4", ".png", ".txt", ".gif", ".db", ".none"])
FILES = st.tuples(st.lists(FOLDERS, max_size=3), STEMS, SUFFIXES)


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(files=st.lists(FILES, min_size=1, max_size=14))
def test_read_and_remarked_are_all_files(
    files: list[tuple[list[str], str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = touch(
        tmp_path_factory.mktemp("set"), *("/".join(["class", *folders, stem + end]) for folders, stem, end in files)
    )
    try:
        dataset, remarks = remarked(lambda: opened(root))
    except DataError:
        return  # refused as a whole
    read = sum(
        len(frames_of(root / sample.id, sample.id, None)) if (root / sample.id).is_dir() else 1
        for sample in dataset.samples
    )
    total = sum(path.is_file() for path in root.rglob("*"))
    assert read + sum(remark.count for remark in remarks) == total


def test_classes_without_a_clip_are_told(tmp_path: Path) -> None:
    touch(tmp_path, *CLEAN, "sit/notes.md")
    ids, remarks = found(tmp_path)
    assert ids == CLIPS and [(remark.code, remark.count) for remark in remarks] == [
        ("files-passed-over", 1),
        ("empty-classes", 1),
    ]
    assert remarks[1].sentence == f"1 of the 3 class folders of frames '{tmp_path}' holds no clip: sit"
    assert remarks[1].brief == "1 class without a clip"


def test_splits_are_no_classes(tmp_path: Path) -> None:
    root = touch(tmp_path, "train/run/a.mp4", "test/run/b.mp4")
    with pytest.raises(DataError, match=r"-t frames:.*/test"):
        opened(root)


def test_a_list_counts_what_is_in_its_clips(tmp_path: Path) -> None:
    touch(tmp_path, *series("run/a", *FLOW["TSN"]), *series("run/b", *FLOW["TSN"]), "run/notes.txt")
    write_folder(tmp_path, {"list.txt": b"run/a 9 0\n"})
    ids, (remark,) = found(tmp_path, options={"list": "list.txt"})
    assert ids == ["run/a"] and remark.count == 18


def test_lists_that_lack_clips_or_name_splits(tmp_path: Path) -> None:
    touch(tmp_path / "val", "baking_cookies/abc_000012_000022.mp4")
    lines = "Label,youtube_id,time_start,time_end,split\nbaking cookies,abc,12,22,val\nbaking cookies,gone,0,10,{}\n"
    write_folder(tmp_path, {"val.csv": lines.format("val").encode(), "all.csv": lines.format("train").encode()})
    ids, (remark,) = found(tmp_path, split="val", options={"list": "val.csv", "partial": True})
    assert ids == ["baking_cookies/abc_000012_000022.mp4"]
    assert remark.code == "missing-images" and remark.sentence == (
        f"1 of the 2 clips that {tmp_path / 'val.csv'} lists is missing and was left out, as `partial` asks: "
        "baking cookies/gone_000000_000010.mp4"
    )
    assert found(tmp_path, split="val", options={"list": "all.csv"}) == (ids, [])
    with pytest.raises(DataError, match=r"all.csv: it lists the splits train and val\nName one of them as `split`"):
        opened(tmp_path / "val", options={"list": "../all.csv"})


def gif(path: Path, count: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures = [Image.open(io.BytesIO(image_bytes(number, size=(48, 32)))).convert("P") for number in range(count)]
    pictures[0].save(path, save_all=count > 1, append_images=pictures[1:])


def test_gifs_are_clips_where_clips_are_and_frames_where_frames_are(tmp_path: Path) -> None:
    pytest.importorskip("av", reason="the video extra is not installed")
    gif(tmp_path / "run" / "a.gif", 5)
    for number in range(3):
        gif(tmp_path / "run" / "frames_of_b" / f"{number}.gif", 1)
        gif(tmp_path / "run" / "group" / f"{number}.GIF", 4)
    ids, remarks = found(tmp_path)
    assert ids == ["run/a.gif", "run/frames_of_b", "run/group/0.GIF", "run/group/1.GIF", "run/group/2.GIF"]
    assert not remarks
    middle = Image.open(io.BytesIO(opened(tmp_path).read(0))).convert("RGB")
    expected = Image.open(io.BytesIO(image_bytes(2, size=(48, 32)))).convert("P").convert("RGB")
    assert middle.tobytes() == expected.tobytes()


def test_what_is_decoded_is_told_each_time(tmp_path: Path) -> None:
    pytest.importorskip("av", reason="the video extra is not installed")
    import av

    path = write_video(tmp_path / "run" / "a.mkv", map(frame, range(3)), "ffv1", "bgra")
    write_video(tmp_path / "run" / "b.mp4", map(flat, range(3)), "libx264", "yuv420p")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "bgra"
        clear = av.VideoFrame.from_ndarray(frame(1), format="rgb24").reformat(format="bgra").to_ndarray()
        clear[:, :, 3] = 0
        container.mux(stream.encode(av.VideoFrame.from_ndarray(clear, format="bgra")))
        container.mux(stream.encode())
    dataset = opened(tmp_path)
    for _ in range(2):
        assert sentences(lambda: [dataset.read(index) for index in range(2)]) == [
            "transparency: 1 image is transparent in places, and white was put behind it: run/a.mkv"
        ]
