"""The site's folder takes back what it wrote, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vlmbench.errors import UsageError
from vlmbench.reports.site.folder import MANIFEST, SiteFolder
from vlmbench.reports.site.pictures import pictures

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x07\x00\x00\x00\x05\x08"


def write(root: Path, *paths: str) -> None:
    folder = SiteFolder(root)
    folder.begin()
    for path in paths:
        folder.write(path, path)
    folder.finish()


def test_a_second_build_removes_what_only_the_first_had(tmp_path: Path) -> None:
    root = tmp_path / "site"
    write(root, "index.html", "models/a.html", "classes/x.csv")
    (root / "CNAME").write_text("example.org")
    write(root, "index.html", "models/b.html")
    found = {str(path.relative_to(root)) for path in root.rglob("*")}
    assert found == {MANIFEST, "CNAME", "index.html", "models", "models/b.html"}


def test_a_build_that_was_broken_off_can_be_repeated(tmp_path: Path) -> None:
    folder = SiteFolder(tmp_path / "site")
    folder.begin()
    folder.write("index.html", "half")
    write(tmp_path / "site", "index.html")
    assert (tmp_path / "site" / "index.html").read_text() == "index.html"


def test_somebody_elses_folder_is_refused_and_untouched(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match="holds files and is no site"):
        SiteFolder(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("manifest", ["not json", '{"a": 1}'])
def test_a_broken_manifest_is_refused(tmp_path: Path, manifest: str) -> None:
    (tmp_path / MANIFEST).write_text(manifest)
    with pytest.raises(UsageError, match=r"site\.json"):
        SiteFolder(tmp_path)


def test_a_manifest_cannot_name_files_outside(tmp_path: Path) -> None:
    outside, root = tmp_path / "precious.txt", tmp_path / "site"
    outside.write_text("mine")
    root.mkdir()
    (root / MANIFEST).write_text(json.dumps(["../precious.txt", str(outside), "", "a/../../precious.txt"]))
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
