"""A package outside the repository adds one of everything by entry points alone, and commands treat it as built in."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

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
Command = Callable[..., str]


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
    return folder


@pytest.fixture(scope="module")
def command(here: Path) -> Command:
    """Run ``vlmbench`` in that folder; returns what it wrote to standard output."""

    def run(*arguments: str, code: int = 0) -> str:
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join([str(here / "site"), str(REPOSITORY)]),
            "VLMBENCH_CACHE": str(here / "cache"),
            "COLUMNS": "160",
        }
        ran = subprocess.run(
            [sys.executable, "-m", "vlmbench.cli.main", *arguments],
            cwd=here,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert ran.returncode == code, f"{arguments}\n{ran.stdout}\n{ran.stderr}"
        return ran.stdout

    return run


@pytest.fixture(scope="module")
def results(here: Path, command: Command) -> Path:
    """Three runs: a model that sees well, one that does not, and the well-seeing one with another transfer method."""
    both = ("-t", "greys-agree.yaml", "-t", "greys:greys", "--data-root", "data", "--executor", "backwards")
    command("run", "-m", "grey:1", *both, "--results", "good")
    command("run", "-m", "grey:0.5", *both, "--results", "bad")
    command(
        "run",
        "-m",
        "grey:1",
        "-t",
        "greys:greys",
        "--data-root",
        "data",
        "--transfer",
        "centred",
        "--results",
        "centred",
    )
    return here


def record(results: Path, kind: str) -> dict[str, object]:
    """The one record of a kind of task in a results folder."""
    found = [json.loads(path.read_text()) for path in results.rglob("*.json")]
    (only,) = [each for each in found if each["task"]["plugin"] == kind]
    assert isinstance(only, dict)
    return only


def test_runs_leave_records_with_the_packages_own_answers(results: Path) -> None:
    agreed = record(results / "good", "agreement")
    assert agreed["metrics"]["agreement"]["value"] == 1.0  # type: ignore[index]
    assert agreed["metrics"]["agreement"]["n"] == IMAGES / 2, "the option of the source counts"  # type: ignore[index]
    assert agreed["task"]["dataset"]["split"] == "val"  # type: ignore[index]
    classified = record(results / "good", "classification")
    assert classified["metrics"]["acc1"] == {**classified["metrics"]["acc1"], "value": 1.0, "n": IMAGES}  # type: ignore[index]


def test_a_transfer_method_is_named_and_makes_another_run(results: Path) -> None:
    plain, centred = (record(results / name, "classification") for name in ("good", "centred"))
    assert centred["task"]["protocol"]["transfer"] == "centred"  # type: ignore[index]
    assert "transfer" not in plain["task"]["protocol"]  # type: ignore[index]
    assert plain["id"] != centred["id"]


def test_a_misspelt_option_of_a_foreign_source_is_refused(here: Path, command: Command) -> None:
    card = {**TASK, "name": "misspelt", "sources": [{"kind": "greys", "location": "greys", "options": {"evry": 2}}]}
    (here / "misspelt.yaml").write_text(yaml.safe_dump(card))
    command("run", "-m", "grey:1", "-t", "misspelt.yaml", "--data-root", "data", "--results", "none", code=2)


def test_the_packages_table_and_format_are_listed_and_write(results: Path, command: Command) -> None:
    assert command("report", "agreements", "-f", "lines", "--results", "good") == "grey:1 / 100\n"
    assert "who agrees" in command("report", "--help")
    assert "grey:1" in command("report", "agreements", "--results", "good")
    assert "greys-agree" in command("report", "results", "-f", "lines", "--results", "good")
    assert "agreement" in command("report", "task", "greys-agree", "--results", "good")


def test_the_leaderboard_has_the_kinds_column_under_its_title(results: Path, command: Command) -> None:
    command("leaderboard", "--results", "good", "-o", "site-of-good")
    assert "Agreement from outside" in (results / "site-of-good" / "index.html").read_text()
    assert any("greys-agree" in path.name for path in (results / "site-of-good").rglob("*.html"))


def test_runs_are_paired_by_the_kinds_own_columns(results: Path, command: Command) -> None:
    compared = json.loads(command("compare", "good", "bad", "-f", "json", "-t", "greys-agree", code=1))
    (task,) = compared["tasks"]
    assert task["verdict"] == "regressed", task
    assert task["difference"]["value"] == pytest.approx(
        record(results / "bad", "agreement")["metrics"]["agreement"]["value"] - 1
    )  # type: ignore[index]
    command("compare", "good", "good", "-t", "greys-agree")


def test_a_baseline_keeps_the_kinds_answers(results: Path, command: Command) -> None:
    command("baseline", "save", "main", "--results", "good", "--baselines", "baselines")
    assert "greys-agree" in command("baseline", "show", "main", "--baselines", "baselines")
    command("compare", "baselines/main", "good")
    command("compare", "baselines/main", "bad", code=1)


def test_exports_name_the_kind(results: Path, command: Command) -> None:
    text = command("export", "-f", "model-index", "-m", "grey:1", "--results", "good")
    types = {
        result["task"]["type"]: result["task"]["name"] for result in yaml.safe_load(text)["model-index"][0]["results"]
    }
    assert types["image-agreement"] == "Agreement"
    assert "agreement" in command("export", "-f", "csv", "--results", "good")


def test_doctor_lists_what_the_package_adds(command: Command) -> None:
    found = command("doctor")
    for name in ("grey", "greys", "agreement", "centred", "agreements", "lines", "backwards"):
        assert name in found, name
