"""A cache that has only some of a dataset is never taken for the whole."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import pytest
from data.hub_layouts import class_label, opened, table, tree, without_manifests
from data.hub_server import Hub
from data.layouts import write_wds

from vlmbench.data.base import SourceContext
from vlmbench.data.hub.client import list_files
from vlmbench.data.hub.complete import gaps
from vlmbench.data.hub.manifest import recall
from vlmbench.data.hub.repo import Repo, repo_folder
from vlmbench.errors import DataError, MissingDataError, VlmbenchWarning

OFFLINE = SourceContext(offline=True)

pytestmark = pytest.mark.usefixtures("hub_caches", "impatient")


def by_another_program(hub: Hub, *paths: str) -> None:
    from huggingface_hub import hf_hub_download

    for path in paths:
        hf_hub_download("org/set", path, repo_type="dataset", endpoint=hub.url)


@pytest.fixture
def shards(tmp_path: Path) -> dict[str, bytes]:
    """A webdataset that does not say how many shards it has."""
    files = tree(write_wds(tmp_path / "made", [2, 0, 1, 0, 2]))
    del files["test/nshards.txt"]
    assert "test/2.tar" in files
    return files


@pytest.fixture
def parts(tmp_path: Path) -> dict[str, bytes]:
    """A table in three files."""
    for number in range(3):
        table(tmp_path / "made" / "data" / f"test-0000{number}-of-00003.parquet", [0, 1], class_label("cat", "dog"))
    return {**tree(tmp_path / "made"), "README.md": b"# x"}


def quietly(**fields: object) -> int:
    """How many samples the cache alone has, without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", VlmbenchWarning)
        return len(opened("org/set", OFFLINE, **fields).samples)


def test_a_download_that_broke_off_is_not_the_dataset(hub: Hub, shards: dict[str, bytes]) -> None:
    hub.repo("org/set").commit(shards)
    by_another_program(hub, "classnames.txt", "zeroshot_classification_templates.txt", "test/0.tar", "test/1.tar")
    hub.failing["test/2.tar"] = 404
    with pytest.raises(DataError, match=r"test/2.tar is listed but not there"):
        opened("org/set")
    with pytest.raises(MissingDataError, match=r"not completely in the cache .*: 1 of 5 files missing \(test/2.tar\)"):
        opened("org/set", OFFLINE)
    hub.gone = True
    with pytest.raises(MissingDataError, match="connection to"):
        opened("org/set")


def test_what_is_whole_is_opened_without_a_word_wherever_the_cache_is_copied(
    hub: Hub, shards: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    hub.repo("org/set").commit(shards)
    opened("org/set")
    copied = shutil.copytree(constants.HF_HUB_CACHE, tmp_path / "node" / "hub", symlinks=True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(copied))
    assert quietly() == 5
    (tar,) = copied.glob("*/snapshots/*/test/1.tar")
    cut = tar.read_bytes()[:-512]
    tar.write_bytes(cut)
    with pytest.raises(MissingDataError, match=r"1 of 5 files missing \(test/1.tar\)"):
        opened("org/set", OFFLINE)


def test_a_split_that_was_not_fetched_is_known_to_be_missing(hub: Hub, parts: dict[str, bytes]) -> None:
    hub.repo("org/set").commit({**parts, "data/train-00000-of-00001.parquet": b"x"})
    opened("org/set")
    assert quietly() == 6
    with pytest.raises(MissingDataError, match=r"data/train-00000-of-00001.parquet"):
        opened("org/set", OFFLINE, split="train")


def test_a_gap_in_the_numbers_is_refused(hub: Hub, parts: dict[str, bytes], shards: dict[str, bytes]) -> None:
    repo = hub.repo("org/set")
    repo.commit(parts)
    by_another_program(hub, "README.md", "data/test-00000-of-00003.parquet", "data/test-00002-of-00003.parquet")
    with pytest.raises(MissingDataError, match=r"at least 1 file missing \(data/test-00001-of-00003.parquet\)"):
        opened("org/set", OFFLINE)
    repo.commit(shards)
    by_another_program(hub, "classnames.txt", "test/0.tar", "test/2.tar")
    with pytest.raises(MissingDataError, match=r"missing \(test/1.tar\)"):
        opened("org/set", OFFLINE)


def test_what_another_program_fetched_may_not_be_all(hub: Hub, shards: dict[str, bytes]) -> None:
    hub.repo("org/set").commit(shards)
    by_another_program(hub, "classnames.txt", "test/0.tar")
    with pytest.warns(VlmbenchWarning, match=r"not known whether the cache has all files.*vlmbench fetch"):
        some = len(opened("org/set", OFFLINE).samples)
    opened("org/set")
    assert quietly() == 5 > some


def test_a_hub_that_cannot_be_reached_is_said_where_the_cache_answers(hub: Hub, shards: dict[str, bytes]) -> None:
    sha = hub.repo("org/set").commit(shards)
    opened("org/set")
    hub.gone = True
    with pytest.warns(VlmbenchWarning, match=rf"connection to {hub.url} failed .*; the cache answered, .* {sha[:12]}"):
        assert len(opened("org/set").samples) == 5


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"version": 1, "files": 7}', "outside", "other"])
def test_a_broken_list_is_no_list(hub: Hub, shards: dict[str, bytes], content: str) -> None:
    sha = hub.repo("org/set").commit(shards)
    opened("org/set")
    path = repo_folder("org/set") / "vlmbench" / f"{sha}.json"
    good = path.read_text()
    evil = {"outside": good.replace("test/0.tar", "../../0.tar"), "other": good.replace("org/set", "org/sett")}
    path.write_text(evil.get(content, content))
    assert recall("org/set", sha) is None
    with pytest.warns(VlmbenchWarning, match="not known"):
        opened("org/set", OFFLINE)
    opened("org/set")
    assert path.read_text() == good and quietly() == 5


def test_the_list_is_what_the_hub_said(hub: Hub, shards: dict[str, bytes]) -> None:
    hub.repo("org/set").commit(shards)
    said = list_files(Repo("org/set", None, offline=False))
    assert not repo_folder("org/set").exists()  # to look is not to fetch
    opened("org/set")
    kept = list_files(Repo("org/set", None, offline=True))
    assert kept.files == said.files and kept.whole
    without_manifests()
    found = list_files(Repo("org/set", None, offline=True))
    assert not found.whole
    by_name = {file.path: file for file in said.files}
    assert all(
        (file.sha256, file.git_sha1) == (by_name[file.path].sha256, by_name[file.path].git_sha1) for file in found.files
    )


def test_a_cache_that_cannot_be_written_is_still_read(
    hub: Hub, shards: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.repo("org/set").commit(shards)
    opened("org/set")
    without_manifests()
    (repo_folder("org/set") / "vlmbench").write_bytes(b"in the way")
    assert len(opened("org/set").samples) == 5


def test_gaps_are_counted_by_folder_and_kind() -> None:
    hashed = [f"data/test-0000{number}-of-00003-{number}abc{number}.parquet" for number in (0, 2)]
    assert gaps(hashed) == ["data/test-00001-of-00003.parquet"]
    assert gaps(["a/test-00000-of-00001.parquet", "b/0.tar", "b/1.tar", "c/1.tar", "c/00002.tar", "x-3.tar"]) == []
    assert gaps([]) == []
