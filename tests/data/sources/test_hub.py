"""Hub repositories: against a small hub on the loopback interface, and then from its cache alone."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from data.hub_layouts import opened, tree
from data.hub_server import Hub, running_hub
from data.layouts import CLASSES, contents, image_bytes, write_wds

from vlmbench.cards import SourceSpec
from vlmbench.data.base import SourceContext
from vlmbench.data.hub.errors import explain
from vlmbench.data.hub.repo import Repo
from vlmbench.data.open import open_dataset
from vlmbench.errors import DataError, MissingDataError

OFFLINE = SourceContext(offline=True)
LABELS = [2, 0, 1]

pytestmark = pytest.mark.usefixtures("hub_caches")


def wds_files(folder: Path, labels: list[int] = LABELS) -> dict[str, bytes]:
    return {
        **tree(write_wds(folder, labels)),
        **tree(write_wds(folder, labels, split="train")),
        "README.md": b"# x",
    }


def test_a_webdataset_repository_is_fetched_pinned_and_read(hub: Hub, tmp_path: Path) -> None:
    sha = hub.repo("org/set").commit(wds_files(tmp_path / "set"))
    dataset = opened("org/set")
    assert contents(dataset) == [(f"s{i:07d}", label, image_bytes(i)) for i, label in enumerate(LABELS)]
    assert dataset.classes == CLASSES
    assert vars(dataset.info) == {"kind": "hub", "location": "org/set", "revision": sha, "split": "test"}
    assert hub.fetched() == [
        "classnames.txt",
        "test/0.tar",
        "test/1.tar",
        "test/nshards.txt",
        "zeroshot_classification_templates.txt",
    ]


def test_then_the_cache_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running_hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        sha = hub.repo("org/set").commit(wds_files(tmp_path / "set"))
        first = opened("org/set")
        asked = len(hub.requests)
        assert contents(opened("org/set", OFFLINE)) == contents(first)
        assert len(hub.requests) == asked
    offline = opened("org/set", OFFLINE)
    assert contents(offline) == contents(first)
    assert (offline.info, offline.state()) == (first.info, first.state())
    assert opened("org/set").info.revision == sha  # no server listens: the cache answers without being asked to
    assert opened("org/set", OFFLINE, revision=sha).info.revision == sha
    for missing in ({"split": "train"}, {"revision": "v2"}):
        with pytest.raises(MissingDataError):
            opened("org/set", OFFLINE, **missing)


def test_hf_hub_offline_is_honoured(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    hub.repo("org/set").commit(wds_files(tmp_path / "set"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(MissingDataError, match=r"not .* in the cache .*, and --offline"):
        opened("org/set")
    assert hub.requests == []


def test_revisions_are_kept_apart(hub: Hub, tmp_path: Path) -> None:
    repo = hub.repo("org/set")
    old = repo.commit(wds_files(tmp_path / "old"), branch="v1")
    new = repo.commit(wds_files(tmp_path / "new", [0, 0, 0]))
    assert [s.target for s in opened("org/set", revision="v1").samples] == LABELS
    assert [s.target for s in opened("org/set").samples] == [0, 0, 0]
    assert opened("org/set", revision=old).info.revision == old
    assert opened("org/set", OFFLINE, revision="v1").info.revision == old
    assert opened("org/set", OFFLINE).info.revision == new
    with pytest.raises(DataError, match="'org/set' at 'v9': the repository has no such revision"):
        opened("org/set", revision="v9")


def test_a_missing_shard_on_the_hub_is_an_error(hub: Hub, tmp_path: Path) -> None:
    files = wds_files(tmp_path / "set")
    del files["test/1.tar"]
    hub.repo("org/set").commit(files)
    with pytest.raises(DataError, match=r"states 2 shards; 1 missing: 1.tar"):
        opened("org/set")


def test_an_incomplete_cache_is_not_used_offline(hub: Hub, tmp_path: Path) -> None:
    hub.repo("org/set").commit(wds_files(tmp_path / "set"))
    hub.failing["test/1.tar"] = 404
    with pytest.raises(DataError, match=r"'org/set': test/1.tar is listed but not there.*404\n(?!.*later)"):
        opened("org/set")
    with pytest.raises(MissingDataError, match="not completely"):
        opened("org/set", OFFLINE)
    hub.failing.clear()
    assert len(opened("org/set").samples) == 3


def test_an_unknown_split_lists_the_known(hub: Hub, tmp_path: Path) -> None:
    hub.repo("org/set").commit(wds_files(tmp_path / "set"))
    with pytest.raises(MissingDataError, match="no split 'val'; it has test and train"):
        opened("org/set", split="val")
    assert opened("org/set", split="train").info.split == "train"


def test_no_access_and_no_such_repository_say_what_to_do(hub: Hub) -> None:
    hub.repo("org/gated").gated = True
    hub.repo("org/private").private = "secret"
    with pytest.raises(MissingDataError, match=rf"gated[\s\S]*{hub.url}/datasets/org/gated, then log in"):
        opened("org/gated")
    for name in ("org/none", "org/private"):
        with pytest.raises(MissingDataError, match=r"no such dataset repository .* or a private one[\s\S]*HF_TOKEN"):
            opened(name)
    with pytest.raises(DataError, match="not the name of a repository"):
        opened("a/b/c/d")


@pytest.mark.parametrize(("status", "step"), [(403, "Log in"), (429, "later"), (500, "later"), (503, "later")])
def test_a_hub_in_trouble_is_said(hub: Hub, status: int, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.failing["api/"] = status
    with pytest.raises(MissingDataError, match=rf"answered {status}\n.*{step}"):
        opened("org/set")


def test_a_hub_that_cannot_be_reached_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with running_hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
    with pytest.raises(
        MissingDataError, match=rf"connection to {hub.url} failed \((ConnectError|ConnectionError)\)[\s\S]*HF_ENDPOINT"
    ):
        opened("org/set")


def test_a_source_tells_its_own_next_step(hub: Hub, tmp_path: Path) -> None:
    hub.repo("org/gated").gated = True
    specs = [SourceSpec(kind="hub", location="org/gated"), SourceSpec(kind="wds", location="set")]
    for sources in (specs, specs[:1]):
        with pytest.raises(MissingDataError, match="hf auth login"):
            open_dataset(sources, SourceContext(data_root=tmp_path))


def test_offline_without_a_cache_goes_on_to_the_next_source(tmp_path: Path) -> None:
    specs = [SourceSpec(kind="hub", location="org/set"), SourceSpec(kind="wds", location="set")]
    with pytest.raises(MissingDataError, match=r"org/set[\s\S]*--offline[\s\S]*forbids[\s\S]*--data-root"):
        open_dataset(specs, SourceContext(offline=True, data_root=tmp_path))
    write_wds(tmp_path / "set", LABELS)
    assert open_dataset(specs, SourceContext(offline=True, data_root=tmp_path)).info.kind == "wds"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "no space left for the cache .*\n.*HF_HOME"),
        (PermissionError(errno.EACCES, "Permission denied"), "cannot be written .*\n.*HF_HOME"),
        (OSError(errno.EROFS, "Read-only file system"), "cannot be written"),
        (OSError("Consistency check failed"), "cannot be fetched: OSError: Consistency check failed"),
    ],
)
def test_a_disk_in_trouble_is_said(error: OSError, message: str) -> None:
    found = explain(error, Repo("org/set", None, offline=False))
    assert type(found) is DataError
    with pytest.raises(DataError, match=message):
        raise found


def test_a_local_folder_in_the_webdataset_layout_is_one_too(tmp_path: Path) -> None:
    assert [s.target for s in opened(write_wds(tmp_path, LABELS)).samples] == LABELS
