"""Mask AP: pycocotools' ``segm`` on crowds, ties and empty masks, on COCO's real outlines, and LVIS' rules."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from metrics.detection.cases import (
    crowded_case,
    federated_case,
    lvis_dataset,
    pycocotools_stats,
    random_case,
    with_masks,
    with_rectangles,
)
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from vlmbench.metrics.detection import greedy
from vlmbench.metrics.detection.boxes import BoxPredictions, BoxTruth, mask_array
from vlmbench.metrics.detection.engines import ENGINES, coco_results, engine_values
from vlmbench.metrics.detection.matching import match_boxes
from vlmbench.metrics.detection.measures import COCO_MEASURES, LVIS_MEASURES, BoxMeasure, box_values
from vlmbench.run_lengths import compressed, outlined


def ours(truth: BoxTruth, found: BoxPredictions) -> list[float]:
    values = box_values(match_boxes(truth, found), COCO_MEASURES, np.ones((1, truth.images), dtype=np.int32))[0]
    return [-1.0 if np.isnan(value) else value for value in values.tolist()]


@pytest.mark.parametrize("seed", range(6))
def test_crowds_ties_and_empty_masks(seed: int) -> None:
    truth, found = with_masks(*random_case(seed, objects=40, predictions=150), seed)
    assert ours(truth, found) == pytest.approx(pycocotools_stats(truth, found), abs=1e-12)


def test_more_predictions_than_count_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    truth, found = with_masks(*crowded_case(1), 1)
    expected = pycocotools_stats(truth, found)
    assert ours(truth, found) == pytest.approx(expected, abs=1e-12)
    monkeypatch.setattr(greedy, "PAIRS_AT_ONCE", 37)
    assert ours(truth, found) == pytest.approx(expected, abs=1e-12)


def test_masks_decide_and_not_boxes() -> None:
    """Two thin diagonals in one box: their boxes are equal, and their masks share two pixels of twenty."""
    diagonal = np.eye(10, dtype=bool)
    masks = compressed(np.stack([diagonal, diagonal[::-1]]))
    one, zero = np.array([0]), np.array([0.0])
    box = np.array([[0.0, 0.0, 10.0, 10.0]])
    area = np.array([10.0])
    truth = BoxTruth(1, 1, one, one, box, area, np.array([False]), mask_array(masks[:1]))
    for mask, expected in ((masks[0], 1.0), (masks[1], 0.0)):
        found = BoxPredictions(one, one, box, zero, mask_array([mask]))
        assert found.area.tolist() == [10.0]
        assert ours(truth, found)[0] == pytest.approx(expected)
    by_box = BoxTruth(1, 1, one, one, box, area, np.array([False]))
    assert ours(by_box, BoxPredictions(one, one, box, zero))[0] == pytest.approx(1.0)


def test_masks_and_predictions_must_be_as_many() -> None:
    truth, found = with_masks(*random_case(0, objects=5, predictions=6), 0)
    assert truth.masks is not None
    with pytest.raises(ValueError, match="6 boxes need as many masks"):
        BoxPredictions(found.image, found.label, found.xywh, found.score, truth.masks)


@pytest.mark.parametrize("engine", ENGINES)
def test_other_implementations_compare_masks_too(engine: str) -> None:
    pytest.importorskip(ENGINES[engine][0], reason="pip install 'vlmbench[detection]'")
    truth, found = with_masks(*random_case(3, objects=40, predictions=150), 3)
    values = [-1.0 if np.isnan(value) else value for value in engine_values(engine, truth, found).values()]
    assert values == pytest.approx(pycocotools_stats(truth, found), abs=1e-9)


LVIS = {
    **LVIS_MEASURES,
    **{f"ap_{letter}": BoxMeasure("ap", classes=frozenset(range(place, 9, 3))) for place, letter in enumerate("rcf")},
}


def lvis_values(*case: object) -> list[float]:
    truth, found, federation = case
    matches = match_boxes(truth, found, federation)  # type: ignore[arg-type]
    return box_values(matches, LVIS, np.ones((1, matches.images), dtype=np.int32))[0].tolist()  # type: ignore[no-any-return]


@pytest.mark.parametrize("seed", range(2))
def test_lvis_rules_for_masks_that_are_boxes(seed: int) -> None:
    """Masks that fill their boxes have the numbers of the boxes, which other tests hold against lvis itself."""
    truth, found, federation, _ = federated_case(seed)
    truth, found = with_rectangles(truth, found)
    boxes = BoxPredictions(found.image, found.label, found.xywh, found.score)
    assert lvis_values(truth, found, federation) == lvis_values(truth, boxes, federation)


def test_lvis_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lvis = pytest.importorskip("lvis", reason="lvis is in no extra: it needs a NumPy below 1.24")
    monkeypatch.setattr(np, "float", float, raising=False)
    truth, found, federation, frequencies = federated_case(0)
    truth, found = with_masks(truth, found, 0)
    (tmp_path / "lvis.json").write_text(json.dumps(lvis_dataset(truth, federation, frequencies)))
    ground = lvis.LVIS(str(tmp_path / "lvis.json"))
    run = lvis.LVISEval(ground, lvis.LVISResults(ground, coco_results(found)), "segm")
    run.run()
    names = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR@300", "ARs@300", "ARm@300", "ARl@300", "APr", "APc", "APf")
    assert lvis_values(truth, found, federation) == pytest.approx([run.results[name] for name in names], abs=1e-9)


def test_coco_itself(real_data: Path) -> None:
    """COCO's outlines, moved by a few pixels, as results."""
    path = real_data / "coco/annotations/instances_val2017.json"
    content = json.loads(path.read_text())
    images, classes = sorted(i["id"] for i in content["images"]), sorted(c["id"] for c in content["categories"])
    sizes = {entry["id"]: (entry["height"], entry["width"]) for entry in content["images"]}
    every = content["annotations"]
    truth = BoxTruth(
        images=len(images),
        classes=len(classes),
        image=np.array([images.index(entry["image_id"]) for entry in every]),
        label=np.array([classes.index(entry["category_id"]) for entry in every]),
        xywh=np.array([entry["bbox"] for entry in every], dtype=float),
        area=np.array([entry["area"] for entry in every], dtype=float),
        crowd=np.array([bool(entry["iscrowd"]) for entry in every]),
        masks=mask_array([outlined(entry["segmentation"], *sizes[entry["image_id"]]) for entry in every]),
    )
    assert truth.masks is not None
    random, count = np.random.default_rng(0), 1500
    rows = random.integers(0, len(every), count)
    moved = [np.roll(truth.masks[row].pixels(), tuple(random.integers(-6, 7, 2)), (0, 1)) for row in rows]
    masks = mask_array([compressed(mask[None])[0] for mask in moved])
    label = np.where(random.random(count) < 0.3, random.integers(0, len(classes), count), truth.label[rows])
    boxes = np.array([mask.box() for mask in masks])
    found = BoxPredictions(truth.image[rows], label, boxes, random.random(count).round(2), masks)
    results = [
        {"image_id": images[image], "category_id": classes[own], "segmentation": mask.form, "score": score}
        for image, own, mask, score in zip(found.image, label, masks, found.score.tolist(), strict=True)
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        ground = COCO(str(path))
        run = COCOeval(ground, ground.loadRes(results), "segm")
        run.evaluate()
        run.accumulate()
        run.summarize()
    assert ours(truth, found) == pytest.approx(run.stats, abs=1e-12)
    assert 0.05 < run.stats[0] < 0.95
    with_boxes = BoxPredictions(found.image, found.label, found.xywh, found.score)
    assert ours(truth, with_boxes) != pytest.approx(run.stats, abs=1e-3)
