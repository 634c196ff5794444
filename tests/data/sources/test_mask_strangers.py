"""Every file beside images and masks is read, counted in a remark, or refused."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from pathlib import Path

import pytest
import toy_dense
from command_line import command
from data.layouts import write_folder
from data.mask_files import filled
from data.mask_sets import PICTURE, firsts, ids, opened, pairs
from hypothesis import given, settings
from hypothesis import strategies as st
from said import remarked

from vlmbench.errors import DataError

assert toy_dense  # its models are registered
STRANGERS = {
    "images/notes.txt": "of other kinds",
    "images/clip.mp4": "of other kinds",
    "images/.DS_Store": "hidden",
    "images/._a.jpg": "hidden",
    "images/Thumbs.db": "of the system's",
    "images/@eaDir/a.jpg": "in hidden or system folders",
    "images/.ipynb_checkpoints/a-checkpoint.jpg": "in hidden or system folders",
    "images/lone.webp": "without a mask",
    "images/deep/lone.JPG": "without a mask",
    "masks/notes.csv": "of other kinds",
    "masks/._a.png": "hidden",
    "masks/lost+found/x": "in hidden or system folders",
    "masks/other.png": "without an image",
    "masks/other2.TIF": "without an image",
    "__MACOSX/images/._a.jpg": "in hidden or system folders",
    "desktop.ini": "of the system's",
    ".hidden": "hidden",
    "loose.jpg": "beside the folders",
}
READ = pairs("images", "masks")


def test_one_stranger_of_each_kind_is_counted(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "set", {**READ, **dict.fromkeys(STRANGERS, PICTURE)})
    dataset, said = remarked(lambda: opened(root))
    assert ids(dataset) == ["a.jpg", "b.jpg"] and firsts(dataset) == [0, 1]
    (remark,) = said
    assert remark.code == "files-passed-over" and remark.count == len(STRANGERS)
    assert len(READ) + remark.count == sum(len(files) for _, _, files in os.walk(root)), "read + remarked = found"
    for reason, count in Counter(STRANGERS.values()).items():
        assert f"{count} {reason}" in remark.text
    assert "2 without a mask; 2 without an image" in remark.text
    # What describes a dataset is no stranger beside its folders.
    write_folder(root, {"README.md": b"", "classes.txt": b"", "data.yaml": b"", "Annotations/a.xml": b""})
    assert remarked(lambda: opened(root))[1] == said


@pytest.mark.parametrize("stranger", STRANGERS)
def test_each_stranger_fails_a_strict_run(stranger: str, tmp_path: Path) -> None:
    root = write_folder(tmp_path / "set", {**READ, stranger: PICTURE})
    _, (said,) = remarked(lambda: opened(root))
    assert said.count == 1 and STRANGERS[stranger] in said.text and said.examples == (stranger,)


def test_a_strict_run_fails_for_a_stranger_and_passes_without(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "set", READ)
    (tmp_path / "names.txt").write_text("sky\nsea\n")
    base = ("run", "-m", "toy-dense:patches", "-t", f"masks:{root}", "--classnames", tmp_path / "names.txt", "--strict")
    options = ("--device", "cpu", "--no-cache", "--results", tmp_path / "runs")
    command(*base, *options, code=0)
    write_folder(root, {"masks/z.png": filled(0)})
    failed = command(*base, *options, code=1)
    assert "1 file of masks" in failed.stderr and "[files-passed-over]" in failed.stderr


def test_a_list_finds_what_it_names(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "set", {**READ, **dict.fromkeys(STRANGERS, PICTURE), "val.txt": b"b\na.jpg\n"})
    for made in (lambda: opened(root, options={"list": "val.txt"}), lambda: opened(root / "val.txt")):
        dataset, said = remarked(made)
        assert ids(dataset) == ["b.jpg", "a.jpg"] and not said


def test_a_listed_name_of_two_images_is_refused_unless_it_has_its_ending(tmp_path: Path) -> None:
    root = write_folder(tmp_path, {**READ, "images/a.PNG": PICTURE, "val.txt": b"a\nb\n"})
    with pytest.raises(DataError, match=r"2 files have the listed name a: a\.PNG and a\.jpg\nKeep one"):
        opened(root / "val.txt")
    write_folder(root, {"val.txt": b"a.PNG\nb\n"})
    assert ids(opened(root / "val.txt")) == ["a.PNG", "b.jpg"]
    with pytest.raises(DataError, match=r"2 images have the same names, except the endings.*: a\.PNG and a\.jpg"):
        opened(root)


def test_the_real_samples_have_no_strangers(real_data: Path) -> None:
    for name, count in (("voc2012", 64), ("coco-semantic", 40)):
        dataset, said = remarked(lambda name=name: opened(real_data / name, classes=201))  # type: ignore[misc]
        assert len(dataset.samples) == count and not said
        _, said = remarked(lambda: [dataset.labels(dataset.read_mask(i), str(i)) for i in range(count)])  # noqa: B023
        assert not said


NAMES = st.text("ab1._-", min_size=1, max_size=3).filter(lambda name: set(name) - set("._-"))
FOLDERS = st.sampled_from(["images", "masks", "images/x", "masks/x", "images/@eaDir", "masks/__MACOSX", "masks/.git"])
ENDINGS = st.sampled_from([".jpg", ".PNG", ".png", ".tif", "_mask.png", ".txt", ".json", ""])
PATHS = st.builds(lambda folder, name, ending: f"{folder}/{name}{ending}", FOLDERS, NAMES, ENDINGS)


@settings(max_examples=60)
@given(st.lists(PATHS, max_size=10, unique_by=str.casefold))
def test_any_layout_reads_remarks_or_refuses_every_file(paths: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = write_folder(Path(folder), {**pairs("images", "masks", ["zz"]), **dict.fromkeys(paths, filled(0))})  # type: ignore[arg-type]
        try:
            dataset, said = remarked(lambda: opened(root))
        except DataError as error:
            assert error.hint is not None and str(root) in error.message
            return
        passed = sum(remark.count for remark in said)
        found = sum(len(files) for _, _, files in os.walk(root))
        assert 2 * len(dataset.samples) + passed == found
