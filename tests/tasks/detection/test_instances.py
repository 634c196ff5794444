"""Metrics of masks: a run with its record, table, pictures and comparisons, and everything that cannot be scored."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from command_line import command
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from tasks.detection.models import COLOURS
from toy_adapter import FlawedToy

from vlmbench.answers.tables import align, read_answers
from vlmbench.cards import SourceSpec
from vlmbench.errors import CardError, UnknownNameError, UsageError
from vlmbench.models import ADAPTERS
from vlmbench.models.base import Detections
from vlmbench.run.execute import execute
from vlmbench.run.listener import NotesAsWarnings, PairResult
from vlmbench.run.plan import RunRequest, make_plan
from vlmbench.run_lengths import RunLengths, compressed
from vlmbench.tasks.base import TaskOptions
from vlmbench.tasks.detection.paired import PAIRING
from vlmbench.tasks.detection.results import coco_results

METRICS = ["mask_ap", "mask_ap50", "mask_ap75", "mask_ap_small", "mask_ar100", "ap"]
MAIN = {"metrics": METRICS, "main_metric": "mask_ap", "protocol": {"regions": "native"}}


@dataclass
class Outliner(FlawedToy):
    """It finds the pixels of each colour, without the left ones of the spec's number."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.capabilities = {"Detector": self, "InstanceSegmenter": self}

    def detect(self, images: Sequence[PIL.Image.Image], labels: Sequence[str]) -> list[Detections]:
        return [self._found(image, labels, masks=False) for image in images]

    def segment_instances(self, images: Sequence[PIL.Image.Image], labels: Sequence[str]) -> list[Detections]:
        return [self._found(image, labels, masks=self.flaw != "none") for image in images]

    def _found(self, image: PIL.Image.Image, labels: Sequence[str], *, masks: bool) -> Detections:
        pixels = np.asarray(image)
        drawn = np.stack([(pixels == COLOURS[label.split()[-1]]).all(axis=2) for label in labels])
        if self.flaw.isdigit():
            drawn[:, :, : int(self.flaw)] = False
        made = compressed(drawn[:, :-1] if self.flaw == "size" else drawn)
        made = [RunLengths(m.height, m.width, "9") for m in made] if self.flaw == "broken" else made
        boxes = torch.tensor([mask.box() for mask in compressed(drawn)])
        boxes[:, 2:] += boxes[:, :2]
        scores = 1 - 0.1 * torch.arange(len(labels))
        return Detections(boxes, scores, torch.arange(len(labels)), made if masks else None)


ADAPTERS.register(
    "outliner", lambda card, options: Outliner(card, torch.device(options.device), seed=1, flaw=card.spec)
)


@pytest.fixture
def outlined(folder: Path) -> Path:
    """The coloured rectangles, with an outline for each: a polygon, run lengths, and compressed run lengths."""
    change(folder, lambda content: None)
    return folder


def change(folder: Path, do: Callable[[dict[str, Any]], None]) -> None:
    path = folder / "instances.json"
    content = json.loads(path.read_text())
    for image in content["images"]:
        image |= {"width": 40, "height": 32}
    for number, entry in enumerate(content["annotations"]):
        x, y, w, h = entry["bbox"]
        mask = np.zeros((1, 32, 40), dtype=bool)
        mask[0, y : y + h, x : x + w] = True
        counts = np.flatnonzero(np.diff(np.concatenate([[0], mask[0].T.ravel(), [0]])))
        lengths = np.diff(np.concatenate([[0], counts, [mask.size]])).tolist()
        forms: list[Any] = [
            [[x, y, x + w, y, x + w, y + h, x, y + h]],
            {"size": [32, 40], "counts": lengths[:-1] if lengths[-1] == 0 else lengths},
            compressed(mask)[0].form,
        ]
        entry["segmentation"] = forms[number % 3]
    do(content)
    path.write_text(json.dumps(content))


