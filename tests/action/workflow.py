"""The steps of action.yml as a runner carries them out: its expressions, its files and its shell.

Only what needs the network or GitHub is replaced: ``pip`` and ``gh`` by programs on the path; steps that use another
action are noted. ``vlmbench`` runs in the test's process.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from repository import REPOSITORY
from shell import obeyed, write_client

ACTION = REPOSITORY / "action.yml"

_PYTHON = f"""#!/bin/bash
if [ "$1 $2" = "-m pip" ]; then printf '%s\\n' "$@" > "$STUBS/pip"; exit 0; fi
exec {sys.executable} "$@"
"""
_GH = f"""#!{sys.executable}
import json, os, sys, pathlib
arguments = sys.argv[1:]
assert arguments.pop(0) == "api" and os.environ["GH_TOKEN"] == "secret"
store = pathlib.Path(os.environ["STUBS"], "comments.json")
comments = json.loads(store.read_text())
if arguments == ["user"] and "GH_LOGIN" in os.environ:
    print(json.dumps({{"login": os.environ["GH_LOGIN"]}}))
    sys.exit()
if arguments == ["user"]:
    sys.exit("HTTP 403: Resource not accessible by integration")
if os.environ.get("READ_ONLY") and "--method" in arguments:
    sys.exit("HTTP 403: Resource not accessible by integration")
if arguments[0] == "--paginate":
    assert arguments[1] == "repos/org/repo/issues/7/comments?per_page=100"
    print(json.dumps(comments[:1]) + json.dumps(comments[1:]))
    sys.exit()
method, url, option, given = arguments[1:]
name, at, path = given.partition("=@")
assert (option, name, at) == ("-F", "body", "=@")
body = pathlib.Path(path).read_text()
if method == "POST":
    assert url == "repos/org/repo/issues/7/comments"
    bot = {{"login": "github-actions[bot]", "type": "Bot"}}
    comments.append({{"id": 100 + len(comments), "body": body, "user": bot}})
else:
    (found,) = [c for c in comments if url == f"repos/org/repo/issues/comments/{{c['id']}}"]
    found["body"] = body
store.write_text(json.dumps(comments))
"""


@dataclass
class Runner:
    """One job's machine.

    Attributes:
        home: its folder; ``workspace`` in it is where steps run.
        environment: variables besides those that a runner sets.
    """

    home: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for folder in ("workspace", "stubs", "bin"):
            (self.home / folder).mkdir(parents=True)
        (self.home / "stubs" / "comments.json").write_text("[]")
        write_client(self.home / "bin")
        for name, text in (("python", _PYTHON), ("gh", _GH)):
            (self.home / "bin" / name).write_text(text)
            (self.home / "bin" / name).chmod(0o755)

    @property
    def workspace(self) -> Path:
        return self.home / "workspace"

    @property
    def comments(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads((self.home / "stubs" / "comments.json").read_text())
        return found

    @comments.setter
    def comments(self, comments: list[dict[str, Any]]) -> None:
        (self.home / "stubs" / "comments.json").write_text(json.dumps(comments))

    def job(self, inputs: Mapping[str, str], *, pull_request: int | None = 7) -> Job:
        """Carry out the action, step by step, as a workflow with these inputs."""
        action = yaml.safe_load(ACTION.read_text())
        given = {name: str(spec.get("default", "")) for name, spec in action["inputs"].items()}
        assert not set(inputs) - set(given)
        job = Job(self, {**given, **inputs}, pull_request)
        for step in action["runs"]["steps"]:
            job.step(step)
        job.outputs = {name: job.filled(spec["value"]) for name, spec in action["outputs"].items()}
        return job


@dataclass
class Job:
    """What becomes of one run of the action.

    Attributes:
        code: the exit code of the first step that failed; 0 where none did.
        said: what each step printed, by its name; steps that were skipped are not in it.
        used: what steps gave to other actions, by the action's name.
        summary: the step summary.
        outputs: the action's own.
    """

    runner: Runner
    inputs: dict[str, str]
    pull_request: int | None
    code: int = 0
    said: dict[str, str] = field(default_factory=dict)
    used: dict[str, dict[str, str]] = field(default_factory=dict)
    summary: str = ""
    outputs: dict[str, str] = field(default_factory=dict)
    _outputs: dict[tuple[str, str], str] = field(default_factory=dict)

    def step(self, step: Mapping[str, Any]) -> None:
        condition = str(step.get("if", "success()"))
        if (self.code and "always()" not in condition) or not self._holds(condition):
            return
        if "uses" in step:
            self.used[step["uses"]] = {name: self.filled(str(value)) for name, value in step["with"].items()}
            return
        assert "${{" not in step["run"], f"{step['name']}: an input in a script's text is code"
        assert step["shell"] == "bash"
        files = {name: self.runner.home / f"{name}.txt" for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        for file in files.values():
            file.write_text("")
        code, written = obeyed(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]],
            where=self.runner.workspace,
            environment={
                **os.environ,
                **{name: str(file) for name, file in files.items()},
                "PATH": f"{self.runner.home / 'bin'}{os.pathsep}{os.environ['PATH']}",
                "PYTHONPATH": str(ACTION.parent),
                "STUBS": str(self.runner.home / "stubs"),
                "COLUMNS": "160",
                **self.runner.environment,
                **{name: self.filled(str(value)) for name, value in step.get("env", {}).items()},
            },
        )
        self.said[step["name"]] = written
        self.code = self.code or code
        self.summary += files["GITHUB_STEP_SUMMARY"].read_text()
        for line in files["GITHUB_OUTPUT"].read_text().splitlines():
            name, _, value = line.partition("=")
            self._outputs[step["id"], name] = value

    def filled(self, text: str) -> str:
        """A text with its expressions' values."""
        return re.sub(r"\$\{\{ (.+?) \}\}", lambda found: self._value(found[1]), text)

    def _value(self, expression: str) -> str:
        if expression.startswith("inputs."):
            return self.filled(self.inputs[expression.removeprefix("inputs.")])
        if found := re.fullmatch(r"steps\.(\w+)\.outputs\.(\w+)", expression):
            return self._outputs.get((found[1], found[2]), "")
        known = {
            "github.action_path": str(ACTION.parent),
            "github.token": "secret",
            "github.repository": "org/repo",
            "github.event.pull_request.number": str(self.pull_request or ""),
        }
        return known[expression]

    def _holds(self, condition: str) -> bool:
        for part in condition.split("&&"):
            if part.strip() in ("always()", "success()"):
                continue
            found = re.fullmatch(r"(\S+) (==|!=) '(.*)'", part.strip())
            assert found is not None, part
            if (self._value(found[1]) == found[3]) != (found[2] == "=="):
                return False
        return True
