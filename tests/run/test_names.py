"""Names are resolved once: each card file is read once, and an argument stands for what it says."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import toy_adapter  # noqa: F401  registers the adapter "toy"

from vlmbench import card_files
from vlmbench.errors import UnknownNameError, UsageError
from vlmbench.run.names import ask_tasks, resolve_models, resolve_tasks
from vlmbench.run.plan import RunRequest, make_plan
from vlmbench.tasks.base import TaskOptions


@pytest.fixture
def cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two tasks, a suite of both, a suite of ten samples of one, and two models."""
    root = tmp_path / "cards"
    (root / "tasks" / "suites").mkdir(parents=True)
    (root / "model_cards").mkdir()
    source = {"kind": "imagefolder", "location": "x"}
    for name in ("one", "two"):
        write(root / "tasks" / f"{name}.yaml", {"name": name, "sources": [source]})
    write(root / "tasks" / "suites" / "both.yaml", {"name": "both", "tasks": ["one", "two"]})
    write(root / "tasks" / "suites" / "ten.yaml", {"name": "ten", "tasks": ["one"], "sample": {"size": 10}})
    for name in ("toy-a", "toy-b"):
        write(root / "model_cards" / f"{name}.yaml", {"name": name, "adapter": "toy", "spec": name})
    monkeypatch.setenv("VLMBENCH_CARDS", str(root))
    return root


def write(path: Path, card: dict[str, Any]) -> None:
    path.write_text(json.dumps(card))


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each YAML file was read."""
    counts: Counter[str] = Counter()
    real = card_files.read_yaml

    def counted(path: Path) -> Any:
        counts[path.stem] += 1
        return real(path)

    monkeypatch.setattr(card_files, "read_yaml", counted)
    return counts


def test_a_plan_reads_each_card_once(cards: Path, read: Counter[str], tmp_path: Path) -> None:
    request = RunRequest(
        models=("toy-a", "toy-*"), tasks=("both", "one", "t*o"), suites=("both",), results=tmp_path, device="cpu"
    )
    plan = make_plan(request)
    assert [card.name for card in plan.models] == ["toy-a", "toy-b"]
    assert [task.card.name for task in plan.tasks] == ["one", "two"]
    assert {name: read[name] for name in ("toy-a", "toy-b", "one", "two")} == dict.fromkeys(
        ("toy-a", "toy-b", "one", "two"), 1
    )
    assert read["both"] == 2  # named twice, and a suite is only a list of names


def test_a_shipped_suite_is_read_once(read: Counter[str]) -> None:
    assert len(ask_tasks(("demo",), (), TaskOptions())) > 1
    assert set(read.values()) == {1} and read["demo"] == 1


def test_fetch_reads_each_card_once_too(cards: Path, read: Counter[str]) -> None:
    assert [card.name for card in resolve_tasks(("ten", "one", "both"))] == ["one", "two"]
    assert [card.name for card in resolve_models(("toy-b", "toy-*"))] == ["toy-b", "toy-a"]
    assert read["one"] == read["two"] == read["toy-a"] == read["toy-b"] == 1


def test_a_suite_gives_its_sample_to_its_tasks(cards: Path) -> None:
    (asked,) = ask_tasks((), ("ten",), TaskOptions(seed=3))
    assert asked.options == TaskOptions(limit=10, seed=3)
    (limited,) = ask_tasks(("ten",), (), TaskOptions(limit=5))
    assert limited.options.limit == 5


@pytest.mark.parametrize(("name", "said"), [("one", "'one' is a task: -t one"), ("bothe", "Did you mean 'both'")])
def test_suite_insists_on_a_suite(cards: Path, name: str, said: str) -> None:
    with pytest.raises(UnknownNameError, match=rf"unknown suite '{name}'[\s\S]*{said}"):
        ask_tasks((), (name,), TaskOptions())


def test_a_way_to_draw_needs_a_subset(cards: Path) -> None:
    with pytest.raises(UsageError, match="--stratified states how to draw a subset, but no subset is drawn"):
        ask_tasks(("both",), (), TaskOptions(stratified=True))
    assert ask_tasks(("ten",), (), TaskOptions(stratified=True))[0].options.limit == 10
