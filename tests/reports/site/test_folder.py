"""The site's folder takes back what it wrote, and nothing else."""

from __future__ import annotations

import errno
import json
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO

import pytest

from vlmbench.errors import StoreError, UsageError
from vlmbench.reports.site.folder import JOURNAL, LOCK, MANIFEST, PART, site_folder
from vlmbench.reports.site.pictures import pictures

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x07\x00\x00\x00\x05\x08"


def write(root: Path, *paths: str) -> None:
    with site_folder(root) as folder:
        for path in paths:
            folder.write(path, path)


def files(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*")}


def test_a_second_build_removes_what_only_the_first_had(tmp_path: Path) -> None:
    root = tmp_path / "site"
    write(root, "index.html", "models/a.html", "classes/x.csv")
    (root / "CNAME").write_text("example.org")
    write(root, "index.html", "models/b.html")
    assert files(root) == {MANIFEST, "CNAME", "index.html", "models", "models/b.html"}


def test_what_a_broken_build_left_is_known_to_the_next(tmp_path: Path) -> None:
    root = tmp_path / "site"
    write(root, "index.html", "models/a.html")
    with pytest.raises(KeyboardInterrupt), site_folder(root) as folder:
        folder.write("models/b.html", "new")
        raise KeyboardInterrupt
    assert (root / "models/a.html").read_text() == "models/a.html"  # nothing is missing meanwhile
    write(root, "index.html")
    assert files(root) == {MANIFEST, "index.html"}


def test_a_killed_build_can_be_repeated(tmp_path: Path) -> None:
    root = tmp_path / "site"
    kill = f"""
import os, signal
from pathlib import Path
from vlmbench.reports.site.folder import site_folder
with site_folder(Path({str(root)!r})) as folder:
    folder.write("models/b.html", "half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", kill], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    with (root / JOURNAL).open("a") as journal:
        journal.write('"models/cut of')
    write(root, "index.html")
    assert files(root) == {MANIFEST, "index.html"}


def test_a_file_is_never_seen_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "site"
    write(root, "index.html")

    def full(path: Path, mode: str) -> IO[bytes]:
        path.touch()  # the disk has room for the name alone
        raise OSError(errno.ENOSPC, "No space left on device")

    with site_folder(root) as folder:
        monkeypatch.setattr(Path, "open", full)
        with pytest.raises(StoreError, match="No space left"):
            folder.write("index.html", "new")
        monkeypatch.undo()
        assert (root / "index.html").read_text() == "index.html"
        folder.write("index.html", "new")
    assert (root / "index.html").read_text() == "new"
    assert files(root) == {MANIFEST, "index.html"}


def test_a_file_that_stays_as_it_was_is_left_alone(tmp_path: Path) -> None:
    root = tmp_path / "site"
    write(root, "index.html")
    before = (root / "index.html").stat()
    write(root, "index.html")
    after = (root / "index.html").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_somebody_elses_folder_is_refused_and_untouched(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match="holds other files and is not a site"):
        write(tmp_path, "index.html")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_somebody_elses_file_in_a_site_is_not_written_over(tmp_path: Path) -> None:
    root = tmp_path / "site"
    write(root, "index.html")
    (root / "about.html").write_text("mine")
    with pytest.raises(UsageError, match=r"about\.html' is in the way"):
        write(root, "index.html", "about.html")
    assert (root / "about.html").read_text() == "mine"
    with pytest.raises(UsageError, match="in the way"):  # a broken build does not make it ours
        write(root, "about.html")


def test_two_builds_do_not_write_one_folder(tmp_path: Path) -> None:
    with site_folder(tmp_path / "site") as folder:
        folder.write("index.html", "first")
        with pytest.raises(UsageError, match="another build is writing"):
            write(tmp_path / "site", "index.html")
    assert (tmp_path / "site" / "index.html").read_text() == "first"
    write(tmp_path / "site", "index.html")


@pytest.mark.parametrize("name", [PART, LOCK, JOURNAL])
def test_a_link_in_the_place_of_vlmbenchs_own_file_is_not_followed(tmp_path: Path, name: str) -> None:
    (tmp_path / "own.txt").write_text("precious")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / name).symlink_to(tmp_path / "own.txt")
    with suppress(StoreError, UsageError):
        write(tmp_path / "site", "index.html")
    assert (tmp_path / "own.txt").read_text() == "precious"


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StoreError, match="cannot write") as raised:
        write(tmp_path / "file" / "site", "index.html")
    assert "-o" in str(raised.value.hint)


@pytest.mark.parametrize("manifest", ["not json", '{"a": 1}'])
def test_a_broken_manifest_is_refused(tmp_path: Path, manifest: str) -> None:
    (tmp_path / MANIFEST).write_text(manifest)
    with pytest.raises(UsageError, match=r"site\.json"):
        write(tmp_path, "index.html")


def test_no_list_of_ours_can_name_files_outside(tmp_path: Path) -> None:
    outside, root = tmp_path / "precious.txt", tmp_path / "site"
    outside.write_text("mine")
    root.mkdir()
    names = ["../precious.txt", str(outside), "", "a/../../precious.txt"]
    (root / MANIFEST).write_text(json.dumps(names))
    (root / JOURNAL).write_text("".join(f"{json.dumps(name)}\n" for name in names))
    write(root, "index.html")
    assert outside.read_text() == "mine"


def test_pictures_are_pngs_of_the_folder_itself(tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(PNG)
    folder = tmp_path / "visuals"
    folder.mkdir()
    (folder / "link.png").symlink_to(secret)
    (folder / "fake.png").write_bytes(b"<svg onload=alert(1)>")
    (folder / "samples.png").write_bytes(PNG)
    (folder / "confusion-matrix.png").write_bytes(PNG)
    (folder / "003-cat <b>.png").write_bytes(PNG)
    found = list(pictures(folder, "../id"))
    assert [picture.title for picture in found] == ["Confusion matrix", "Sample cat <b>", "Samples"]
    assert (found[0].width, found[0].height) == (7, 5)
    assert all(".." not in picture.path and "<" not in picture.path for picture in found)
    assert list(pictures(tmp_path / "nowhere", "id")) == []
