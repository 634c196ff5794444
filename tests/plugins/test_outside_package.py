"""A package outside the repository adds one of everything by entry points alone, and commands treat it as built in."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
import yaml

PACKAGE = Path(__file__).parent / "outside"
REPOSITORY = Path(__file__).parents[2]
IMAGES = 40
METADATA = "Metadata-Version: 2.1\nName: outside\nVersion: 1.0\n"
TASK = {
    "name": "greys-agree",
    "plugin": "agreement",
    "title": "Greys that agree",
    "sources": [
        {"kind": "greys", "location": "nowhere", "other_locations": ["greys"], "split": "val", "options": {"every": 2}}
    ],
}
DATA = ("--data-root", "data")
BOTH = ("-t", "greys-agree.yaml", "-t", "greys:greys", *DATA)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with the package installed in ``site``, images and a task card."""
    folder = tmp_path_factory.mktemp("outside")
    site = folder / "site"
    shutil.copytree(PACKAGE, site / "outside", ignore=shutil.ignore_patterns("__pycache__", "*.txt"))
    installed = site / "outside-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text(METADATA)
    shutil.copy(PACKAGE / "entry_points.txt", installed)
    for split in ("test", "val"):
        (folder / "data" / "greys" / split).mkdir(parents=True)
        for number in range(IMAGES):
            level = round(255 * number / (IMAGES - 1))
            image = PIL.Image.new("L", (4, 4), level)
            image.save(folder / "data" / "greys" / split / f"{int(level > 127)}-{number:03}.png")
    (folder / "greys-agree.yaml").write_text(yaml.safe_dump(TASK))
    wrong = {"kind": "greys", "location": "greys", "options": {"evry": 2}}
    (folder / "misspelt.yaml").write_text(yaml.safe_dump({**TASK, "name": "misspelt", "sources": [wrong]}))
    return folder


COMMANDS: dict[str, tuple[str, ...]] = {
    "good": ("run", "-m", "grey:1", *BOTH, "--executor", "backwards", "--results", "good"),
    "bad": ("run", "-m", "grey:0.5", *BOTH, "--results", "bad"),
    "centred": ("run", "-m", "grey:1", "-t", "greys:greys", *DATA, "--transfer", "centred", "--results", "centred"),
    "misspelt": ("run", "-m", "grey:1", "-t", "misspelt.yaml", *DATA, "--results", "none"),
    "own table": ("report", "agreements", "-f", "lines", "--results", "good"),
    "own table in the terminal": ("report", "agreements", "--results", "good"),
    "help": ("report", "--help"),
    "results": ("report", "results", "-f", "lines", "--results", "good"),
    "task": ("report", "task", "greys-agree", "--results", "good"),
    "leaderboard": ("leaderboard", "--results", "good", "-o", "site-of-good", "--no-published"),
    "worse": ("compare", "good", "bad", "-f", "json"),
    "same": ("compare", "good", "good"),
    "save": ("baseline", "save", "main", "--results", "good", "--baselines", "baselines"),
    "show": ("baseline", "show", "main", "--baselines", "baselines"),
    "same as saved": ("compare", "baselines/main", "good"),
    "worse than saved": ("compare", "baselines/main", "bad"),
    "model index": ("export", "-f", "model-index", "-m", "grey:1", "--results", "good"),
    "csv": ("export", "-f", "csv", "--results", "good"),
    "doctor": ("doctor",),
}


@dataclass(frozen=True)
class Ran:
    """What a command of :data:`COMMANDS` left."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="module")
def ran(here: Path) -> dict[str, Ran]:
    """Every command, in one process whose only knowledge of the package is that it is installed."""
    path = [here / "site", REPOSITORY, REPOSITORY / "tests" / "support"]
    environment = {"PYTHONPATH": os.pathsep.join(map(str, path)), "VLMBENCH_CACHE": str(here / "cache")}
    session = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("session.py"))],
        input=json.dumps(list(COMMANDS.values())),
        cwd=here,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert session.returncode == 0, session.stderr
    return {name: Ran(*left) for name, left in zip(COMMANDS, json.loads(session.stdout), strict=True)}


def out(ran: dict[str, Ran], name: str, code: int = 0) -> str:
    """What a command printed, which must have left this exit code."""
    assert ran[name].code == code, ran[name].err
    return ran[name].out


def record(results: Path, kind: str) -> dict[str, Any]:
    """The one record of a kind of task in a results folder."""
    found = [json.loads(path.read_text()) for path in results.rglob("*.json")]
    (only,) = [each for each in found if each["task"]["plugin"] == kind]
    return only


def test_runs_leave_records_with_the_packages_own_answers(here: Path, ran: dict[str, Ran]) -> None:
    out(ran, "good")
    agreed = record(here / "good", "agreement")
    assert agreed["metrics"]["agreement"]["value"] == 1.0
    assert agreed["metrics"]["agreement"]["n"] == IMAGES / 2, "the option of the source counts"
    assert agreed["task"]["dataset"]["split"] == "val"
    classified = record(here / "good", "classification")["metrics"]["acc1"]
    assert classified == {**classified, "value": 1.0, "n": IMAGES}


def test_a_transfer_method_is_named_and_makes_another_run(here: Path, ran: dict[str, Ran]) -> None:
    out(ran, "centred")
    plain, centred = (record(here / name, "classification") for name in ("good", "centred"))
    assert centred["task"]["protocol"]["transfer"] == "centred"
    assert "transfer" not in plain["task"]["protocol"]
    assert plain["id"] != centred["id"]


def test_a_misspelt_option_of_a_foreign_source_is_refused(ran: dict[str, Ran]) -> None:
    out(ran, "misspelt", code=2)
    assert "unknown option 'evry'" in ran["misspelt"].err


def test_the_packages_table_and_format_are_listed_and_write(ran: dict[str, Ran]) -> None:
    assert out(ran, "own table") == "grey:1 / 100\n"
    assert "grey:1" in out(ran, "own table in the terminal")
    assert "who agrees" in out(ran, "help")
    assert "greys-agree" in out(ran, "results")
    assert "agreement" in out(ran, "task")


def test_the_leaderboard_has_the_kinds_column_under_its_title(here: Path, ran: dict[str, Ran]) -> None:
    out(ran, "leaderboard")
    assert "Agreement from outside" in (here / "site-of-good" / "index.html").read_text()
    assert any("greys-agree" in path.name for path in (here / "site-of-good").rglob("*.html"))


def test_runs_are_paired_by_the_kinds_own_columns(ran: dict[str, Ran]) -> None:
    (task,) = [task for task in json.loads(out(ran, "worse", code=1))["tasks"] if task["task"] == "greys-agree"]
    assert task["verdict"] == "regressed", task
    out(ran, "same")


def test_a_baseline_keeps_the_kinds_answers(ran: dict[str, Ran]) -> None:
    out(ran, "save")
    assert "greys-agree" in out(ran, "show")
    out(ran, "same as saved")
    out(ran, "worse than saved", code=1)


def test_exports_name_the_kind(ran: dict[str, Ran]) -> None:
    results = yaml.safe_load(out(ran, "model index"))["model-index"][0]["results"]
    assert {"type": "image-agreement", "name": "Agreement"} in [result["task"] for result in results]
    assert "agreement" in out(ran, "csv")


def test_doctor_lists_what_the_package_adds(ran: dict[str, Ran]) -> None:
    for name in ("grey", "greys", "agreement", "centred", "agreements", "lines", "backwards"):
        assert name in out(ran, "doctor"), name
