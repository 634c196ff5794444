"""Walks through folders: read + passed over = all files, whatever lies there."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from data.layouts import write_folder
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from said import remarked, sentences

from vlmbench.data.formats import folder_walk
from vlmbench.data.formats.folder_walk import FolderWalk, PassedOver, visible
from vlmbench.data.formats.image_suffixes import image_suffixes, is_image_name
from vlmbench.errors import DataError

WANTED = ["a.png", "b.JPG", "c.jpeg", "d.jfif", "e.WebP", "f.avif", "g.tif", "h.jp2", "i.bmp", "j.ppm"]
OTHERS = ["a.heic", "b.txt", "c", "d.png.download", "e.jpg~", "f.svg", "g.eps", "h.pdf", "i.mp4", "j.csv"]
HIDDEN = [".DS_Store", "._a.png", ".a.jpg"]
SYSTEM = ["Thumbs.db", "desktop.ini", "THUMBS.DB"]
FOLDERS = [".", "x", "x/y", "x.jpg"]
JUNK = ["__MACOSX", "x/@eaDir", "lost+found", ".ipynb_checkpoints", ".git/x", "x/$RECYCLE.BIN/y"]


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.sampled_from(FOLDERS), st.sets(st.sampled_from(WANTED + OTHERS + HIDDEN + SYSTEM))),
    st.dictionaries(st.sampled_from(JUNK), st.sets(st.sampled_from(WANTED + HIDDEN + OTHERS))),
)
def test_read_and_passed_over_are_all_files(there: dict[str, set[str]], junk: dict[str, set[str]]) -> None:
    with TemporaryDirectory() as top:
        root = Path(top)
        for folder, names in (*there.items(), *junk.items()):
            write_folder(root / folder, dict.fromkeys(names, b"x"))
        walk = FolderWalk(root, is_image_name)
        read = walk.files()
        every = [path for path in root.rglob("*") if path.is_file()]
    names_there = [name for names in there.values() for name in names]
    assert sorted(os.path.basename(path) for path in read) == sorted(name for name in names_there if name in WANTED)
    assert len(read) + walk.passed.count == len(every)
    expected = {
        "hidden": sum(name in HIDDEN for name in names_there),
        "of the system's": sum(name in SYSTEM for name in names_there),
        "in hidden or system folders": sum(map(len, junk.values())),
        "in HEIC": sum(name == "a.heic" for name in names_there),
    }
    reasons = {reason.partition(",")[0]: count for reason, count in walk.passed.reasons.items()}
    assert reasons == {reason: count for reason, count in expected.items() if count}
    assert walk.passed.suffixes.total() == sum(name in OTHERS[1:] for name in names_there)


def test_links_are_followed_once_and_broken_ones_stand_for_files(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "set", {"cat/1.png": b"x"})
    write_folder(tmp_path / "store", {"2.png": b"x", "notes.txt": b"x"})
    (root / "cat" / "store").symlink_to(tmp_path / "store")
    (root / "cat" / "up").symlink_to(root)
    (root / "cat" / "broken.png").symlink_to(root / "nowhere")
    (root / "cat" / "broken").symlink_to(root / "nowhere")
    (root / "cat" / "circle.gif").symlink_to(root / "cat" / "circle.gif")
    walk = FolderWalk(root, is_image_name)
    assert walk.files() == ["cat/1.png", "cat/broken.png", "cat/circle.gif", "cat/store/2.png"]
    assert walk.passed.suffixes == {"": 1, ".txt": 1} and not walk.passed.reasons


def test_junk_that_may_not_be_read_is_passed_over_and_other_folders_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_folder(tmp_path, {"a/1.png": b"x", "lost+found/2.png": b"x", "b/3.png": b"x"})
    scan = folder_walk.scan

    def closed(folder: Path) -> list[os.DirEntry[str]]:  # a mode of 000 would not stop root, who runs many containers
        if folder.name in ("lost+found", "b"):
            raise DataError(f"folder {folder} cannot be read: Permission denied")
        return scan(folder)

    monkeypatch.setattr(folder_walk, "scan", closed)
    walk = FolderWalk(tmp_path, is_image_name)
    assert walk.files("a") == ["a/1.png"]
    walk.junk("lost+found")
    assert walk.passed.reasons == {"in hidden or system folders that cannot be read": 1}
    with pytest.raises(DataError, match="Permission denied"):
        walk.files("b")


def test_what_is_said_does_not_depend_on_the_file_system(tmp_path: Path) -> None:
    passed = PassedOver()
    for name in ("b.txt", "a.csv", "c.txt", "d", "e.zip", "f.pdf", "g.mp4"):
        passed.add_suffix(name)
    passed.add("hidden", ".x")
    _, (said,) = remarked(lambda: passed.say("there"))
    assert said.sentence == (
        "8 files of there were passed over (1 hidden; 7 of other kinds: 2 .txt, 1 without an ending, "
        "1 .csv, 1 .mp4, …): .x, a.csv, b.txt, …"
    )
    assert (said.code, said.count, said.brief) == ("files-passed-over", 8, "8 files passed over")
    assert sentences(lambda: PassedOver().say("there")) == []


def test_visible_things_are_neither_hidden_nor_junk(tmp_path: Path) -> None:
    write_folder(tmp_path, dict.fromkeys(("a/1", "@eaDir/1", ".x/1", ".y", "Thumbs.db", "lost+found.png", "b"), b"x"))
    assert sorted(entry.name for entry in visible(tmp_path)) == ["a", "b", "lost+found.png"]


def test_every_image_suffix_is_of_a_format_that_opens_without_another_program() -> None:
    for suffix in (".jpg", ".jpeg", ".jfif", ".jpe", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm", ".jp2"):
        assert suffix in image_suffixes() and is_image_name(f"a{suffix.upper()}")
    for suffix in (".eps", ".ps", ".pdf", ".wmf", ".emf", ".mpg", ".hdf", ".h5", ".txt", ".heic", ""):
        assert not is_image_name(f"a{suffix}"), suffix
    formats = {Image.registered_extensions()[suffix] for suffix in image_suffixes()} - {"MPO"}
    assert formats <= set(Image.OPEN)
