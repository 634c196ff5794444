"""Downloads in every kind of trouble: resumed, verified, tried again, and said in words."""

from __future__ import annotations

import os
import random
from pathlib import Path
from threading import Event

import pytest
from data.hub_layouts import opened
from data.hub_server import Hub, content_hash, running_hub
from data.layouts import write_tar

from vlmbench.data.base import SourceContext
from vlmbench.data.hub.client import list_files
from vlmbench.data.hub.repo import Repo, cached_path, repo_folder
from vlmbench.data.hub.transfer import _download, fetch, missing_files
from vlmbench.errors import DataError, MissingDataError

pytestmark = pytest.mark.usefixtures("hub_caches", "impatient")

BIG = random.Random(0).randbytes(20_000)
FILES = {"big.tar": BIG, "other.tar": BIG[::-1], "names.txt": b"cat\ndog\n"}


def get() -> Path:
    return fetch(list_files(Repo("org/set", None, offline=False)), ["*"])


def arrived(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def leftovers() -> list[Path]:
    from huggingface_hub import constants

    return sorted(Path(constants.HF_HUB_CACHE).rglob("*.incomplete"))


def test_files_arrive_whole_and_once(hub: Hub) -> None:
    hub.repo("org/set").commit(FILES)
    assert arrived(get()) == FILES
    asked = hub.fetched()
    assert asked == sorted(FILES)
    assert arrived(get()) == FILES and hub.fetched() == asked
    assert leftovers() == []
    assert missing_files(list_files(Repo("org/set", None, offline=False)), ["*"]) == []


def test_a_connection_that_closes_early_is_resumed_where_it_broke(hub: Hub) -> None:
    hub.repo("org/set").commit(FILES)
    hub.cut_after["big.tar"] = 8_000
    assert arrived(get()) == FILES
    starts = [start for name, start in hub.ranges if name == "big.tar"]
    assert len(starts) == 2 and starts == sorted(starts) and all(start > 7_000 for start in starts)
    assert {name for name, _ in hub.ranges} == {"big.tar"}


def test_after_a_hub_went_away_only_what_did_not_arrive_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    with running_hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        hub.repo("org/set").commit(FILES)
        hub.gone_after["big.tar"] = 8_000
        listing = list_files(Repo("org/set", None, offline=False))
        fetch(listing, ["names.txt"])
        with pytest.raises(MissingDataError, match=rf"connection to {hub.url} failed[\s\S]*that have arrived are kept"):
            fetch(listing, ["big.tar"])
    with running_hub(hub) as hub:
        hub.gone_after.clear()
        hub.requests.clear()
        assert arrived(get()) == FILES
        assert hub.fetched() == ["big.tar", "other.tar"]
    assert leftovers() == []


def test_parts_that_killed_downloads_left_are_removed(hub: Hub) -> None:
    hub.repo("org/set").commit(FILES)
    blobs = repo_folder("org/set") / "blobs"
    blobs.mkdir(parents=True)
    name = content_hash("big.tar", BIG)
    old, fresh, other = (blobs / f"{stem}.incomplete" for stem in (f"{name}.1a2b", f"{name}.3c4d", "0" * 64 + ".5e6f"))
    for part in (old, fresh, other):
        part.write_bytes(b"part")
    for part in (old, other):
        os.utime(part, (0, 0))
    assert arrived(get()) == FILES
    assert leftovers() == sorted([fresh, other])


def test_a_download_ends_once_its_caller_has_left(hub: Hub) -> None:
    hub.repo("org/set").commit(FILES)
    listing = list_files(Repo("org/set", None, offline=False))
    (job,) = missing_files(listing, ["big.tar"])
    told, stop = list[int](), Event()

    def leave(count: int) -> None:
        told.append(count)
        stop.set()

    with pytest.raises(InterruptedError, match="given up"):
        _download(job, leave, stop)
    assert 0 < sum(told) < len(BIG) and leftovers() == []


def test_a_server_that_stops_sending_becomes_words(hub: Hub) -> None:
    hub.repo("org/set").commit(FILES)
    hub.stuck["big.tar"] = 0
    with pytest.raises(MissingDataError, match=rf"connection to {hub.url} failed \((ReadTimeout|ConnectionError)\)"):
        get()
    hub.stuck.clear()
    assert arrived(get()) == FILES


def test_a_damaged_file_is_fetched_again(hub: Hub) -> None:
    hub.repo("org/set").commit(FILES)
    hub.damaged.update({"big.tar": 1, "names.txt": 2})
    assert arrived(get()) == FILES
    fetched = [path.rpartition("/")[2] for method, path in hub.requests if method == "GET" and "/resolve/" in path]
    assert (fetched.count("big.tar"), fetched.count("names.txt"), fetched.count("other.tar")) == (2, 3, 1)


@pytest.mark.parametrize("name", ["big.tar", "names.txt"])
def test_what_stays_damaged_never_reaches_the_cache(hub: Hub, name: str) -> None:
    hub.repo("org/set").commit(FILES)
    hub.damaged[name] = 99
    with pytest.raises(DataError, match=rf"{name} arrived damaged, 3 times: its checksum is .* instead of") as error:
        get()
    assert content_hash(name, FILES[name])[:12] in error.value.message
    listing = list_files(Repo("org/set", None, offline=False))
    (damaged,) = [file for file in listing.files if file.path == name]
    assert cached_path(listing, damaged) is None and leftovers() == []
    with pytest.raises(MissingDataError):
        fetch(list_files(Repo("org/set", listing.commit, offline=True)), ["*"])


def test_a_run_notices_damage_too(hub: Hub) -> None:
    hub.repo("org/set").commit({"test/0.tar": write_tar_bytes(), "test/nshards.txt": b"1"})
    hub.damaged["test/0.tar"] = 99
    with pytest.raises(DataError, match=r"test/0.tar arrived damaged"):
        opened("org/set")


def write_tar_bytes() -> bytes:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        return write_tar(Path(folder) / "0.tar", [("a.png", b"x"), ("a.cls", b"0")]).read_bytes()


def test_a_truncated_file_in_the_cache_is_replaced(hub: Hub) -> None:
    hub.repo("org/set").commit(FILES)
    path = (get() / "big.tar").resolve()
    path.write_bytes(BIG[:100])
    assert arrived(get()) == FILES


def test_what_another_revision_brought_is_not_fetched_again(hub: Hub) -> None:
    repo = hub.repo("org/set")
    old = repo.commit(FILES, branch="v1")
    fetch(list_files(Repo("org/set", "v1", offline=False)), ["*"])
    repo.commit({**FILES, "names.txt": b"cat\nwolf\n"})
    hub.requests.clear()
    folder = get()
    assert hub.fetched() == ["names.txt"] and folder.name != old
    assert arrived(folder)["names.txt"] == b"cat\nwolf\n"


def test_a_branch_that_is_gone_and_a_commit_that_stays(hub: Hub) -> None:
    repo = hub.repo("org/set")
    sha = repo.commit(FILES, branch="v1")
    repo.branches = {"renamed": sha}
    with pytest.raises(DataError, match="'v1': the repository has no such revision"):
        list_files(Repo("org/set", "v1", offline=False))
    pinned = list_files(Repo("org/set", sha, offline=False))
    assert arrived(fetch(pinned, ["*"])) == FILES


def test_a_branch_that_moves_meanwhile_is_said(hub: Hub) -> None:
    repo = hub.repo("org/set")
    repo.commit(FILES)
    listing = list_files(Repo("org/set", None, offline=False))
    repo.commit({**FILES, "names.txt": b"cat\n"})
    with pytest.raises(DataError, match=r"changed from \w{12} to \w{12} while it was fetched\n.*again"):
        fetch(listing, ["*"])
    assert arrived(get())["names.txt"] == b"cat\n"


def test_gated_files_of_an_open_repository_say_what_to_do(hub: Hub) -> None:
    hub.repo("org/set").commit(FILES)
    for status in (401, 403):
        hub.repo("org/set").gated_files = status
        with pytest.raises(MissingDataError, match=rf"gated[\s\S]*{hub.url}/datasets/org/set, then log in"):
            get()
    assert leftovers() == []


def test_a_private_repository_needs_its_token(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.repo("org/set").commit(FILES)
    hub.repo("org/set").private = "hf_secret"
    with pytest.raises(MissingDataError, match="HF_TOKEN"):
        get()
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert arrived(get()) == FILES


def test_the_token_is_not_shown_to_a_content_network(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.repo("org/set").commit(FILES)
    hub.repo("org/set").private = "hf_secret"
    hub.cdn = hub.url.replace("127.0.0.1", "localhost")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert arrived(get()) == FILES
    delivered = {path.rpartition("/")[2] for method, path in hub.requests if path.startswith("cdn/")}
    assert delivered == {"big.tar", "other.tar"}


def test_a_hub_that_lists_files_outside_of_itself_is_refused(hub: Hub, tmp_path: Path) -> None:
    hub.repo("org/set").commit({"../../../precious.txt": b"x"})
    with pytest.raises(DataError, match="outside of it"):
        opened("org/set", SourceContext())
