"""A folder of a thousand records, some broken in every way: each command works on the others and names those."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from broken_records import BROKEN, MODELS, PAIRED, PAIRED_TASKS, SOUND, TASKS, mixed_folder
from command_line import Finished, command

from vlmbench.records import Record, Summary
from vlmbench.store import ResultStore, Unreadable


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Path]]:
    root = tmp_path_factory.mktemp("mixed")
    return root / "results", mixed_folder(root)


def test_there_are_a_thousand_files_and_fifty_ways(folder: tuple[Path, dict[str, Path]]) -> None:
    _, broken = folder
    assert len(BROKEN) >= 50 and len(set(broken.values())) == len(BROKEN)
    assert SOUND + len(BROKEN) >= 1000


@pytest.mark.parametrize("kind", BROKEN)
def test_each_is_left_out_with_its_reason(folder: tuple[Path, dict[str, Path]], kind: str) -> None:
    results, broken = folder
    model, task, _ = broken[kind].relative_to(results).parts
    store = ResultStore(results)
    assert store.pair_records(model, task) == []
    assert store.find(model, task, broken[kind].stem) is None


def test_the_store_reads_the_others_with_and_without_classes(folder: tuple[Path, dict[str, Path]]) -> None:
    results, broken = folder
    store = ResultStore(results)
    for entries, schema in ((list(store), Record), (list(store.summaries()), Summary)):
        assert sum(isinstance(entry, schema) for entry in entries) == SOUND
        unreadable = [entry for entry in entries if isinstance(entry, Unreadable)]
        assert {entry.path for entry in unreadable} == set(broken.values())
        for entry in unreadable:
            assert entry.reason.startswith(str(entry.path)) and "\n" not in entry.reason
            assert len(entry.reason) < len(str(entry.path)) + 700


def unnamed(done: Finished, broken: dict[str, Path]) -> list[str]:
    """What a command did not name."""
    return [kind for kind, path in broken.items() if str(path) not in done.stderr]


@pytest.mark.parametrize("table", ["results", "ranking", "classification", "coverage", "model"])
def test_tables(folder: tuple[Path, dict[str, Path]], table: str) -> None:
    results, broken = folder
    name = [PAIRED] if table == "model" else []
    done = command("report", table, *name, "--results", results, "-f", "json", code=0)
    assert unnamed(done, broken) == []
    if table == "results":
        assert len({(row["model"], row["task"]) for row in json.loads(done.stdout)}) == SOUND


def test_export(folder: tuple[Path, dict[str, Path]]) -> None:
    results, broken = folder
    done = command("export", "--results", results, code=0)
    assert unnamed(done, broken) == [] and len(done.stdout.splitlines()) == 1 + 2 * SOUND
    done = command("export", "-f", "model-index", "-m", PAIRED, "--results", results, code=0)
    assert unnamed(done, broken) == [] and done.stdout.count("name: acc1") == PAIRED_TASKS


def test_leaderboard(folder: tuple[Path, dict[str, Path]], tmp_path: Path) -> None:
    results, broken = folder
    done = command("leaderboard", "--results", results, "-o", tmp_path, "--no-published", code=0)
    below = {kind: path.relative_to(results) for kind, path in broken.items()}  # a page names no folder of this machine
    assert unnamed(done, below) == [] and f"{MODELS + 1} models and {TASKS} tasks" in done.stderr


def test_baseline_and_compare(folder: tuple[Path, dict[str, Path]], tmp_path: Path) -> None:
    results, broken = folder
    saving = ("baseline", "save", "main", "-m", PAIRED, "--results", results, "--baselines", tmp_path)
    done = command(*saving, code=0)
    assert unnamed(done, broken) == [] and f"Saved {PAIRED_TASKS} records" in done.stdout
    done = command("compare", "main", results, "--candidate-model", PAIRED, "--baselines", tmp_path, code=0)
    assert unnamed(done, broken) == []
