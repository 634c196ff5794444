"""``vlmbench fetch`` as a newcomer, a cluster's script and an attacker use it."""

from __future__ import annotations

import json
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import toy_adapter
import yaml
from command_line import Finished, Forked
from command_line import command as vlmbench
from data.hub_layouts import tree
from data.hub_server import Hub, running_hub
from data.layouts import write_wds


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub with ``org/set``, caches of its own, for this process and for others."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache" / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 30)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    with running_hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        hub.repo("org/set").commit(tree(write_wds(tmp_path / "made", [2, 0, 1])))
        yield hub


def card(folder: Path, name: str = "toy-set", location: str = "org/set", **fields: object) -> Path:
    path = folder / f"{name}.yaml"
    sources = [{"kind": "hub", "location": location, **fields}]
    path.write_text(yaml.safe_dump({"name": name, "sources": sources}))
    return path


def test_fetch_then_run_without_a_network(hub: Hub, tmp_path: Path) -> None:
    task = card(tmp_path)
    done = vlmbench("fetch", task, "-m", "toy:a")
    assert done.returncode == 0, done.stderr
    assert "hub: org/set" in done.stdout and "to fetch into" in done.stdout
    assert "toy-set  3 samples" in done.stdout and "toy:a  2,816 parameters" in done.stdout
    asked = len(hub.requests)
    ran = vlmbench("run", "-m", "toy:a", "-t", task, "--results", tmp_path / "runs", "--offline")
    assert ran.returncode == 0, ran.stderr
    assert len(hub.requests) == asked
    again = vlmbench("fetch", task)
    assert again.returncode == 0 and "cached" in again.stdout and "0 B to fetch" in again.stdout
    hub.gone = True
    alone = vlmbench("fetch", task)
    assert alone.returncode == 0 and "the cache answered, with commit" in alone.stderr
    runs = tmp_path / "later"
    late = vlmbench("run", "-m", "toy:a", "-t", task, "--results", runs)
    (record,) = [json.loads(path.read_text()) for path in runs.rglob("*.json")]
    said = f"the connection to {hub.url} failed"
    assert late.returncode == 0 and late.stderr.count(said) == 1
    assert [said in warning and "the cache answered" in warning for warning in record["warnings"]] == [True]
    shown = vlmbench("run", "-m", "toy:a", "-t", task, "--results", runs, "--dry-run")
    assert shown.returncode == 0 and said in shown.stderr


def test_a_dry_run_shows_the_plan_and_fetches_nothing(hub: Hub, tmp_path: Path) -> None:
    sha = hub.repo("org/set").branches["main"]
    shown = vlmbench("fetch", card(tmp_path), card(tmp_path, "other", revision=sha), "--dry-run")
    assert shown.returncode == 0, shown.stderr
    for heading in ("task", "source", "revision", "files", "size", "to fetch"):
        assert heading in shown.stdout
    row = next(line for line in shown.stdout.splitlines() if "toy-set" in line)
    assert sha[:12] in row and " 5 " in row and "KiB" in row
    assert "with toy-set" in next(line for line in shown.stdout.splitlines() if "other" in line)
    assert hub.fetched() == [] and not (tmp_path / "cache").exists()


def test_another_number_of_samples_than_the_card_says_is_said(hub: Hub, tmp_path: Path) -> None:
    path = card(tmp_path)
    for samples, mark in ((3, "✓"), (4, "!")):
        path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), "samples": samples}))
        done = vlmbench("fetch", path)
        assert done.returncode == 0 and f"{mark} toy-set  3 samples" in done.stdout
        assert ("but the card states 4" in done.stdout) == (samples == 4)
    (task,) = json.loads(vlmbench("fetch", path, "--json").stdout)["tasks"]
    assert (task["samples"], task["card_samples"]) == (3, 4)