def request(folder: Path, tmp_path: Path, model: str = "outliner:0", **card: Any) -> RunRequest:
    source = SourceSpec(kind="coco", location=str(folder)).model_dump()
    content = {"name": "colours", "plugin": "detection", "sources": [source], "templates": ["{}"], **MAIN, **card}
    (tmp_path / "colours.yaml").write_text(yaml.safe_dump(content))
    return RunRequest(models=(model,), tasks=(str(tmp_path / "colours.yaml"),), results=tmp_path / "runs", device="cpu")


def only(asked: RunRequest) -> PairResult:
    (result,) = execute(make_plan(asked), asked, NotesAsWarnings())
    return result


def reason_of(result: PairResult) -> str:
    assert result.failure is not None
    return result.failure.message


def failure(asked: RunRequest) -> str:
    result = only(asked)
    assert result.status == "failed" and result.record is None
    return reason_of(result)


@pytest.mark.filterwarnings("ignore::vlmbench.errors.VlmbenchWarning")
def test_a_record_its_table_and_pycocotools(outlined: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = replace(request(outlined, tmp_path, "outliner:9"), options=TaskOptions(visuals=1))
    result = only(asked)
    record = result.record
    assert result.status == "done" and record is not None and result.path is not None
    assert list(record.metrics) == METRICS and record.main_metric == "mask_ap"
    table = pq.read_table(result.path.with_suffix(".parquet"))
    assert table["mask_size"].to_pylist() == [[32, 40]] * 4
    assert [len(row) for row in table["masks"].to_pylist()] == [len(row) for row in table["boxes"].to_pylist()]
    assert [len(row) for row in table["truth_masks"].to_pylist()] == [
        len(row) for row in table["truth_boxes"].to_pylist()
    ]
    assert len(list(result.path.parent.rglob("*.png"))) == 1

    ground = COCO(str(outlined / "instances.json"))
    results = coco_results(table)
    assert all("bbox" not in entry for entry in results)
    run = COCOeval(ground, ground.loadRes(json.loads(json.dumps(results))), "segm")
    run.evaluate()
    run.accumulate()
    run.summarize()
    capsys.readouterr()
    numbers = [record.metrics[name].value for name in METRICS[:5]]
    assert numbers == pytest.approx([run.stats[place] for place in (0, 1, 2, 3, 8)], abs=1e-12)
    assert 0 < record.main.value < 1 and record.metrics["ap"].value != record.main.value  # type: ignore[operator]
    assert {row.name: set(row.values) for row in record.per_class} == {
        name: {"ap", "ap50", "mask_ap", "mask_ap50"} for name in COLOURS
    }
    assert np.mean([row.values["mask_ap"] for row in record.per_class]) == pytest.approx(record.main.value)  # type: ignore[arg-type]

    for name in METRICS:
        again = PAIRING.measured(record, table, name)
        assert again is not None and again.value == pytest.approx(record.metrics[name].value, abs=1e-12)
    of_classes = PAIRING.measured(record, table, "mask_ap").classes()  # type: ignore[union-attr, misc]
    own = of_classes.statistics(np.ones((1, 4), dtype=np.int32))[0]  # type: ignore[union-attr]
    assert of_classes.value == "mask_ap" and own.tolist() == pytest.approx(
        [row.values["mask_ap"] for row in record.per_class]
    )


@pytest.mark.filterwarnings("ignore::vlmbench.errors.VlmbenchWarning")
def test_two_runs_are_compared_by_their_masks(outlined: Path, tmp_path: Path) -> None:
    first, second = (only(request(outlined, tmp_path, f"outliner:{cut}")) for cut in (0, 9))
    assert first.record is not None and second.record is not None and first.path is not None
    found = [read_answers(each.record, each.path.parent) for each in (first, second)]  # type: ignore[union-attr, arg-type]
    aligned = align(found[0].table, found[1].table, "detection")
    assert not aligned.only_baseline and not aligned.only_candidate
    before, after = (PAIRING.measured(each.record, each.table, "mask_ap") for each in found)
    assert before is not None and after is not None
    assert 0 < after.value < before.value < 1
    assert (before.seen != after.seen).sum() == 3, "the picture without an object has the same empty masks"
    told = command("compare", first.path, second.path, "--format", "json")
    assert told.returncode == 1
    (task,) = json.loads(told.stdout)["tasks"]
    assert task["metric"] == "mask_ap"
    assert (task["baseline"], task["candidate"]) == pytest.approx((before.value, after.value))


@pytest.mark.filterwarnings("ignore::vlmbench.errors.VlmbenchWarning")
def test_masks_move_with_their_boxes_when_rounding_swaps_two(outlined: Path, tmp_path: Path) -> None:
    result = only(request(outlined, tmp_path))
    assert result.record is not None and result.path is not None
    table = pq.read_table(result.path.with_suffix(".parquet"))
    swapped = table
    for name in ("boxes", "scores", "labels", "masks"):
        rows = [[row[1], row[0], *row[2:]] for row in table[name].to_pylist()]
        swapped = swapped.set_column(table.column_names.index(name), name, [rows])
        swapped = swapped.cast(table.schema)
    near = [[0.9, 0.9, *row[2:]] for row in table["scores"].to_pylist()]
    place = table.column_names.index("scores")
    table, swapped = (each.set_column(place, "scores", [near]).cast(each.schema) for each in (table, swapped))
    assert PAIRING.rearranged(table, swapped).select(["boxes", "masks"]) == table.select(["boxes", "masks"])


@pytest.mark.filterwarnings("ignore::vlmbench.errors.VlmbenchWarning")
def test_cards_of_boxes_are_asked_as_ever(outlined: Path, tmp_path: Path) -> None:
    """Outlines are not read, the model is not asked for masks, and the record has none."""
    card = {"metrics": ["ap"], "main_metric": "ap"}
    change(outlined, lambda content: content["annotations"][0].update(segmentation="broken"))
    result = only(request(outlined, tmp_path, "outliner:none", **card))
    assert result.record is not None and result.path is not None
    assert "masks_sha256" not in result.record.task.protocol
    names = pq.read_table(result.path.with_suffix(".parquet")).column_names
    assert not {"masks", "truth_masks", "mask_size"} & set(names)
    assert {key for row in result.record.per_class for key in row.values} == {"ap", "ap50"}


@pytest.mark.filterwarnings("ignore::vlmbench.errors.VlmbenchWarning")
def test_other_masks_are_another_question(outlined: Path, tmp_path: Path) -> None:
    first = only(request(outlined, tmp_path))
    again = only(request(outlined, tmp_path))
    assert first.record is not None and again.status == "found"
    change(outlined, lambda content: content["annotations"][0].update(segmentation=[[2, 4, 9, 4, 9, 9]]))
    other = only(request(outlined, tmp_path))
    assert other.record is not None and other.record.id != first.record.id
    assert other.record.task.protocol["masks_sha256"] != first.record.task.protocol["masks_sha256"]


@pytest.mark.filterwarnings("ignore::vlmbench.errors.VlmbenchWarning")
def test_a_model_without_masks_is_unsupported_and_hears_what_would_do(outlined: Path, tmp_path: Path) -> None:
    result = only(request(outlined, tmp_path, "finder:"))
    assert result.status == "unsupported"
    assert "its detector gives boxes, but no masks, unlike models such as SAM 3" in reason_of(result)
    result = only(request(outlined, tmp_path, "colourist:"))
    assert result.status == "unsupported" and "it does not find masks of objects" in reason_of(result)


@pytest.mark.filterwarnings("ignore::vlmbench.errors.VlmbenchWarning")
@pytest.mark.parametrize(
    ("flaw", "message"),
    [
        ("none", "3 boxes and 0 masks"),
        ("size", "a mask of 40 x 31 pixels for an image of 40 x 32"),
        ("broken", "a mask that cannot be used: its counts cover 9 pixels"),
    ],
)
def test_wrong_masks_of_a_model(outlined: Path, tmp_path: Path, flaw: str, message: str) -> None:
    assert message in failure(request(outlined, tmp_path, f"outliner:{flaw}"))


WRONG: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "no outline": (lambda content: content["annotations"][1].pop("segmentation"), "object 2 has a box, but no"),
    "null": (lambda content: content["annotations"][1].update(segmentation=None), "object 2 has a box, but no"),
    "empty": (
        lambda content: content["annotations"][1].update(segmentation=[]),
        "of object 2 cannot be used: it is []",
    ),
    "two corners": (
        lambda content: content["annotations"][1].update(segmentation=[[1, 1, 2, 2]]),
        "object 2 cannot be used: a polygon is [1.0, 1.0, 2.0, 2.0], but it needs",
    ),
    "other size": (
        lambda content: content["annotations"][1].update(segmentation={"size": [40, 32], "counts": [1280]}),
        "its size is [40, 32], but the picture has [32, 40]",
    ),
    "no sizes": (
        lambda content: [image.update(width=None, height=None) for image in content["images"]],
        "does not state its width and height",
    ),
}


