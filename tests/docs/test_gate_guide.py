"""The guide runs as it is printed, and finds what it says it finds."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from command_line import command
from repository import REPOSITORY

GUIDE = REPOSITORY / "docs" / "gate.md"
FENCE = re.compile(r"^```(\w+) ?(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FAULT = re.compile(r"^\| `([\w-]+)` \|.*\| ([\w, -]+) \|$", re.MULTILINE)


RECORDER = """#!/bin/sh
printf '%s\\0' "$@" >> "$RECORDED"
printf '\\n\\0' >> "$RECORDED"
"""
"""Stands for ``vlmbench``: it writes down what the shell gave it, a line break behind each command."""


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of someone who has typed every line of the guide.

    The shell reads the lines; ``vlmbench`` itself runs in this process, where starting costs nothing.
    """
    here, scripts = tmp_path_factory.mktemp("guide"), tmp_path_factory.mktemp("bin")
    (scripts / "vlmbench").write_text(RECORDER)
    (scripts / "vlmbench").chmod(0o755)
    path = os.pathsep.join([str(scripts), str(Path(sys.executable).parent), os.environ["PATH"]])
    blocks = 0
    for language, information, text in FENCE.findall(GUIDE.read_text("utf-8")):
        if language == "yaml":
            (here / information).write_text(text, "utf-8")
            continue
        code = int(information.removeprefix("exit=") or 0)
        recorded = scripts / f"{blocks}"
        environment = os.environ | {"PATH": path, "RECORDED": str(recorded)}
        subprocess.run(["bash", "-e", "-c", text], cwd=here, env=environment, timeout=600, check=True)
        commands = [typed.split("\0")[:-1] for typed in recorded.read_text("utf-8").split("\n\0")[:-1]]
        for number, arguments in enumerate(commands, 1):
            command(*arguments, where=here, code=code if number == len(commands) else 0)
        blocks += 1
    assert blocks == 10
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