def test_verify_tells_what_is_damaged_and_a_dry_run_leaves_it(hub: Hub, tmp_path: Path) -> None:
    task = card(tmp_path)
    vlmbench("fetch", task)
    (tar,) = (tmp_path / "cache" / "hub").glob("*/snapshots/*/test/1.tar")
    whole = tar.read_bytes()
    tar.write_bytes(bytes(len(whole)))
    planned = vlmbench("fetch", task, "--verify", "--dry-run")
    assert planned.returncode == 0 and "toy-set: 1 damaged: test/1.tar" in planned.stdout
    assert tar.read_bytes() == bytes(len(whole))
    (shown,) = json.loads(vlmbench("fetch", task, "--verify", "--dry-run", "--json").stdout)["tasks"]
    assert shown["damaged"] == ["test/1.tar"] and shown["to_fetch"] == len(whole)
    hub.gone = True
    alone = vlmbench("fetch", task, "--verify")
    assert alone.returncode == 1 and "✗ toy-set" in alone.stdout and "Nothing was removed" in alone.stdout
    assert tar.read_bytes() == bytes(len(whole))
    hub.gone = False
    done = vlmbench("fetch", task, "--verify")
    assert "1 damaged: test/1.tar" in done.stdout and "3 samples; 4 cached files verified" in done.stdout
    assert tar.read_bytes() == whole


def test_train_data_is_fetched_only_when_it_is_asked_for(hub: Hub, tmp_path: Path) -> None:
    both = tmp_path / "both"
    files = {**tree(write_wds(both, [1, 0], split="train")), **tree(write_wds(tmp_path / "made", [2, 0, 1]))}
    hub.repo("org/both").commit(files)
    task = tmp_path / "both.yaml"
    place = {"kind": "hub", "location": "org/both"}
    roles = {"sources": [{**place, "split": "test"}], "train": [{**place, "split": "train"}]}
    task.write_text(yaml.safe_dump({"name": "both", **roles}))
    done = vlmbench("fetch", task)
    assert done.returncode == 0 and "both  3 samples" in done.stdout and "(train)" not in done.stdout
    assert "train data is not fetched: run with `--roles test,train`" in done.stderr.replace("\n", " ")
    assert not [path for path in hub.fetched() if "train/" in path]
    more = vlmbench("fetch", task, "--roles", "train,test")
    assert more.returncode == 0 and "both (train)  2 samples" in more.stdout and "not fetched" not in more.stderr
    assert [path for path in hub.fetched() if "train/" in path]


def test_json_is_only_json(hub: Hub, tmp_path: Path) -> None:
    planned = json.loads(vlmbench("fetch", card(tmp_path), "--dry-run", "--json").stdout)
    (task,) = planned["tasks"]
    assert task["state"] == "hub" and task["files"] == 5 and task["to_fetch"] == task["bytes"] == planned["to_fetch"]
    assert planned["free"] > 0 and planned["cache"].startswith(str(tmp_path))
    failed = vlmbench("fetch", card(tmp_path), card(tmp_path, "typo", "org/sett"), "-m", "toy:a", "--json")
    shown = json.loads(failed.stdout)
    good, bad = shown["tasks"]
    assert failed.returncode == 1
    assert (good["samples"], good["error"], good["to_fetch"]) == (3, None, 0)
    assert bad["state"] == "failed" and "no such dataset repository" in bad["error"] and "HF_TOKEN" in bad["hint"]
    assert shown["models"] == [{"model": "toy:a", "parameters": 2816, "error": None, "hint": None}]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["cifar11"], "Did you mean 'cifar10"),
        (["cifar10", "-m", "open_clop:x"], "Did you mean 'open_clip'"),
        (["cifar10", "--data-root", "/no/root"], "/no/root"),
        (["cifar10", "--workers", "0"], "--workers"),
        (["cifar10", "--roles", "test,trian"], "Name test, train or val"),
        (["cifar10", "--roles", ","], "is not a list of roles"),
        (["imagenet-a", "--roles", "train"], "none of these tasks has train data"),
        ([], "nothing to fetch"),
    ],
)
def test_wrong_usage_is_exit_code_2(arguments: list[str], said: str) -> None:
    wrong = vlmbench("fetch", *arguments)
    assert wrong.returncode == 2 and said in wrong.stderr and "Traceback" not in wrong.stderr


def test_help_says_what_it_is_for() -> None:
    shown = vlmbench("fetch", "--help")
    assert shown.returncode == 0 and "run --offline" in shown.stdout and "--verify" in shown.stdout


def test_what_must_be_brought_by_hand_is_exit_code_1(hub: Hub, tmp_path: Path) -> None:
    missing: Finished = vlmbench("fetch", "iiit5k", card(tmp_path), "--data-root", tmp_path)
    assert missing.returncode == 1
    assert "by hand" in missing.stdout and "iiit5k/test" in missing.stdout and "✓ toy-set" in missing.stdout
    assert vlmbench("fetch", "iiit5k", "--data-root", tmp_path, "--dry-run").returncode == 1
    typo = vlmbench("fetch", "captions:/nonexist")
    assert typo.returncode == 1 and "not found at /nonexist" in typo.stdout
    assert "--data-root" not in typo.stdout and "Put it" not in typo.stdout


