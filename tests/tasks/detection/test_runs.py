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

from vlmbench.cards import SourceSpec, TaskCard
from vlmbench.catalogue import find_models, find_tasks
from vlmbench.errors import UsageError
from vlmbench.features.cache.files import features_folder
from vlmbench.features.engine import FeatureEngine
from vlmbench.features.settings import EngineSettings
from vlmbench.models import ADAPTERS
from vlmbench.models.base import LoadOptions, Model
from vlmbench.remarks.base import gathered_remarks
from vlmbench.remarks.codes import WARNING
from vlmbench.run.execute import execute
from vlmbench.run.listener import NotesAsWarnings, PairResult
from vlmbench.run.plan import RunRequest, make_plan
from vlmbench.tasks.base import TaskOptions
from vlmbench.tasks.detection.own_detector import cannot_name_boxes, lacks_detector
from vlmbench.tasks.detection.plugin import DetectionQuestion

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
    command("leaderboard", "--results", lone.results, "-o", tmp_path / "site", "--no-published", code=0)
    assert "dimensions" not in "".join(page.read_text() for page in (tmp_path / "site").rglob("*.html"))
    command("compare", lone.results, lone.results, code=0)


def test_a_detector_without_encoders_is_asked_nothing_else(lone: RunRequest, make_folder: Callable[..., Path]) -> None:
    folder = make_folder({"cat": 2, "dog": 2})
    tasks = (f"imagefolder:{folder}", "demo-retrieval", "demo-segmentation", "demo-detection")
    request = replace(lone, tasks=tasks, options=TaskOptions(limit=2))
    results = execute(make_plan(request), request, NotesAsWarnings())
    assert [result.status for result in results] == ["unsupported"] * 4
    messages = [result.failure.message for result in results if result.failure]
    assert all("needs a dual encoder, such as -m demo-clip" in message for message in messages[:2])
    assert all("-t demo-detection-native" in message and "-t coco:DIR" in message for message in messages[:2])
    assert "neither a segmentation head of its own" in messages[2] and "-m demo-clip" in messages[2]
    assert "cannot classify given boxes" in messages[3] and messages[3].endswith("-t demo-detection-native")


def test_boxes_without_a_card_are_found_by_a_detector_and_named_by_an_encoder(folder: Path, tmp_path: Path) -> None:
    """Each model answers as it can, in two protocols; the detector's is the one that could be asked for by name."""
    request = RunRequest(
        models=("lone:x", "colourist:"), tasks=(f"coco:{folder}",), results=tmp_path / "runs", device="cpu"
    )
    found, named = execute(make_plan(request), request, NotesAsWarnings())
    assert found.record is not None and named.record is not None
    protocols = [result.record.task.protocol for result in (found, named) if result.record]
    assert [protocol["regions"] for protocol in protocols] == ["native", "ground-truth"]
    assert protocols[0]["head"] == "the model's own detector" and "crop_scale" not in protocols[0]
    assert any("own detector found the boxes" in warning for warning in found.record.warnings)
    assert not any("own detector" in warning for warning in named.record.warnings)
    asked = replace(request, models=("lone:x",), results=tmp_path / "other")
    asked = replace(asked, options=TaskOptions(protocol={"regions": "native"}))
    by_name = only(asked)
    assert by_name.record is not None and by_name.record.id == found.record.id
    assert by_name.record.main == found.record.main
    assert not any("own detector" in warning for warning in by_name.record.warnings)


def test_its_own_boxes_are_a_remark_that_takes_the_number_out_of_rankings(folder: Path, lone: RunRequest) -> None:
    question = make_plan(replace(lone, tasks=(f"coco:{folder}",))).tasks[0].question
    assert question is not None
    with gathered_remarks(WARNING) as gathered:
        question.answer(FeatureEngine(loaded("lone:x"), EngineSettings()))
    (own,) = [remark for remark in gathered.remarks if remark.code == "own-detector"]
    assert own.unranked and own.brief == "own detector"


