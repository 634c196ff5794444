"""Image folders: what counts as an image, and everything that can be wrong with a folder."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import toy_adapter
from command_line import command
from data.image_folders import opened, two_classes
from data.layouts import image_bytes, named, write_folder
from hypothesis import given, settings
from hypothesis import strategies as st
from said import remarked, sentences

from vlmbench.data.base import SourceContext
from vlmbench.errors import BadSampleError, DataError, LabelError, MissingDataError, UsageError

assert toy_adapter  # its model is registered


def test_images_are_found_at_any_depth_in_any_case_and_nothing_else_is(tmp_path: Path) -> None:
    root = write_folder(
        tmp_path,
        {
            "b/deep/er/Z.JPEG": b"1",
            "b/a.tiff": b"2",
            "b/.hidden.png": b"3",
            "b/.git/x.png": b"4",
            "b/notes.txt": b"5",
            "b/noextension": b"6",
            ".cache/x.png": b"7",
            "loose.png": b"8",
            "classnames.txt": b"zzz",
        },
    )
    assert [sample.id for sample in opened(root).samples] == ["b/a.tiff", "b/deep/er/Z.JPEG"]


def test_an_empty_class_folder_is_a_class(tmp_path: Path) -> None:
    root = two_classes(tmp_path)
    (root / "bird").mkdir()
    dataset = opened(root, named("bird", "cat", "sea lion"))
    assert [sample.target for sample in dataset.samples] == [1, 2]


def test_links_are_followed_and_loops_are_not(tmp_path: Path) -> None:
    write_folder(tmp_path / "store", {"1.png": b"1"})
    root = write_folder(tmp_path / "set", {"cat/2.png": b"2"})
    (root / "cat" / "linked").symlink_to(tmp_path / "store", target_is_directory=True)
    (root / "cat" / "3.png").symlink_to(tmp_path / "store" / "1.png")
    (root / "cat" / "up").symlink_to(root, target_is_directory=True)
    (root / "cat" / "self").symlink_to(root / "cat", target_is_directory=True)
    (root / "dog").symlink_to(tmp_path / "store", target_is_directory=True)
    dataset = opened(root)
    assert [s.id for s in dataset.samples] == ["cat/2.png", "cat/3.png", "cat/linked/1.png", "dog/1.png"]
    assert dataset.read(1) == b"1"


def test_unreadable_files_are_bad_samples_that_are_counted(tmp_path: Path) -> None:
    root = write_folder(tmp_path, {"cat/gone.png": b"1", "cat/ok.png": b"2"})
    (root / "cat" / "broken.png").symlink_to(root / "nowhere.png")
    (root / "cat" / "circle.png").symlink_to(root / "cat" / "circle.png")
    os.mkfifo(root / "cat" / "pipe.png")
    dataset = opened(root)
    (root / "cat" / "gone.png").unlink()
    reasons = {}
    for index, sample in enumerate(dataset.samples):
        try:
            dataset.read(index)
        except BadSampleError as error:
            reasons[sample.id] = error.reason
    assert set(reasons) == {f"cat/{name}.png" for name in ("broken", "circle", "gone", "pipe")}
    assert "No such file" in reasons["cat/gone.png"]
    assert reasons["cat/pipe.png"] == "not a regular file"


def test_denied_permission_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = opened(two_classes(tmp_path))

    def deny(*_: object) -> None:  # a mode of 000 would not stop root, who runs many containers
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", deny)
        with pytest.raises(BadSampleError, match=r"'cat/2.png': cannot be read: Permission denied"):
            dataset.read(0)
    with monkeypatch.context() as patched:
        patched.setattr(os, "scandir", deny)
        with pytest.raises(DataError, match=r"folder .* cannot be read: Permission denied"):
            opened(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "exists", deny)
        with pytest.raises(DataError, match=r"cannot be looked at: Permission denied"):
            opened(tmp_path)


def test_state_follows_names_sizes_and_times(tmp_path: Path) -> None:
    root = two_classes(tmp_path)
    states = [opened(root).state(), opened(root).state()]
    assert states[0] == states[1]
    os.utime(root / "cat" / "2.png", ns=(1, 1))
    states.append(opened(root).state())
    (root / "cat" / "2.png").rename(root / "cat" / "3.png")
    states.append(opened(root).state())
    states.append(opened(root, folders=["sea_lion", "cat"]).state())
    dataset = opened(root)
    (root / "cat" / "3.png").unlink()
    states.append(dataset.state())
    assert len(set(states)) == 5


def test_the_place_is_looked_for_under_the_data_root_then_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    two_classes(tmp_path / "root" / "pets")
    write_folder(tmp_path / "here", {"pets/cat/9.png": b"9", "toys/car/1.png": b"1"})
    monkeypatch.chdir(tmp_path / "here")
    context = SourceContext(data_root=tmp_path / "root")
    assert len(opened(Path("pets"), context).samples) == 2
    assert len(opened(Path("pets")).samples) == 1
    assert len(opened(Path("toys"), context).samples) == 1
    monkeypatch.setenv("HOME", str(tmp_path / "root"))
    assert len(opened(Path("~/pets")).samples) == 2
    with pytest.raises(MissingDataError) as raised:
        opened(Path("cars"), context)
    assert str(tmp_path / "root" / "cars") in str(raised.value)
    assert str(tmp_path / "here" / "cars") in str(raised.value)


def test_a_split_is_a_folder_between(tmp_path: Path) -> None:
    two_classes(tmp_path / "val")
    assert opened(tmp_path, split="val").info.split == "val"
    with pytest.raises(MissingDataError, match="no split 'test' in"):
        opened(tmp_path, split="test")


def test_other_locations_are_tried_in_order_under_each_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    context = SourceContext(data_root=tmp_path / "root")
    two_classes(tmp_path / "here" / "a")
    assert opened(Path("a"), context, other_locations=["b", "c"]).info.location == "a"
    two_classes(tmp_path / "root" / "c")
    assert opened(Path("a"), context, other_locations=["b", "c"]).info.location == "c", "the data root comes first"
    two_classes(tmp_path / "root" / "b")
    assert opened(Path("a"), context, other_locations=["b", "c"]).info.location == "b"
    with pytest.raises(MissingDataError, match=r"not found at x, y \(looked in .*root and .*here\)"):
        opened(Path("x"), context, other_locations=["y"])


def test_other_folders_are_ignored_only_where_the_card_says_so(tmp_path: Path) -> None:
    write_folder(two_classes(tmp_path), {"dog/3.png": image_bytes(3)})
    for fields, context in (({"folders": ["sea_lion", "cat"]}, SourceContext()), ({}, named("sea lion", "cat"))):
        with pytest.raises(LabelError, match="1 unexpected: dog"):
            opened(tmp_path, context, **fields)
        dataset = opened(tmp_path, context, options={"other_folders": "ignore"}, **fields)
        assert [(s.id, s.target) for s in dataset.samples] == [("sea_lion/1.png", 0), ("cat/2.png", 1)]
        with pytest.raises(UsageError, match="'refuse' or 'ignore', not 'skip'"):
            opened(tmp_path, context, options={"other_folders": "skip"}, **fields)
    with pytest.raises(LabelError, match="1 missing: eel"):
        opened(tmp_path, folders=["cat", "eel"], options={"other_folders": "ignore"})


def test_a_shared_name_without_any_of_the_classes_is_another_datasets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_classes(tmp_path / "here" / "val")
    monkeypatch.chdir(tmp_path / "here")
    write_folder(tmp_path / "root", {"val/n01/1.png": b"1"})
    context = SourceContext(data_root=tmp_path / "root", class_names=("cat", "sea lion"))
    shared = {"options": {"shared": True}}
    assert opened(Path("val"), context, **shared).read(0) == image_bytes(2), "the one here has them"
    (tmp_path / "root" / "val" / "cat").mkdir()
    with pytest.raises(LabelError, match="1 missing: sea lion; 1 unexpected: n01"):
        opened(Path("val"), context, **shared)
    for path in ("flat/val/1.png", "file/val"):
        write_folder(tmp_path / path.split("/")[0], {path.split("/", 1)[1]: b"1"})
        root = tmp_path / path.split("/")[0]
        monkeypatch.chdir(root)
        with pytest.raises(MissingDataError, match="val"):
            opened(Path("val"), SourceContext(data_root=root, class_names=("cat", "sea lion")), **shared)
    monkeypatch.chdir(tmp_path / "flat")
    with pytest.raises(MissingDataError, match=r"val \(it exists, but has none of the 2 class folders\)"):
        opened(Path("val"), named("cat", "sea lion"), **shared)
    with pytest.raises(MissingDataError, match="none of the 1 class folders"):
        opened(Path("val"), folders=["n02"], **shared)
    with pytest.raises(UsageError, match="shared is true or false, not 'no'"):
        opened(Path("val"), options={"shared": "no"})
    with pytest.raises(UsageError, match="must name its classes"):
        opened(Path("val"), **shared)


def test_what_is_no_image_folder_is_said(tmp_path: Path) -> None:
    flat = write_folder(tmp_path / "flat", {"1.png": b"1", "2.jpg": b"2"})
    with pytest.raises(LabelError, match=r"no class folders, but 2 images directly in it\nExpected: "):
        opened(flat)
    with pytest.raises(LabelError, match="has no class folders"):
        opened(write_folder(tmp_path / "empty", {}))
    with pytest.raises(DataError, match="no images in the 1 class folder"):
        opened(write_folder(tmp_path / "docs", {"cat/a.txt": b"1"}))
    with pytest.raises(DataError, match="is a file, not a folder"):
        opened(flat / "1.png")
    with pytest.raises(LabelError, match="multi-label"):
        opened(flat, SourceContext(target="classes"))
    with pytest.raises(UsageError, match="unknown option 'recursive'"):
        opened(flat, options={"recursive": True})


def test_real_cifar10(real_data: Path) -> None:
    names = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    dataset = opened(real_data / "cifar10" / "test", named(*names))
    assert [sum(s.target == label for s in dataset.samples) for label in range(10)] == [60] * 10
    assert all(sample.id.startswith(f"{names[sample.target]}/") for sample in dataset.samples)  # type: ignore[index]


def test_real_imagenet_by_its_wordnet_folders(real_data: Path) -> None:
    root = real_data / "imagenet-sample" / "val"
    folders = sorted(path.name for path in root.iterdir())
    dataset = opened(root, named(*(f"class {i}" for i in range(1000))), folders=folders)
    assert [sample.target for sample in dataset.samples] == list(range(1000))


STRANGERS = {
    "cat/a.heic": "in HEIC",
    "cat/without ending": "of other kinds",
    "dog/b.png.download": "of other kinds",
    "readme.md": "of other kinds",
    "loose.JPG": "beside the class folders",
    "cat/.DS_Store": "hidden",
    ".hidden.png": "hidden",
    "dog/Thumbs.db": "of the system's",
    "__MACOSX/cat/._1.png": "in hidden or system folders",
    "@eaDir/cat/1.png@SynoEAStream": "in hidden or system folders",
    "lost+found/1.png": "in hidden or system folders",
    "cat/.ipynb_checkpoints/1-checkpoint.png": "in hidden or system folders",
    "dog/sub/@eaDir/2.png": "in hidden or system folders",
}
"""What lies beside images, and why it is passed over."""


@settings(max_examples=40, deadline=None)
@given(st.sets(st.sampled_from(sorted(STRANGERS))))
def test_strangers_are_counted_by_reason_and_never_read(strangers: set[str]) -> None:
    images = ["cat/1.png", "cat/2.JFIF", "dog/sub/1.avif", "dog/x.jpg/2.png"]
    with TemporaryDirectory() as top:
        root = write_folder(Path(top), dict.fromkeys((*images, *strangers), b"x"))
        dataset, said = remarked(lambda: opened(root))
    assert [sample.id for sample in dataset.samples] == images and dataset.classes == ("cat", "dog")
    assert [(remark.code, remark.count) for remark in said] == [("files-passed-over", len(strangers))] * bool(strangers)
    for reason, count in Counter(STRANGERS[path] for path in strangers).items():
        assert f"{count} {reason}" in said[0].text


@pytest.mark.parametrize("path", STRANGERS)
def test_each_stranger_fails_under_strict(path: str, tmp_path: Path) -> None:
    pictures = {f"set/{name}/1.png": image_bytes(i) for i, name in enumerate(("cat", "dog"))}
    write_folder(tmp_path, {**pictures, f"set/{path}": b"x"})
    run = ("run", "-m", "toy:a", "-t", f"imagefolder:{tmp_path / 'set'}", "--no-cache", "--results", tmp_path / "runs")
    done = command(*run, "--strict", code=1)
    assert "1 file of imagefolder" in done.stderr and "[files-passed-over]" in done.stderr
    assert "1 file passed over" in command(*run, code=0).stdout


def test_class_folders_without_an_image_are_remarked(tmp_path: Path) -> None:
    root = write_folder(two_classes(tmp_path), {"bird/list.txt": b"x", "eel/deep/.x": b"x"})
    (root / "fox").mkdir()
    (root / "cat" / "up").symlink_to(root)
    (root / "gnu").symlink_to(root)
    assert sentences(lambda: opened(root)) == [
        f"files-passed-over: 2 files of imagefolder '{root}' were passed over (1 hidden; 1 of other kinds: "
        "1 .txt): bird/list.txt, eel/deep/.x",
        f"empty-classes: 4 of the 6 class folders of imagefolder '{root}' hold no image: bird, eel, fox, …",
    ]
    with pytest.raises(DataError, match=r"no images in the 1 class .*: 2 in HEIC.*pillow-heif\n"):
        opened(write_folder(tmp_path / "phone", {"cat/1.HEIC": b"x", "cat/2.heic": b"x"}))


def test_folders_without_junk_are_the_classes(tmp_path: Path) -> None:
    root = two_classes(tmp_path)
    for name in ("__MACOSX", "@eaDir", "lost+found", ".ipynb_checkpoints", "$RECYCLE.BIN", "System Volume Information"):
        (root / name / "cat").mkdir(parents=True)
    dataset, said = remarked(lambda: opened(root))
    assert dataset.classes == ("cat", "sea lion") and not said, "empty folders hold no files"