def test_without_a_hub_the_places_on_disk_are_listed_too(hub: Hub, tmp_path: Path) -> None:
    path = card(tmp_path, "birds")
    sources = [{"kind": "imagefolder", "location": "birds/test"}, {"kind": "hub", "location": "org/set"}]
    path.write_text(yaml.safe_dump({"name": "birds", "sources": sources}))
    hub.gone = True
    alone = vlmbench("fetch", path, "--data-root", tmp_path)
    assert alone.returncode == 1 and "birds/test" in alone.stdout and f"connection to {hub.url}" in alone.stdout
    assert f"looked in {tmp_path}" in alone.stdout and "--data-root DIR" in alone.stdout


def test_a_model_that_cannot_be_loaded_is_words(hub: Hub) -> None:
    failed = vlmbench("fetch", "-m", "toy:a@missing", "-m", "toy:a")
    assert failed.returncode == 1
    assert "the toy has no weights" in failed.stdout and "Buy another toy" in failed.stdout
    assert "✓ toy:a  " in failed.stdout


@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGKILL])
def test_interrupted_in_the_middle_then_the_same_command_again(hub: Hub, tmp_path: Path, kill: signal.Signals) -> None:
    first, second = os.urandom(1 << 20), os.urandom(3 << 20)
    hub.repo("org/big").commit({"test/0.tar": first, "test/1.tar": second, "test/nshards.txt": b"2"})
    hub.stuck["test/1.tar"] = 2 << 20
    started = Forked("fetch", card(tmp_path, "big", "org/big"))
    snapshots = tmp_path / "cache" / "hub" / "datasets--org--big" / "snapshots"
    hub.wait_for(lambda: list(snapshots.glob("*/test/0.tar")) != [] and "test/1.tar" in hub.fetched())
    started.send_signal(kill)
    ended = started.finished(timeout=20)
    if kill == signal.SIGINT:
        assert ended.returncode == 130 and "that have arrived are kept" in ended.stderr
        assert "Traceback" not in ended.stderr
    else:
        assert ended.returncode == -signal.SIGKILL
    hub.stuck.clear()
    hub.requests.clear()
    again = vlmbench("fetch", card(tmp_path, "big", "org/big"))
    assert "Traceback" not in again.stderr and "test/0.tar" not in hub.fetched() and "test/1.tar" in hub.fetched()
    (snapshot,) = snapshots.iterdir()
    assert [(snapshot / "test" / name).read_bytes() for name in ("0.tar", "1.tar")] == [first, second]


def test_two_at_once_fetch_each_file_once(hub: Hub, tmp_path: Path) -> None:
    path = card(tmp_path)
    for running in [Forked("fetch", path) for _ in range(2)]:
        ended = running.finished()
        assert ended.returncode == 0, ended.stderr
        assert "3 samples" in ended.stdout
    tars = [path for method, path in hub.requests if method == "GET" and path.endswith(".tar")]
    assert len(tars) == len(set(tars)) == 2


@contextmanager
def file_size_limit(most: int) -> Iterator[None]:
    """As after ``ulimit -f``, for this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_file_size_limit_is_words(hub: Hub, tmp_path: Path) -> None:
    hub.repo("org/big").commit({"test/0.tar": bytes(2 << 20), "test/nshards.txt": b"1"})
    with file_size_limit(1 << 20):
        ran = vlmbench("fetch", card(tmp_path, "big", "org/big"))
    assert ran.returncode == 1 and "File too large" in ran.stdout and "ulimit" in ran.stdout
    assert "Traceback" not in ran.stderr


def test_a_plugin_of_ones_own(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = tmp_path / "own_plugin.py"
    plugin.write_text("import toy_adapter\ntoy_adapter.ADAPTERS.register('own', toy_adapter.load)\n")
    for kept in ("_entries", "_origin"):
        monkeypatch.setattr(toy_adapter.ADAPTERS, kept, dict(getattr(toy_adapter.ADAPTERS, kept)))
    assert vlmbench("fetch", "-m", "own:a").returncode != 0
    done = vlmbench("fetch", "--plugin", plugin, "-m", "own:a")
    assert done.returncode == 0, done.stderr
