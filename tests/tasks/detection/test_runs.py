"""Whole runs: a record, found again, other settings another record, unsupported models said so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import tasks.detection.models  # registers the toys
import yaml
from command_line import command

from vlmbench.cards import SourceSpec
from vlmbench.errors import UsageError
from vlmbench.features.cache.files import features_folder
from vlmbench.run.execute import execute
from vlmbench.run.listener import NotesAsWarnings, PairResult
from vlmbench.run.plan import RunRequest, make_plan
from vlmbench.tasks.base import TaskOptions

assert tasks.detection.models


@pytest.fixture
def request_(folder: Path, tmp_path: Path) -> RunRequest:
    source = SourceSpec(kind="coco", location=str(folder)).model_dump()
    card = {
        "name": "colours",
        "plugin": "detection",
        "sources": [source],
        "metrics": ["ap", "mean_class_accuracy_top1"],
    }
    (tmp_path / "colours.yaml").write_text(yaml.safe_dump(card))
    return RunRequest(
        models=("colourist:",), tasks=(str(tmp_path / "colours.yaml"),), results=tmp_path / "runs", device="cpu"
    )


def only(request: RunRequest) -> PairResult:
    (result,) = execute(make_plan(request), request, NotesAsWarnings())
    return result


def test_a_record_and_its_predictions(request_: RunRequest) -> None:
    result = only(request_)
    assert result.status == "done" and result.record is not None and result.path is not None
    record = result.record
    assert record.main.value == pytest.approx(1.0) and record.main_metric == "ap"
    assert record.task.protocol["regions"] == "ground-truth" and record.task.protocol["evaluator"] == "pycocotools"
    assert [row.name for row in record.per_class] == ["red", "green", "blue"]
    assert pq.read_table(result.path.with_suffix(".parquet")).num_rows == record.task.dataset.samples == 4
    again = only(request_)
    assert again.status == "found" and again.record == record


def test_settings_make_another_record(request_: RunRequest) -> None:
    first = only(request_)
    other = only(replace(request_, options=TaskOptions(protocol={"crop_scale": 2.0})))
    assert other.status == "done" and other.record is not None and first.record is not None
    assert other.record.id != first.record.id and other.record.task.protocol["crop_scale"] == 2.0
    with pytest.raises(UsageError, match="crop_scale"):
        make_plan(replace(request_, options=TaskOptions(protocol={"crop_scale": "wide"})))
    with pytest.raises(UsageError, match="the data's own boxes"):
        make_plan(replace(request_, options=TaskOptions(protocol={"regions": "native"})))


def test_a_setting_that_plays_no_part_is_told_and_not_recorded(request_: RunRequest) -> None:
    """Boxes are cut out here: no patches are read."""
    first = only(replace(request_, options=TaskOptions(protocol={"readout": "nonsense", "crop_scale": 1.5})))
    assert first.record is not None and first.record.run.settings == {"crop_scale": 1.5}
    assert "1 setting plays no part in colours: readout" in first.record.warnings
    assert only(replace(request_, options=TaskOptions(protocol={"crop_scale": 1.5}))).status == "found"


def test_a_model_that_cannot_be_asked(request_: RunRequest) -> None:
    request = replace(request_, models=("colourist:", "colourist:dense"))
    request = replace(request, options=TaskOptions(protocol={"region_readout": "roi-align", "image_size": 160}))
    plain, dense = execute(make_plan(request), request, NotesAsWarnings())
    assert (plain.status, dense.status) == ("unsupported", "done")
    assert plain.failure is not None and "region_readout=crop" in plain.failure.message


@pytest.fixture
def lone(request_: RunRequest) -> RunRequest:
    """A detector that has no encoders, asked with its own head."""
    (task,) = request_.tasks
    card = yaml.safe_load(Path(task).read_text())
    card |= {"protocol": {"regions": "native"}, "templates": ["{}"], "metrics": ["ap"]}
    Path(task).write_text(yaml.safe_dump(card))
    return replace(request_, models=("lone:x",))


def test_a_detector_without_encoders_answers_and_caches_nothing(lone: RunRequest, tmp_path: Path) -> None:
    result = only(lone)
    assert result.status == "done" and result.record is not None and result.path is not None
    model = result.record.model
    assert (model.embedding_dim, model.logit_scale, model.logit_bias) == (None, None, None)
    assert model.capabilities == ["Detector"] and result.record.main.value is not None
    assert not features_folder().exists(), "a cache of features was opened, and none was asked for"
    again = only(lone)
    assert again.status == "found" and again.record == result.record


def test_its_record_is_read_by_whatever_reads_records(lone: RunRequest, tmp_path: Path) -> None:
    assert only(lone).record is not None
    assert "lone" in command("report", "results", "--results", lone.results, code=0).stdout
    command("leaderboard", "--results", lone.results, "-o", tmp_path / "site", code=0)
    assert "dimensions" not in "".join(page.read_text() for page in (tmp_path / "site").rglob("*.html"))
    command("compare", lone.results, lone.results, code=0)


def test_a_detector_without_encoders_is_asked_nothing_else(lone: RunRequest, make_folder: Callable[..., Path]) -> None:
    folder = make_folder({"cat": 2, "dog": 2})
    tasks = (f"imagefolder:{folder}", "demo-retrieval", "demo-segmentation", "demo-detection")
    request = replace(lone, tasks=tasks, options=TaskOptions(limit=2))
    results = execute(make_plan(request), request, NotesAsWarnings())
    assert [result.status for result in results] == ["unsupported"] * 4
    messages = [result.failure.message for result in results if result.failure]
    assert all("takes a dual encoder" in message and "needs Detector" in message for message in messages[:2])
    assert "neither a segmentation head of its own" in messages[2] and "takes a dual encoder" in messages[3]