@pytest.mark.filterwarnings("ignore::vlmbench.errors.VlmbenchWarning")
@pytest.mark.parametrize("case", WRONG)
def test_outlines_that_cannot_be_scored_are_refused_before_the_model_is_asked(
    outlined: Path, tmp_path: Path, case: str
) -> None:
    do, message = WRONG[case]
    change(outlined, do)
    assert message in failure(request(outlined, tmp_path))


@pytest.mark.filterwarnings("ignore::vlmbench.errors.VlmbenchWarning")
def test_data_without_outlines_and_sizes_of_stored_files(outlined: Path, tmp_path: Path) -> None:
    def turned(content: dict[str, Any]) -> None:
        for image in content["images"]:
            image |= {"width": 32, "height": 40}

    change(outlined, turned)
    assert "the size of a mask is not known" in failure(request(outlined, tmp_path))
    for label in ("images", "labels"):
        (tmp_path / "yolo" / label).mkdir(parents=True)
    PIL.Image.new("RGB", (40, 32)).save(tmp_path / "yolo/images/a.png")
    (tmp_path / "yolo/labels/a.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    (tmp_path / "yolo/classes.txt").write_text("red\nblue\n")
    message = failure(request(tmp_path / "yolo", tmp_path))
    assert "has boxes, but no masks of its objects, which" in message and "mask_ap50" in message


def test_what_a_card_cannot_ask(outlined: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="compares the masks that a model finds, but regions is 'ground-truth'"):
        make_plan(request(outlined, tmp_path, protocol={}))
    with pytest.raises(UnknownNameError, match="unknown metric 'mask_app'"):
        make_plan(request(outlined, tmp_path, metrics=["mask_app"], main_metric="mask_app"))
    with pytest.raises(UnknownNameError, match="mask_mean_class_accuracy_top1"):
        make_plan(request(outlined, tmp_path, metrics=["ap", "mask_mean_class_accuracy_top1"], main_metric="ap"))
    group = {"regions": "native", "evaluator": "hotcoco", "groups": {"novel": ["red"]}}
    with pytest.raises(CardError, match=r"does not support groups of classes \(mask_ap_novel\)"):
        make_plan(request(outlined, tmp_path, metrics=["mask_ap_novel"], main_metric="mask_ap_novel", protocol=group))


@pytest.mark.filterwarnings("ignore::vlmbench.errors.VlmbenchWarning")
@pytest.mark.parametrize("evaluator", ["faster-coco-eval", "hotcoco"])
def test_other_evaluators(outlined: Path, tmp_path: Path, evaluator: str) -> None:
    pytest.importorskip(evaluator.replace("-", "_"), reason="pip install 'vlmbench[detection]'")
    own = only(request(outlined, tmp_path, "outliner:9"))
    other = only(
        replace(request(outlined, tmp_path, "outliner:9"), options=TaskOptions(protocol={"evaluator": evaluator}))
    )
    assert own.record is not None and other.record is not None and own.record.id != other.record.id
    for name in METRICS:
        assert other.record.metrics[name].value == pytest.approx(own.record.metrics[name].value, abs=1e-9)


@pytest.mark.filterwarnings("ignore::vlmbench.errors.VlmbenchWarning")
def test_groups_of_classes(outlined: Path, tmp_path: Path) -> None:
    protocol = {"regions": "native", "groups": {"novel": ["red"], "base": ["green", "blue"]}}
    metrics = ["mask_ap", "mask_ap_novel", "mask_ap50_base"]
    result = only(request(outlined, tmp_path, "outliner:9", protocol=protocol, metrics=metrics))
    assert result.record is not None and result.path is not None
    of_class = {row.name: row.values for row in result.record.per_class}
    assert result.record.metrics["mask_ap_novel"].value == pytest.approx(of_class["red"]["mask_ap"])
    table = pq.read_table(result.path.with_suffix(".parquet"))
    for name in metrics:
        again = PAIRING.measured(result.record, table, name)
        assert again is not None and again.value == pytest.approx(result.record.metrics[name].value, abs=1e-12)


@pytest.mark.filterwarnings("ignore::vlmbench.errors.VlmbenchWarning")
def test_saved_masks_give_the_same_numbers(outlined: Path, tmp_path: Path) -> None:
    asked = replace(request(outlined, tmp_path, "outliner:9"), save_answers=tmp_path / "answers")
    run = only(asked)
    entries = json.loads((tmp_path / "answers" / "colours.json").read_text())
    assert all({"bbox", "segmentation"} <= entry.keys() for entry in entries)
    again = only(replace(asked, models=(f"predictions:{tmp_path / 'answers'}",), save_answers=None))
    assert run.record is not None and again.record is not None and run.path is not None and again.path is not None
    assert again.record.metrics == run.record.metrics and again.record.per_class == run.record.per_class
    one, other = (
        pq.read_table(result.path.with_suffix(".parquet")).replace_schema_metadata(None)
        for result in (run, again)
        if result.path is not None
    )
    assert one.equals(other)


@pytest.mark.filterwarnings("ignore::vlmbench.errors.VlmbenchWarning")
def test_masks_of_results_files_that_cannot_be_used(outlined: Path, tmp_path: Path) -> None:
    asked = replace(request(outlined, tmp_path, "outliner:9"), save_answers=tmp_path / "answers")
    only(asked)
    path = tmp_path / "answers" / "colours.json"
    entries = json.loads(path.read_text())
    given = replace(asked, models=(f"predictions:{tmp_path / 'answers'}",), save_answers=None)
    for segmentation, message in (
        (None, "entry 0 (1.png) has a box, but no 'segmentation'"),
        ({"size": [31, 40], "counts": entries[0]["segmentation"]["counts"]}, "its size is [31, 40]"),
        ({"size": [32, 40], "counts": "9"}, "the 'segmentation' of entry 0"),
    ):
        path.write_text(json.dumps([{**entries[0], "segmentation": segmentation}, *entries[1:]]))
        assert message in failure(given)
    path.rename(path.with_name("colours.segm.json"))
    path.with_name("colours.segm.json").write_text(json.dumps(entries))
    path.with_name("colours.bbox.json").write_text(json.dumps([{**entry, "segmentation": None} for entry in entries]))
    assert only(given).status == "done", "mmdetection's file of masks answers, and not the one of boxes"
