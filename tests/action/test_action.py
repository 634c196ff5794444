"""action.yml: its steps as a runner carries them out, from the models to the exit code."""

from __future__ import annotations

import json
import re
import shutil
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import yaml
from action.workflow import ACTION, Runner
from command_line import command

QUICK = "--limit 100 --stratified\n--seed 3"


def spoiled_clip(folder: Path) -> Path:
    """The demo's CLIP with noise in its weights: a release that went wrong."""
    import torch
    from safetensors.torch import load_file, save_file

    shutil.copytree(ACTION.parent / "vlmbench" / "demo" / "checkpoint", folder)
    weights = load_file(folder / "open_clip_model.safetensors")
    random = torch.Generator().manual_seed(0)
    for name, weight in weights.items():
        if weight.is_floating_point() and weight.ndim > 1:
            weights[name] = weight + 0.6 * weight.std() * torch.randn(weight.shape, generator=random)
    save_file(weights, folder / "open_clip_model.safetensors")
    return folder


MINIMAL = {"models": "a", "tasks": "b", "baseline": "main"}


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(tmp_path / "runner")


@pytest.mark.skipif(sys.platform == "win32", reason="the steps are bash")
def test_a_release_passes_and_a_spoiled_one_fails(runner: Runner, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    inputs = {
        "models": "demo-clip",
        "tasks": "\n  demo-digits  \n",
        "baseline": "main",
        "run-args": QUICK,
        "extras": "demo",
        "pip-args": "--extra-index-url INDEX",
    }
    first = runner.job(inputs)
    assert first.code == 2 and first.outputs["exit-code"] == "2" and runner.comments == []
    assert "baseline save NAME" in first.said["Compare with the baseline"]
    assert "::error title=vlmbench::Nothing was compared" in first.said["Compare with the baseline"]

    command("baseline", "save", "main", "--results", "vlmbench-results", where=runner.workspace, code=0)
    passed = runner.job(inputs)
    assert passed.code == 0, passed.said
    assert passed.outputs == {"exit-code": "0", "verdict": "passed", "report": "vlmbench-results-report"}
    assert (runner.home / "stubs" / "pip").read_text().split() == [
        *("-m", "pip", "install", "--disable-pip-version-check", "--extra-index-url", "INDEX", "--"),
        f"{ACTION.parent}[demo]",
    ]
    assert passed.used["actions/setup-python@v5"] == {"python-version": "3.11"}
    (kept,) = [given for action, given in passed.used.items() if action.startswith("actions/upload-artifact@")]
    assert kept["path"].split() == ["vlmbench-results-report", "vlmbench-results"] and kept["name"] == "vlmbench-gate"
    (comment,) = runner.comments
    assert comment["body"].startswith("<!-- vlmbench-gate -->\n") and "PASSED" in comment["body"]

    runner.comments = [
        {"id": 1, "body": comment["body"], "user": {"login": "somebody", "type": "User"}},
        *runner.comments,
    ]
    spoiled = {**inputs, "models": f"open_clip:local-dir:{spoiled_clip(tmp_path / 'spoiled')}", "results": "candidate"}
    failed = runner.job(spoiled)
    assert failed.code == 1 and failed.outputs["exit-code"] == "1" and failed.outputs["verdict"] == "regressed"
    theirs, ours = runner.comments
    assert ours["id"] == comment["id"] and "REGRESSED" in ours["body"] and "demo-digits" in ours["body"]
    assert theirs["body"] == comment["body"]
    assert "REGRESSED" in failed.summary and "PASSED" in passed.summary
    compared = failed.said["Compare with the baseline"]
    assert "::error title=" in compared and "Nothing was compared" not in compared
    mark = re.search(r"::stop-commands::(\w+)\n", compared)
    assert mark and compared.rstrip().endswith(f"::{mark[1]}::")
    report = runner.workspace / "candidate-report"
    assert json.loads((report / "comparison.json").read_text())["verdict"] == "regressed"
    suites = ET.parse(report / "junit.xml").getroot()
    assert suites.find(".//failure") is not None
    assert "demo-digits" in (report / "comparison.txt").read_text()


def test_what_a_run_cannot_do_ends_the_job(runner: Runner) -> None:
    for inputs, said in (
        ({"models": "nobody", "tasks": "demo-digits"}, "unknown model 'nobody'"),
        ({"models": "demo-clip", "suite": "demoo"}, "unknown suite 'demoo'"),
        ({"models": "demo-clip", "tasks": "demo-digits", "run-args": "--limit none"}, "--limit"),
    ):
        job = runner.job({"baseline": "main", **inputs})
        assert job.code == 2 and said in job.said["Run the models"]
        assert "Compare with the baseline" not in job.said and job.said["Verdict"] == "" and runner.comments == []


def test_inputs_are_words_and_never_code(runner: Runner) -> None:
    """Every input with what a shell would obey, to a `vlmbench` that tells its words."""
    (runner.home / "bin" / "vlmbench").write_text('#!/bin/bash\nprintf "<%s>\\n" "$@"\n')
    evil = "$(touch pwned) `touch pwned`; touch pwned \"'"
    job = runner.job(
        {
            "models": f"--results=x\n{evil}",
            "tasks": evil,
            "suite": "",
            "results": f"out {evil}",
            "baseline": f"--help {evil}",
            "gate": evil,
            "run-args": "*  \n $HOME",
            "compare-args": "--allow;touch pwned",
            "name": evil,
        }
    )
    assert not list(runner.home.rglob("pwned"))
    run = re.findall(r"<(.*)>", job.said["Run the models"])
    evil_line = evil.strip()
    assert run == [
        *("run", f"--results=out {evil}", "--model=--results=x", f"--model={evil_line}", f"--task={evil_line}"),
        *("*", "$HOME"),
    ]
    compared = re.findall(r"<(.*)>", job.said["Compare with the baseline"])
    assert compared[-3:] == ["--", f"--help {evil}", f"out {evil}"]
    assert f"--gate={evil}" in compared and compared[-5:-3] == ["--allow;touch", "pwned"]


def test_without_tasks_it_is_the_suite_ci(runner: Runner) -> None:
    (runner.home / "bin" / "vlmbench").write_text('#!/bin/bash\nprintf "<%s>\\n" "$@"\n')
    job = runner.job({"models": "a", "tasks": " \n", "baseline": "main"})
    assert re.findall(r"<(.*)>", job.said["Run the models"])[-1] == "--suite=ci"


def tell(runner: Runner, page: str) -> None:
    """A `vlmbench` whose comparisons come to this page."""
    (runner.home / "page.md").write_text(page)
    (runner.home / "bin" / "vlmbench").write_text(
        f"""#!/bin/bash
        if [ "$1" = compare ]; then
          cp "{runner.home / "page.md"}" vlmbench-results-report/comparison.md
          echo '{{"verdict": "passed"}}' > vlmbench-results-report/comparison.json
        fi
        """
    )


@pytest.mark.parametrize(("lines", "kept"), [(10, 10), (2000, 650)])
def test_a_long_report_fits_a_comment(runner: Runner, lines: int, kept: int) -> None:
    tell(runner, ("é" * 99 + "\n") * lines)
    assert runner.job(MINIMAL).code == 0
    (comment,) = runner.comments
    assert len(comment["body"]) < 65_536 and comment["body"].count("é" * 99) == kept
    assert ("the rest is in the job's artifact" in comment["body"]) == (kept < lines)


def test_a_comment_is_written_once_for_each_gate_and_only_over_our_own(runner: Runner) -> None:
    tell(runner, "first")
    runner.comments = [{"id": 1, "body": "<!-- vlmbench-gate -->\nmine", "user": {"login": "person", "type": "User"}}]
    runner.job(MINIMAL)
    tell(runner, "second")
    runner.job(MINIMAL)
    runner.job({**MINIMAL, "name": "other"})
    bodies = ["<!-- vlmbench-gate -->\nmine", "<!-- vlmbench-gate -->\nsecond", "<!-- other -->\nsecond"]
    assert [comment["body"] for comment in runner.comments] == bodies
    runner.environment["GH_LOGIN"] = "person"  # a token of somebody's own: its comments are that person's
    tell(runner, "third")
    runner.job(MINIMAL)
    assert [comment["body"] for comment in runner.comments] == ["<!-- vlmbench-gate -->\nthird", *bodies[1:]]


def test_a_comment_that_cannot_be_or_need_not_be_written(runner: Runner) -> None:
    tell(runner, "page")
    runner.environment["READ_ONLY"] = "1"
    forked = runner.job(MINIMAL)
    assert forked.code == 0 and runner.comments == []
    assert "::warning title=vlmbench::The report could not be written" in forked.said["Comment on the pull request"]
    assert "Comment on the pull request" not in runner.job({**MINIMAL, "comment": "false"}).said
    assert "Comment on the pull request" not in runner.job(MINIMAL, pull_request=None).said


@pytest.mark.parametrize(("run", "compare", "code"), [(0, 0, 0), (1, 0, 1), (0, 3, 3), (1, 3, 3), (3, 0, 3)])
def test_the_jobs_exit_code_is_the_comparisons_unless_the_run_failed(
    runner: Runner, run: int, compare: int, code: int
) -> None:
    program = f"#!/bin/bash\ncase $1 in run) exit {run};; compare) exit {compare};; esac\n"
    (runner.home / "bin" / "vlmbench").write_text(program)
    job = runner.job(MINIMAL)
    assert job.code == code and ("Compare with the baseline" in job.said) == (run < 2)


def test_no_script_has_an_expression_in_its_text() -> None:
    action = yaml.safe_load(ACTION.read_text())
    assert action["runs"]["using"] == "composite"
    for step in action["runs"]["steps"]:
        assert "${{" not in step.get("run", "")
        assert "uses" not in step or re.fullmatch(r"actions/[\w-]+@(v\d+|[0-9a-f]{40})", step["uses"])
