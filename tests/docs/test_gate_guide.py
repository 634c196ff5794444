"""The guide runs as it is printed, and finds what it says it finds."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from command_line import command
from docs.page import blocks, follow
from repository import REPOSITORY

GUIDE = REPOSITORY / "docs" / "gate.md"
FAULT = re.compile(r"^\| `([\w-]+)` \|.*\| ([\w, -]+) \|$", re.MULTILINE)


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of someone who has typed every line of the guide."""
    here = tmp_path_factory.mktemp("guide")
    assert len(blocks(GUIDE)) > 10
    follow(GUIDE, here)
    return here


def verdicts(here: Path, candidate: str, *options: str) -> dict[str, str]:
    ran = command("compare", "main", f"results/{candidate}", "-f", "json", *options, where=here)
    return {task["task"]: task["verdict"] for task in json.loads(ran.stdout)["tasks"]}


def test_each_fault_is_caught_where_the_guide_says(followed: Path) -> None:
    said = dict(FAULT.findall(GUIDE.read_text("utf-8")))
    assert said.keys() == {"noise", "normalisation", "tokenizer", "int8-overflow"}
    for fault, tasks in said.items():
        regressed = {task for task, verdict in verdicts(followed, fault).items() if verdict == "regressed"}
        assert regressed == set(tasks.split(", ")), fault


def test_well_made_int8_is_not_passed_on_too_little_data(followed: Path) -> None:
    found = sorted(verdicts(followed, "int8").values())
    assert found == ["inconclusive", "inconclusive", "unchanged", "unchanged", "unchanged"]
    assert set(verdicts(followed, "int8", "--gate", "gate.yaml").values()) == {"unchanged"}


def test_the_workflow_gives_the_action_inputs_that_it_has(followed: Path) -> None:
    workflow = yaml.safe_load((followed / "workflow.yaml").read_text("utf-8"))
    (step,) = [step for step in workflow["jobs"]["gate"]["steps"] if "with" in step]
    action = yaml.safe_load((GUIDE.parents[1] / "action.yml").read_text("utf-8"))
    assert step["with"].keys() <= action["inputs"].keys()
    required = {name for name, given in action["inputs"].items() if given.get("required")}
    assert required <= step["with"].keys()
