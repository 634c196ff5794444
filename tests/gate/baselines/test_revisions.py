"""Baselines of a Git revision, from real repositories."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from baseline_entries import answers, entry

from vlmbench.errors import RecordError, UsageError
from vlmbench.gate.baselines.revisions import baseline_at_revision
from vlmbench.gate.baselines.store import save_baseline
from vlmbench.testing.toy_records import make_record

ROOT = Path("results/baselines")


def git(folder: Path, *arguments: str) -> None:
    who = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main")
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two commits of a baseline, the first of them tagged v1; the working directory is its top."""
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init")
    for tag, tops in (("v1", (0, 1, 2)), ("v2", (5, 5, 5))):
        save_baseline("main", [entry(make_record(id=tag.ljust(16, "0")), answers(tops))], folder / ROOT, replace=True)
        git(folder, "add", "-A")
        git(folder, "commit", "-m", tag)
        git(folder, "tag", tag)
    monkeypatch.chdir(folder)
    return folder


def tops(revision: str, root: Path = ROOT) -> list[list[int]]:
    (found,) = baseline_at_revision(revision, "main", root)
    return found.table()["top"].to_pylist()


def test_each_revision_has_its_own_answers(repository: Path) -> None:
    (found,) = baseline_at_revision("v1", "main", ROOT)
    assert found.record.id == "v1".ljust(16, "0") and found.where == "v1:results/baselines/main/t.json"
    assert tops("v1") == tops("HEAD~1") == [[0, 9], [1, 9], [2, 9]]
    assert tops("HEAD") == tops("main") == [[5, 9]] * 3


def test_any_working_directory_will_do(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (repository / "docs" / "deep").mkdir(parents=True)
    monkeypatch.chdir(repository / "docs" / "deep")
    assert tops("v1") == tops("v1", Path("../../results/baselines")) == tops("v1", repository / ROOT)
    monkeypatch.chdir(repository / "results")
    assert tops("v1") == tops("v1", Path("baselines"))
    monkeypatch.chdir(repository.parent)
    assert tops("v1", repository / ROOT) == tops("v1", Path("repository") / ROOT)


def test_the_working_tree_need_not_have_it(repository: Path) -> None:
    git(repository, "rm", "-r", "-q", "results")
    assert tops("v1") == [[0, 9], [1, 9], [2, 9]]


@pytest.mark.parametrize("revision", ["--help", "-p", "--output=x", "", "v1\0"])
def test_no_revision_is_taken_for_an_option(repository: Path, revision: str) -> None:
    with pytest.raises(UsageError, match="is not a Git revision"):
        baseline_at_revision(revision, "main", ROOT)


@pytest.mark.parametrize("revision", ["nope", "HEAD~7", "v1:results", "$(touch x)", "v1; touch x", "main -- x"])
def test_a_revision_that_is_none_says_how_to_get_it(repository: Path, revision: str) -> None:
    with pytest.raises(UsageError, match=r"no revision[\s\S]*fetch-depth: 0"):
        baseline_at_revision(revision, "main", ROOT)
    assert not (repository / "x").exists()


def test_a_missing_name_names_the_known(repository: Path) -> None:
    with pytest.raises(
        UsageError, match=r"no baseline 'mian' in 'results/baselines' of revision 'v1'\nDid you mean 'main'"
    ):
        baseline_at_revision("v1", "mian", ROOT)
    with pytest.raises(UsageError, match="cannot be the name of a baseline"):
        baseline_at_revision("v1", "../main", ROOT)
    with pytest.raises(UsageError, match=r"no baseline 'main' in 'elsewhere'[\s\S]*commit it[\s\S]*--baselines"):
        baseline_at_revision("v1", "main", Path("elsewhere"))


def test_a_pointer_of_lfs_is_said(repository: Path) -> None:
    table = repository / ROOT / "main" / "t.csv"
    table.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n")
    git(repository, "commit", "-am", "to LFS")
    (found,) = baseline_at_revision("HEAD", "main", ROOT)
    with pytest.raises(RecordError, match=r"HEAD:results/baselines/main/t\.csv: this is a pointer of Git LFS"):
        found.table()


def test_half_a_baseline_is_said(repository: Path) -> None:
    git(repository, "rm", "-q", str(ROOT / "main" / "t.csv"))
    git(repository, "commit", "-m", "half")
    (found,) = baseline_at_revision("HEAD", "main", ROOT)
    with pytest.raises(RecordError, match=r"HEAD:results/baselines/main/t\.csv: it was not committed"):
        found.table()


def test_a_link_is_no_file_of_a_baseline(repository: Path) -> None:
    path = repository / ROOT / "main" / "t.json"
    path.unlink()
    path.symlink_to("/etc/hostname")
    git(repository, "commit", "-am", "link")
    with pytest.raises(UsageError, match="no baseline 'main'"):
        baseline_at_revision("HEAD", "main", ROOT)


def test_a_partial_clone_fetches_nothing(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(repository, "config", "uploadpack.allowFilter", "true")
    git(tmp_path, "clone", "--filter=blob:none", "--no-checkout", f"file://{repository}", "partial")
    monkeypatch.chdir(tmp_path / "partial")
    with pytest.raises(RecordError, match=r"revision 'v1' cannot be read[\s\S]*does not fetch"):
        baseline_at_revision("v1", "main", ROOT)


def test_a_repository_of_another_user_says_what_git_wants(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    with pytest.raises(UsageError, match=r"dubious ownership[\s\S]*safe\.directory"):
        baseline_at_revision("v1", "main", ROOT)


def test_no_git_and_no_repository_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(UsageError, match=r"not in a readable Git repository[\s\S]*REVISION:NAME needs a repository"):
        baseline_at_revision("v1", "main", ROOT)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="git is not installed"):
        baseline_at_revision("v1", "main", ROOT)
