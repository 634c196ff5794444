"""Which files of a repository a run reads."""

from __future__ import annotations

import pytest
from data.hub_server import Hub

from vlmbench.cards import SourceSpec
from vlmbench.data.hub.lookup import HubRemote
from vlmbench.errors import DataError, MissingDataError

pytestmark = pytest.mark.usefixtures("hub_caches")

HUB = HubRemote()
SHARDS = ("README.md", "classnames.txt", "test/nshards.txt", "test/0.tar", "train/0.tar", "train/notes.txt")
TABLES = ("README.md", "data/test-0-of-1.parquet", "data/train-0-of-1.parquet", "fine/test-0-of-1.parquet", "more.txt")


def source(location: str = "org/set", **fields: object) -> SourceSpec:
    return SourceSpec.model_validate({"kind": "hub", "location": location, **fields})


@pytest.mark.parametrize(
    ("location", "remote"), [("org/set", True), ("set", True), ("/data/set", False), ("./set", False), ("~/set", False)]
)
def test_a_path_is_no_repository(location: str, remote: bool) -> None:
    assert HUB.is_remote(source(location)) == remote


@pytest.mark.parametrize(
    ("paths", "fields", "read"),
    [
        (SHARDS, {}, {"classnames.txt", "test/nshards.txt", "test/0.tar"}),
        (SHARDS, {"split": "train"}, {"classnames.txt", "train/0.tar"}),
        (TABLES, {}, {"README.md", "data/test-0-of-1.parquet"}),
        (TABLES, {"split": "train"}, {"README.md", "data/train-0-of-1.parquet"}),
        (TABLES, {"options": {"name": "fine"}}, {"README.md", "fine/test-0-of-1.parquet"}),
        (TABLES, {"options": {"data_files": "more.*"}}, {"README.md", "more.txt"}),
        (TABLES, {"split": "validation"}, set(TABLES)),  # only `datasets` can tell
    ],
)
def test_only_the_splits_files_are_read(
    hub: Hub, paths: tuple[str, ...], fields: dict[str, object], read: set[str]
) -> None:
    commit = hub.repo("org/set").commit({path: path.encode() for path in paths})
    found = HUB.look_up(source(**fields), offline=False)
    assert {file.path for file in found.files} == read == {job.file.path for job in found.missing()}
    assert (found.revision, found.offline, found.notes) == (commit, False, [])
    assert hub.fetched() == []


def test_what_is_not_there_is_said(hub: Hub) -> None:
    hub.repo("org/set").commit({path: b"x" for path in SHARDS})
    with pytest.raises(MissingDataError, match="no split 'val'; it has test and train"):
        HUB.look_up(source(split="val"), offline=False)
    hub.repo("org/table").commit({path: b"x" for path in TABLES})
    with pytest.raises(DataError, match=r"data_files: nothing matches 'x\*'"):
        HUB.look_up(source("org/table", options={"data_files": ["x*"]}), offline=False)
    with pytest.raises(MissingDataError, match=r"not \(or not completely\) in the cache|not completely in the cache"):
        HUB.look_up(source("org/table"), offline=True)
