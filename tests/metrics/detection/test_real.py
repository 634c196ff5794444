"""pycocotools called on files, against ours, on the real boxes of COCO with disturbed copies of them as results."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from vlmbench.metrics.detection.boxes import BoxPredictions, BoxTruth
from vlmbench.metrics.detection.engines import ENGINES, engine_values
from vlmbench.metrics.detection.matching import match_boxes
from vlmbench.metrics.detection.measures import COCO_MEASURES, box_values


@pytest.fixture(scope="module")
def real(real_data: Path) -> tuple[Path, BoxTruth, BoxPredictions, list[int], list[int]]:
    path = real_data / "coco/annotations/instances_val2017.json"
    content = json.loads(path.read_text())
    images, classes = sorted(i["id"] for i in content["images"]), sorted(c["id"] for c in content["categories"])
    every = content["annotations"]
    truth = BoxTruth(
        images=len(images),
        classes=len(classes),
        image=np.array([images.index(a["image_id"]) for a in every]),
        label=np.array([classes.index(a["category_id"]) for a in every]),
        xywh=np.array([a["bbox"] for a in every], dtype=float),
        area=np.array([a["area"] for a in every], dtype=float),
        crowd=np.array([bool(a["iscrowd"]) for a in every]),
    )
    random = np.random.default_rng(0)
    rows = random.integers(0, len(every), 6000)
    boxes = truth.xywh[rows] * np.exp(random.normal(0, 0.1, (6000, 4)))
    wrong = random.random(6000) < 0.3
    found = BoxPredictions(
        truth.image[rows],
        np.where(wrong, random.integers(0, len(classes), 6000), truth.label[rows]),
        boxes,
        random.random(6000).round(2),
    )
    return path, truth, found, images, classes


def test_all_twelve(real: tuple[Path, BoxTruth, BoxPredictions, list[int], list[int]], tmp_path: Path) -> None:
    path, truth, found, images, classes = real
    results = [
        {"image_id": images[i], "category_id": classes[c], "bbox": box, "score": score}
        for i, c, box, score in zip(found.image, found.label, found.xywh.tolist(), found.score.tolist(), strict=True)
    ]
    (tmp_path / "results.json").write_text(json.dumps(results))
    with contextlib.redirect_stdout(io.StringIO()):
        ground = COCO(str(path))
        run = COCOeval(ground, ground.loadRes(str(tmp_path / "results.json")), "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    ours = box_values(match_boxes(truth, found), COCO_MEASURES, np.ones((1, truth.images), dtype=np.int32))[0]
    assert ours == pytest.approx(run.stats, abs=1e-12)
    assert 0.05 < ours[0] < 0.95
    for engine in ENGINES:
        pytest.importorskip(ENGINES[engine][0], reason="pip install 'vlmbench[detection]'")
        assert list(engine_values(engine, truth, found).values()) == pytest.approx(run.stats, abs=1e-9)
