"""A third party's sources: local and remote, with everything that a card may say of a source."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import toy_adapter
import yaml
from command_line import command
from data.layouts import contents, image_bytes, write_folder
from data.plugin_sources import VERSIONS, Buckets, bucket_source, open_versions, served, write_index

from vlmbench.cards import SourceSpec
from vlmbench.data import SOURCES
from vlmbench.data.base import SourceContext, as_source
from vlmbench.data.open import open_dataset
from vlmbench.errors import PluginError, UsageError

assert toy_adapter.TOY_ADAPTER  # registers the toy model


@pytest.fixture(scope="module", autouse=True)
def _versions() -> None:
    SOURCES.register("versions", VERSIONS)
    SOURCES.register("bare-versions", open_versions)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = {f"{label}/{i}.png": image_bytes(i) for i, label in enumerate(("b", "a", "b"))}
    write_folder(tmp_path / "other name" / "v2" / "val", files)
    return tmp_path


def versions(kind: str = "versions", **fields: object) -> SourceSpec:
    said = {"location": "name", "other_locations": ["other name"], "split": "val", "revision": "v2", **fields}
    return SourceSpec.model_validate({"kind": kind, **said})


@pytest.mark.parametrize("kind", ["versions", "bare-versions"])
def test_a_local_source_uses_all_of_a_cards_fields(folder: Path, kind: str) -> None:
    context = SourceContext(data_root=folder)
    dataset = open_dataset([versions(kind, folders=["b", "a"], options={"suffix": "png"})], context)
    assert [(name, label) for name, label, _ in contents(dataset)] == [("b/0.png", 0), ("b/2.png", 0), ("a/1.png", 1)]
    assert vars(dataset.info) == {"kind": kind, "location": "other name", "revision": "v2", "split": "val"}


def test_what_a_source_does_not_know_is_refused(folder: Path) -> None:
    context = SourceContext(data_root=folder)
    with pytest.raises(UsageError, match=r"unknown option 'sufix'[\s\S]*Did you mean 'suffix'"):
        open_dataset([versions(options={"sufix": "jpg"})], context)
    with pytest.raises(UsageError, match=r"wds does not use `revision`\nThese sources use it: hub, versions\."):
        open_dataset([SourceSpec(kind="wds", location="x", revision="v2")], context)
    assert open_dataset([versions("bare-versions", options={"sufix": "jpg"})], context).samples  # not known, so allowed


def test_something_else_is_no_source() -> None:
    with pytest.raises(PluginError, match="registered as 3"):
        as_source(3)  # type: ignore[arg-type]


def test_a_local_source_runs(folder: Path) -> None:
    card = {"name": "v", "sources": [versions(folders=["a", "b"]).model_dump(exclude_defaults=True)]}
    (folder / "v.yaml").write_text(yaml.safe_dump(card))
    runs = folder / "runs"
    arguments = ("-t", folder / "v.yaml", "--data-root", folder)
    fetched = json.loads(command("fetch", folder / "v.yaml", "--data-root", folder, "--json", code=0).stdout)
    assert [(task["state"], task["samples"]) for task in fetched["tasks"]] == [("on disk", 3)]
    command("run", "-m", "toy:a", *arguments, "--results", runs, code=0)
    (record,) = [json.loads(path.read_text()) for path in runs.rglob("*.json")]
    dataset = record["task"]["dataset"]
    assert (dataset["source"], dataset["location"], dataset["revision"]) == ("versions", "other name", "v2")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("buckets") / "cache"
    SOURCES.register("bucket", bucket_source(folder))
    return folder


@pytest.fixture
def bucket(tmp_path: Path, cache: Path) -> Iterator[tuple[str, list[str], int]]:
    """A served folder: its address, the paths that were asked for, and its size."""
    files = {f"test/{label}/{i}.png": image_bytes(i) for i, label in enumerate(("dog", "cat", "dog"))}
    size = write_index(write_folder(tmp_path / "served", files))
    with served(tmp_path / "served") as (url, asked):
        yield url, asked, size


def card(folder: Path, url: str, **fields: object) -> Path:
    source = {"kind": "bucket", "location": url, **fields}
    path = folder / "kept.yaml"
    path.write_text(yaml.safe_dump({"name": "kept", "sources": [source]}))
    return path


def test_a_remote_source_is_planned_fetched_and_run_offline(
    bucket: tuple[str, list[str], int], cache: Path, tmp_path: Path
) -> None:
    url, asked, size = bucket
    task = card(tmp_path, url)
    planned = json.loads(command("fetch", task, "--dry-run", "--json", code=0).stdout)
    (row,) = planned["tasks"]
    assert (row["state"], row["revision"], row["files"], row["bytes"]) == ("bucket", "7", 3, size)
    assert row["to_fetch"] == planned["to_fetch"] == size and planned["cache"] == str(cache)
    assert asked == ["/index.json"]
    offline = ("run", "-m", "toy:a", "-t", task, "--offline", "--results", tmp_path / "runs")
    refused = command(*offline, code=1)
    assert "not in the cache" in refused.stderr + refused.stdout
    done = command("fetch", task, code=0).stdout
    assert f"bucket: {url}" in done and "kept  3 samples" in done and f"to fetch into {cache}" in done
    assert "0 B to fetch" in command("fetch", task, code=0).stdout
    before = len(asked)
    command(*offline, code=0)
    assert len(asked) == before
    (record,) = [
        json.loads(path.read_text()) for path in (tmp_path / "runs").rglob("*.json") if path.parent.name == "kept"
    ]
    dataset = record["task"]["dataset"]
    assert (dataset["source"], dataset["location"], dataset["revision"]) == ("bucket", url, "7")


def test_a_damaged_file_of_a_remote_source_is_found_and_replaced(
    bucket: tuple[str, list[str], int], cache: Path, tmp_path: Path
) -> None:
    url, asked, _ = bucket
    task = card(tmp_path, url)
    command("fetch", task, code=0)
    path = Buckets(cache).folder(url) / "test" / "cat" / "1.png"
    path.write_bytes(bytes(len(image_bytes(1))))
    assert "0 B to fetch" in command("fetch", task, "--dry-run", code=0).stdout  # only sizes are compared
    shown = json.loads(command("fetch", task, "--verify", "--dry-run", "--json", code=0).stdout)["tasks"][0]
    assert shown["damaged"] == ["test/cat/1.png"] and shown["to_fetch"] == len(image_bytes(1))
    asked.clear()
    command("fetch", task, "--verify", code=0)
    assert [name for name in asked if name.endswith(".png")] == ["/test/cat/1.png"]
    assert path.read_bytes() == image_bytes(1)


def test_a_file_that_fails_is_its_tasks_problem(bucket: tuple[str, list[str], int], tmp_path: Path) -> None:
    url, _, _ = bucket
    (tmp_path / "served" / "test" / "cat" / "1.png").unlink()
    failed = command("fetch", card(tmp_path, url), code=1)
    assert "✗ kept" in failed.stdout and "test/cat/1.png" in failed.stdout


def test_a_misspelt_option_is_refused_before_a_server_is_asked(
    bucket: tuple[str, list[str], int], tmp_path: Path
) -> None:
    url, asked, _ = bucket
    failed = command("fetch", card(tmp_path, url, options={"regoin": "eu"}), code=2)
    assert "unknown option 'regoin'" in failed.stderr and "Did you mean 'region'" in failed.stderr
    assert asked == []
