"""What is planned to be fetched for tasks, and what becomes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from data.hub_layouts import tree, without_manifests
from data.hub_server import Hub
from data.layouts import CLASSES, write_wds

from vlmbench.cards import TaskCard
from vlmbench.data.base import SourceContext
from vlmbench.data.hub import lookup
from vlmbench.data.hub.client import list_files
from vlmbench.data.hub.fetch import FetchPlan, TaskOutcome, Wanted, carry_out, plan_fetch
from vlmbench.data.open import open_dataset
from vlmbench.data.remote import Verified
from vlmbench.errors import DataError

pytestmark = pytest.mark.usefixtures("hub_caches", "impatient")


def wanted(name: str, *sources: dict[str, object], root: Path | None = None, **card: object) -> Wanted:
    fields = {"name": name, "sources": list(sources), **card}
    return Wanted(TaskCard.model_validate(fields), SourceContext(data_root=root))


def hub_source(location: str = "org/set", **fields: object) -> dict[str, object]:
    return {"kind": "hub", "location": location, **fields}


def done(plan: FetchPlan) -> list[TaskOutcome]:
    return carry_out(plan, workers=4, advance=lambda _: None)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, bytes]:
    root = write_wds(tmp_path / "made", [2, 0, 1])
    return {**tree(write_wds(root, [1], split="train")), "README.md": b"# x"}


def test_only_what_a_run_reads_is_planned_and_fetched(hub: Hub, files: dict[str, bytes]) -> None:
    sha = hub.repo("org/set").commit(files)
    plan = plan_fetch([wanted("a", hub_source())], workers=2)
    (task,) = plan.tasks
    read = [name for name in files if name.startswith("test/") or ("/" not in name and name != "README.md")]
    assert sorted(file.path for file in task.files) == sorted(read)
    assert task.revision == sha
    assert task.size == task.to_fetch == plan.to_fetch == sum(len(files[name]) for name in read)
    assert hub.fetched() == []
    (outcome,) = done(plan)
    assert (outcome.samples, outcome.problem) == (3, None)
    assert hub.fetched() == sorted(read)
    again = plan_fetch([wanted("a", hub_source())], workers=2)
    assert again.to_fetch == 0 and again.tasks[0].jobs == () and again.tasks[0].size == task.size


def test_progress_adds_up_also_where_a_file_came_damaged_or_half(hub: Hub, files: dict[str, bytes]) -> None:
    hub.repo("org/set").commit(files)
    hub.damaged["test/0.tar"] = 1
    hub.cut_after["test/1.tar"] = 4_000
    plan = plan_fetch([wanted("a", hub_source())], workers=1)
    total, told = plan.to_fetch, list[int]()
    (outcome,) = carry_out(plan, workers=1, advance=told.append)
    assert outcome.problem is None
    assert sum(told) == total and min(told) < 0


def test_tasks_of_one_repository_fetch_it_once(hub: Hub, files: dict[str, bytes]) -> None:
    sha = hub.repo("org/set").commit(files)
    plan = plan_fetch([wanted("a", hub_source()), wanted("b", hub_source(revision=sha))], workers=2)
    first, second = plan.tasks
    assert plan.to_fetch == first.to_fetch == second.to_fetch
    assert (plan.shared_with(first), plan.shared_with(second)) == (None, "a")
    assert [outcome.samples for outcome in done(plan)] == [3, 3]
    tars = [path for method, path in hub.requests if method == "GET" and path.endswith("test/0.tar")]
    assert len(tars) == 1


def test_what_is_on_disk_needs_no_hub(hub: Hub, tmp_path: Path) -> None:
    write_wds(tmp_path / "here" / "set", [0, 1])
    card = wanted("a", {"kind": "wds", "location": "set"}, hub_source(), root=tmp_path / "here")
    plan = plan_fetch([card], workers=1)
    assert plan.tasks[0].state == "on disk" and plan.to_fetch == 0
    assert done(plan)[0].samples == 2 and hub.requests == []


def test_what_has_no_copy_says_what_to_bring(tmp_path: Path) -> None:
    source = {"kind": "imagefolder", "location": "birds/test"}
    card = wanted("birds", source, source_url="https://birds.example", root=tmp_path)
    (task,) = plan_fetch([card], workers=1).tasks
    assert task.state == "by hand"
    with pytest.raises(
        DataError, match=r"you must bring[\s\S]*birds/test[\s\S]*--data-root[\s\S]*https://birds.example"
    ):
        raise task.problem or AssertionError


def test_one_failure_stops_no_other_task(hub: Hub, files: dict[str, bytes]) -> None:
    hub.repo("org/set").commit(files)
    hub.repo("org/bad").commit(files)
    hub.repo("org/gated").commit(files)
    hub.repo("org/gated").gated_files = 403
    hub.failing["org/bad/resolve"] = 404
    tasks = [wanted(name, hub_source(f"org/{name}")) for name in ("typo", "gated", "bad", "set")]
    outcomes = {outcome.plan.name: outcome for outcome in done(plan_fetch(tasks, workers=3))}
    assert outcomes["set"].samples == 3
    said = {name: str(outcome.problem) for name, outcome in outcomes.items()}
    assert "no such dataset repository" in said["typo"] and "gated" in said["gated"] and "404" in said["bad"]


def test_a_dataset_that_a_run_could_not_open_is_no_success(hub: Hub, files: dict[str, bytes]) -> None:
    del files["test/1.tar"]
    hub.repo("org/set").commit(files)
    (outcome,) = done(plan_fetch([wanted("a", hub_source())], workers=1))
    assert outcome.samples is None and "1 missing: 1.tar" in str(outcome.problem)


def test_verify_finds_what_rotted_in_the_cache(hub: Hub, files: dict[str, bytes]) -> None:
    hub.repo("org/set").commit(files)
    task = wanted("a", hub_source())
    done(plan_fetch([task], workers=1))
    dataset = open_dataset(task.card.sources, SourceContext(offline=True))
    found = plan_fetch([task], workers=1).tasks[0]
    assert found.data is not None
    (tar,) = [file for file in found.files if file.path == "test/0.tar"]
    path = found.data.cached(tar)
    assert path is not None
    path.write_bytes(bytes(len(files["test/0.tar"])))
    assert plan_fetch([task], workers=1).to_fetch == 0
    plan = plan_fetch([task], workers=1, verify=True)
    assert plan.tasks[0].damaged == (tar,) and plan.to_fetch == len(files["test/0.tar"])
    assert path.is_file()  # a plan touches nothing
    FetchPlan(plan.tasks, dict.fromkeys(plan.room, 0)).check_space()  # what is damaged makes room
    assert done(plan)[0].samples == 3
    assert open_dataset(task.card.sources, SourceContext(offline=True)).read(0) == dataset.read(0)


def rot(name: str) -> Path:
    from huggingface_hub import constants

    (path,) = Path(constants.HF_HUB_CACHE).glob(f"*/snapshots/*/{name}")
    path.write_bytes(bytes(path.stat().st_size))
    return path


@pytest.mark.parametrize("forget", [False, True])
def test_verify_without_a_hub_uses_the_hashes_that_are_known(hub: Hub, files: dict[str, bytes], forget: bool) -> None:
    hub.repo("org/set").commit(files)
    task = wanted("a", hub_source())
    done(plan_fetch([task], workers=1))
    if forget:  # then the names of the client's blobs must do
        without_manifests()
    hub.gone = True
    (sound,) = plan_fetch([task], workers=1, verify=True).tasks
    assert sound.verified == Verified((), 5, 0)
    for name in ("test/1.tar", "classnames.txt"):
        path = rot(name)
        content = path.read_bytes()
        plan = plan_fetch([task], workers=1, verify=True)
        (outcome,) = done(plan)
        assert name in [file.path for file in plan.tasks[0].damaged] and plan.tasks[0].state == "failed"
        assert "damaged in the cache" in str(outcome.problem) and name in str(outcome.problem)
        assert path.read_bytes() == content


def test_verify_refuses_if_no_hash_is_known(hub: Hub, files: dict[str, bytes]) -> None:
    from huggingface_hub import constants

    hub.repo("org/set").commit(files)
    task = wanted("a", hub_source())
    done(plan_fetch([task], workers=1))
    without_manifests()
    for link in [path for path in Path(constants.HF_HUB_CACHE).rglob("*") if path.is_symlink()]:
        content = link.read_bytes()  # as where a file system has no links
        link.unlink()
        link.write_bytes(content)
    hub.gone = True
    (plan,) = plan_fetch([task], workers=1, verify=True).tasks
    assert plan.state == "failed" and "is not known, so that nothing can be verified" in str(plan.problem)
    assert plan_fetch([task], workers=1).tasks[0].state == "hub"


def test_a_cached_split_survives_the_failure_of_another(hub: Hub, files: dict[str, bytes]) -> None:
    hub.repo("org/set").commit(files)
    done(plan_fetch([wanted("a", hub_source())], workers=1))
    hub.failing["train/0.tar"] = 404
    tasks = [wanted("train", hub_source(split="train")), wanted("test", hub_source())]
    train, test = done(plan_fetch(tasks, workers=1))
    assert "train/0.tar is listed but not there" in str(train.problem) and (test.samples, test.problem) == (3, None)


def test_a_file_that_fails_stops_only_the_tasks_that_need_it(hub: Hub, files: dict[str, bytes]) -> None:
    hub.repo("org/set").commit({**files, **{f"train/{number}.tar": b"x" * 900 for number in range(1, 9)}})
    hub.failing["train/0.tar"] = 404
    tasks = [wanted("train", hub_source(split="train")), wanted("test", hub_source())]
    train, test = done(plan_fetch(tasks, workers=1))
    assert train.problem is not None and test.samples == 3
    assert "train/8.tar" not in hub.fetched()  # of no use without the other


def test_the_client_is_quiet_once_around_all_threads(
    hub: Hub, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub.utils import logging

    before = logging.get_verbosity()
    found: list[int] = []

    def seen(*arguments: Any, **settings: Any) -> Any:
        found.append(logging.get_verbosity())
        return list_files(*arguments, **settings)

    monkeypatch.setattr(lookup, "list_files", seen)
    hub.repo("org/set").commit(files)
    plan_fetch([wanted(name, hub_source()) for name in "ab"], workers=2)
    assert found == [logging.ERROR, logging.ERROR] and logging.get_verbosity() == before != logging.ERROR


def test_what_does_not_fit_is_refused(hub: Hub, files: dict[str, bytes]) -> None:
    hub.repo("org/set").commit(files)
    plan = plan_fetch([wanted("a", hub_source())], workers=1)
    plan.check_space()
    with pytest.raises(DataError, match=r"no room[\s\S]*HF_HOME"):
        FetchPlan(plan.tasks, dict.fromkeys(plan.room, plan.to_fetch - 1)).check_space()


def test_without_a_hub_the_cache_answers_if_it_is_complete(
    hub: Hub, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.repo("org/set").commit(files)
    done(plan_fetch([wanted("a", hub_source())], workers=1))
    hub.gone = True
    whole, partly = plan_fetch([wanted("a", hub_source()), wanted("b", hub_source(split="train"))], workers=1).tasks
    assert (whole.state, whole.to_fetch) == ("hub", 0)
    assert partly.state == "failed"
    assert done(plan_fetch([wanted("a", hub_source())], workers=1))[0].samples == 3
    assert open_dataset(whole.wanted.card.sources, SourceContext(offline=True)).classes == CLASSES
