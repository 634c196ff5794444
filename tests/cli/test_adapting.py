"""Half of the classes, and another task's data, on the command line and from Python."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import toy_adapter
import yaml
from command_line import command

import vlmbench
from vlmbench.errors import UsageError

assert toy_adapter.LOADED is not None
CLASSES = {"cat": 3, "dog": 3, "bird": 3, "fish": 3, "hen": 3}


@pytest.fixture
def cards(make_folder: Callable[..., Path], tmp_path: Path) -> dict[str, str]:
    """Three tasks, of which "few" and "more" have train data."""
    train = make_folder({name: 5 for name in CLASSES}, "train", seed=1)
    found = {}
    for number, name in enumerate(("few", "more", "bare")):
        test = make_folder(CLASSES, name, seed=number + 2)
        card = {"name": name, "sources": [{"kind": "imagefolder", "location": str(test)}]}
        if name != "bare":
            card["train"] = [{"kind": "imagefolder", "location": str(train)}]
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(card))
        found[name] = str(tmp_path / f"{name}.yaml")
    return found


METHOD = ("--transfer", "clip-adapter", "--option", "epochs=2", "--shots", "1,2", "--seeds", "2")


def test_base_to_new_from_the_plan_to_the_table(cards: dict[str, str], tmp_path: Path) -> None:
    asked = ("run", "-m", "toy:a", "-t", cards["few"], *METHOD, "--setting", "base-to-new", "--results", tmp_path / "r")
    planned = command(*asked, "--dry-run")
    assert planned.returncode == 0 and not (tmp_path / "r").exists()
    assert planned.stdout.count("base-to-new") == 4 and "clip-adapter, 2-shot, draw 1, base-to-new" in planned.stdout
    assert "4 models to adapt; at most 18 support images" in planned.stdout, "of 3 base classes"
    done = command(*asked)
    assert done.returncode == 0 and "h_acc1" in done.stdout, done.stderr
    table = command("report", "base-to-new", "--results", tmp_path / "r", "--format", "json")
    data = json.loads(table.stdout)
    assert [(datum["method"], datum["shots"]) for datum in data] == [
        ("zero-shot", 0),
        ("clip-adapter", 1),
        ("clip-adapter", 2),
    ]
    frame = vlmbench.results_frame(tmp_path / "r")
    assert set(frame["setting"]) == {"base-to-new"} and frame["learnt_from"].isna().all()


def test_a_method_without_new_classes_is_refused(cards: dict[str, str], tmp_path: Path) -> None:
    asked = ("run", "-m", "toy:a", "-t", cards["few"], "--shots", "1", "--setting", "base-to-new")
    done = command(*asked, "--transfer", "nearest-mean", "--results", tmp_path / "r")
    assert done.returncode == 2 and "'nearest-mean' cannot do that" in done.stderr
    assert "`vlmbench methods` lists them" in done.stderr
    done = command(*asked, "--transfer", "coop", "--option", "class_specific=true", "--results", tmp_path / "r")
    assert done.returncode == 2 and "'coop' cannot do that with these options" in done.stderr


def test_what_is_learnt_for_several_tasks_is_counted_once(cards: dict[str, str], tmp_path: Path) -> None:
    tasks = ("-t", cards["more"], "-t", cards["bare"])
    asked = ("run", "-m", "toy:a", *tasks, *METHOD, "--learn-from", cards["few"], "--results", tmp_path / "r")
    planned = command(*asked, "--dry-run")
    assert planned.returncode == 0 and planned.stdout.count(", from few") == 8
    assert "4 models to adapt; at most 30 support images" in planned.stdout
    done = command(*asked)
    assert done.returncode == 0, done.stderr
    table = command("report", "cross-dataset", "--results", tmp_path / "r")
    assert "learnt from" in table.stdout and "average" in table.stdout and "few" in table.stdout


def test_from_python(cards: dict[str, str]) -> None:
    settings = {"transfer": "clip-adapter", "shots": 1, "method_options": {"epochs": 2}, "results": None}
    (halved,) = vlmbench.evaluate("toy:a", cards["few"], setting="base-to-new", **settings)
    assert halved.main_metric == "h_acc1" and halved.transfer and halved.transfer.setting == "base-to-new"
    (elsewhere,) = vlmbench.evaluate("toy:a", cards["bare"], learn_from=vlmbench.load_task(cards["few"]), **settings)
    assert elsewhere.transfer and elsewhere.transfer.source == "few" and elsewhere.main_metric == "acc1"
    with pytest.raises(UsageError, match="and --learn-from those of another task"):
        vlmbench.evaluate("toy:a", cards["bare"], setting="base-to-new", learn_from=cards["few"], **settings)


def test_a_dry_run_says_what_goes_through_the_towers() -> None:
    """Ten classes. CoOp takes 50 epochs of one batch for K = 1, and 100 epochs of one whole batch of 32 for K = 4."""
    asked = ("run", "-m", "demo-clip", "-t", "demo-digits", "--shots", "1,4", "--seeds", "2", "--dry-run")
    done = command(*asked, "--transfer", "coop", "--transfer", "gda", "--transfer", "full-ft", "--option", "epochs=3")
    assert done.returncode == 0, done.stderr
    rows = {
        line.split()[0]: line.split()[1:] for line in done.stdout.split("About what methods send")[1].splitlines()[2:]
    }
    assert rows["coop"] == ["4", "12", "0", "160"], "3 steps of each, and the texts of the classifier"
    assert rows["full-ft"] == ["4", "12", "1,500", "0"], "3 x 10 and 3 x 40 images, and 300 test images, twice"
    assert "gda" not in rows