@pytest.mark.parametrize(
    ("asked", "way_out"),
    [
        ({"regions": "ground-truth"}, "--set regions=native"),
        ({"regions": "proposals", "proposals": "PROPOSALS"}, "--set regions=native"),
    ],
)
def test_a_detector_is_not_asked_what_was_named(
    folder: Path, lone: RunRequest, tmp_path: Path, asked: dict[str, str], way_out: str
) -> None:
    file = tmp_path / "proposals.json"
    file.write_text('[{"image_id": 3, "category_id": 1, "bbox": [2, 4, 20, 12], "score": 1}]')
    protocol = {name: str(file) if value == "PROPOSALS" else value for name, value in asked.items()}
    request = replace(lone, tasks=(f"coco:{folder}",), options=TaskOptions(protocol=protocol))
    result = only(request)
    assert result.status == "unsupported" and result.failure is not None
    assert result.failure.message.endswith(way_out)


def test_several_templates_are_too_many_for_a_detector(folder: Path, lone: RunRequest) -> None:
    request = replace(lone, tasks=(f"coco:{folder}",), options=TaskOptions(templates=("a {}", "the {}")))
    result = only(request)
    assert result.failure is not None and "--templates FILE" in result.failure.message


def test_metrics_of_naming_the_datas_own_boxes_stay_with_them(request_: RunRequest) -> None:
    """The card measures how boxes are named, which a detector's own boxes cannot tell."""
    result = only(replace(request_, models=("lone:x",)))
    assert result.failure is not None and "`regions: native`" in result.failure.message


@pytest.mark.parametrize(
    ("model", "task", "way_out"),
    [
        ("colourist:", "coco-native", "-t coco-gt-regions"),
        ("colourist:", "demo-detection-native", "-t demo-detection"),
        ("colourist:", "odinw-aquarium-native", "--set regions=ground-truth"),
        ("lone:x", "coco-gt-regions", "-t coco-native"),
        ("lone:x", "coco-proposals", "-t coco-native"),
        ("lone:x", "demo-detection", "-t demo-detection-native"),
    ],
)
def test_what_a_model_cannot_be_asked_names_the_card_that_works(model: str, task: str, way_out: str) -> None:
    (card,) = find_tasks(task)
    reason = asked_of(loaded(model), card)
    assert reason is not None and reason.endswith(way_out)


def asked_of(model: Model, card: TaskCard) -> str | None:
    native = card.protocol.get("regions") == "native"
    return lacks_detector(model, card) if native else cannot_name_boxes(model, card)


def loaded(name: str) -> Model:
    (card,) = find_models(name)
    return ADAPTERS.get(card.adapter)(card, LoadOptions())


def test_proposals_that_are_set_play_a_part(folder: Path, request_: RunRequest, tmp_path: Path) -> None:
    file = tmp_path / "proposals.json"
    file.write_text('[{"image_id": 3, "category_id": 1, "bbox": [2, 4, 20, 12], "score": 1}]')
    chosen = {"regions": "proposals", "proposals": str(file), "roi_grid": 2}
    request = replace(request_, tasks=(f"coco:{folder}",), options=TaskOptions(protocol=chosen))
    result = only(request)
    assert result.record is not None
    assert result.record.run.settings == {"regions": "proposals", "proposals": str(file)}
    (unused,) = [remark for remark in result.record.remarks if remark.code == "setting-unused"]
    assert unused.examples == ("roi_grid",)


def test_groups_that_are_set_play_no_part_where_lvis_has_its_own(folder: Path, request_: RunRequest) -> None:
    (card,) = find_tasks(str(request_.tasks[0]))
    plan = make_plan(replace(request_, options=TaskOptions(protocol={"groups": {"warm": ["red"]}})))
    question = plan.tasks[0].question
    assert isinstance(question, DetectionQuestion) and card.name == "colours"
    model = loaded("colourist:")
    assert "groups" in question.settings_in_use(model)
    of_lvis = replace(question, how=question.how.model_copy(update={"evaluator": "lvis"}))
    assert "groups" not in of_lvis.settings_in_use(model)
