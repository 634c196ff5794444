"""The same weights as open_clip, and as graphs, give the same numbers and pass the gate; a faulty export does not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import command
from models.onnx.exported import change_weights, copied

TASKS = ("demo-scenes", "demo-objects")


@pytest.fixture(scope="module")
def here(demo_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with records of demo-clip, of its graphs, and of its graphs with an image tower that was damaged."""
    here = tmp_path_factory.mktemp("gate")
    copied(demo_folder, here / "shipped")
    change_weights(
        copied(demo_folder, here / "damaged") / "visual.onnx",
        lambda name, values: values.round(1) if values.ndim > 1 else values,
    )
    for name in ("shipped", "damaged"):
        card = {"name": name, "adapter": "onnx", "spec": name, "options": {"logit_scale": 24.08623695373535}}
        (here / f"{name}.yaml").write_text(json.dumps(card), "utf-8")
    tasks = [part for task in TASKS for part in ("-t", task)]
    models = ("-m", "demo-clip", "-m", "shipped.yaml", "-m", "damaged.yaml")
    ran = command("run", *models, *tasks, "--limit", "120", where=here)
    assert ran.returncode == 0, ran.stderr
    return here


def compared(here: Path, candidate: str) -> tuple[int, dict[str, object]]:
    sides = ("results/runs", "results/runs", "--baseline-model", "demo-clip", "--candidate-model", candidate)
    ran = command("compare", *sides, "-f", "json", where=here)
    return ran.returncode, json.loads(ran.stdout)


def metrics(here: Path, model: str) -> dict[str, dict[str, float]]:
    files = sorted((here / "results" / "runs").glob(f"{model}/*/*.json"))
    records = [json.loads(file.read_text("utf-8")) for file in files]
    return {
        record["task"]["name"]: {name: each["value"] for name, each in record["metrics"].items()} for record in records
    }


def test_graphs_have_the_same_metrics(here: Path) -> None:
    ours, theirs = metrics(here, "shipped"), metrics(here, "demo-clip")
    assert ours.keys() == theirs.keys() == {*TASKS}
    for task in TASKS:
        assert ours[task] == pytest.approx(theirs[task], abs=1e-6, nan_ok=True)
    code, found = compared(here, "shipped")
    assert code == 0 and {task["verdict"] for task in found["tasks"]} == {"unchanged"}  # type: ignore[attr-defined]


def test_a_damaged_graph_does_not_pass(here: Path) -> None:
    code, found = compared(here, "damaged")
    assert code == 1 and "regressed" in {task["verdict"] for task in found["tasks"]}  # type: ignore[attr-defined]
