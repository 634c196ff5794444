"""Real records with their real tables: every metric that a run writes down, two runs of each plugin."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import tasks.detection.models  # registers the toys
import toy_adapter
import toy_dense
from answers.draws import class_differences, difference
from data.layouts import image_bytes, write_folder
from data.mask_files import png, write_pairs
from data.videos import LOSSLESS, frame, write_video

from vlmbench.answers.paired_metric import same_behaviour
from vlmbench.answers.tables import Answers, align, read_answers
from vlmbench.run.execute import execute
from vlmbench.run.listener import NotesAsWarnings
from vlmbench.run.plan import RunRequest, make_plan
from vlmbench.tasks.base import TaskOptions

assert tasks.detection.models and toy_adapter and toy_dense
RECALLS = [f"{way}_recall@{k}" for way in ("image_to_text", "text_to_image", "mean") for k in (1, 5)]
RANKS = [f"{way}_{kind}_rank" for way in ("image_to_text", "text_to_image") for kind in ("mean", "median")]


def ask(card: dict[str, Any], model: str, folder: Path, **protocol: Any) -> Answers:
    path = folder / "asked.yaml"
    path.write_text(json.dumps({"name": "asked", **card}))
    request = RunRequest((model,), (str(path),), folder / "runs", device="cpu", options=TaskOptions(protocol=protocol))
    (result,) = execute(make_plan(request), request, NotesAsWarnings())
    assert result.record is not None and result.path is not None, result.failure
    return read_answers(result.record, result.path.parent)


def check(before: Answers, after: Answers, metrics: list[str], *, classes: bool = True) -> None:
    """Each metric is computed again as its record has it, and its classes as their table has them."""
    assert list(before.record.metrics) == metrics
    for metric in metrics:
        found = difference(before, after, metric, resamples=20)
        assert found.baseline == pytest.approx(before.record.metrics[metric].value, abs=1e-9)
        assert found.candidate == pytest.approx(after.record.metrics[metric].value, abs=1e-9)
        assert found.differing > 0 and not found.identical and found.n == before.table.num_rows
        rows = class_differences(before, after, metric, resamples=20)
        assert bool(rows) == classes
        for row in rows:
            stated = before.record.per_class[row.index]
            assert row.name == stated.name
            if row.value in stated.values:
                assert row.difference.baseline == pytest.approx(stated.values[row.value], abs=1e-9)
    same = difference(before, before, metrics[0])
    assert same.identical and same.value == 0
    plugin = before.record.task.plugin
    assert not same_behaviour(align(before.table, after.table, plugin), plugin)


def test_single_labels(make_folder: Callable[..., Path], tmp_path: Path) -> None:
    root = make_folder({"cat": 9, "dog": 8, "bird": 9, "fish": 7, "horse": 6, "cow": 9})
    metrics = ["acc1", "acc5", "mean_per_class_recall", "ece", "roc_auc"]
    card = {"sources": [{"kind": "imagefolder", "location": str(root)}], "metrics": metrics}
    check(ask(card, "toy:a", tmp_path), ask(card, "toy:abc", tmp_path), metrics)


def test_captions(tmp_path: Path) -> None:
    files = {f"{row}.png": image_bytes(row) for row in range(12)}
    lines = [f"{row}.png,{'abcdefghijkl'[row] * 3} {j}" for row in range(12) for j in range(1 + row % 3)]
    write_folder(tmp_path / "set", {**files, "captions.txt": "\n".join(["image,caption", *lines]).encode()})
    metrics = [*RECALLS, *RANKS]
    card = {
        "plugin": "retrieval",
        "sources": [{"kind": "captions", "location": str(tmp_path / "set")}],
        "metrics": metrics,
    }
    check(ask(card, "toy:a", tmp_path), ask(card, "toy:abc", tmp_path), metrics, classes=False)


def test_clips_of_rare_actions(tmp_path: Path) -> None:
    lines = ["id,video_id,start,end,class_id,verb,noun,annotation", "0,a,0,1,0,cut,phone,1", "1,a,1,2,0,cut,phone,0"]
    lines += ["2,b,0,1,0,cut,phone,2", "3,c,1,2,1,wash,phone,1", "4,d,0,1,2,drop,egg,0", "5,d,1,2,3,open,tree,1"]
    write_folder(tmp_path / "set", {"rareact.csv": "\n".join(lines).encode()})
    for number, name in enumerate("abcd"):
        write_video(tmp_path / "set" / f"{name}.mkv", map(frame, range(100 * number, 100 * number + 20)), *LOSSLESS)
    card = {
        "plugin": "rare_actions",
        "sources": [{"kind": "rareact", "location": str(tmp_path / "set")}],
        "metrics": ["mwap", "msap"],
        "main_metric": "mwap",
    }
    before, after = ask(card, "toy:a", tmp_path), ask(card, "toy:abc", tmp_path)
    found = difference(before, after, "mwap", resamples=20)
    assert found.baseline == pytest.approx(before.record.metrics["mwap"].value, abs=1e-9)
    assert found.candidate == pytest.approx(after.record.metrics["mwap"].value, abs=1e-9)
    assert (found.n, found.identical) == (4, False), "videos, not clips"
    assert [row.name for row in class_differences(before, after, "mwap", resamples=20)] == [
        "cut phone",
        "wash phone",
        "open tree",
    ]


def test_pixels(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    root = write_pairs(tmp_path / "set", {name: png(random.integers(0, 4, (14, 18))) for name in "abcdef"})
    for path in sorted((root / "images").iterdir()):
        PIL.Image.fromarray(random.integers(0, 256, (14, 18, 3), dtype=np.uint8)).save(path, "PNG")
    metrics = ["miou", "pixel_accuracy", "mean_accuracy"]
    card = {
        "plugin": "segmentation",
        "sources": [{"kind": "masks", "location": str(root)}],
        "classes": ["background", "sea", "boat", "cow"],
        "metrics": metrics,
        "protocol": {"short_side": 20, "long_side_limit": 40, "window": 12, "stride": 8, "logit_scale": 30},
    }
    before = ask(card, "toy-dense:patches", tmp_path)
    check(before, ask(card, "toy-dense:patches", tmp_path, readout="other"), metrics)


def test_boxes(tmp_path: Path) -> None:
    """Rectangles of noise over the three colours that the toy knows."""
    random = np.random.default_rng(2)
    root = tmp_path / "boxes"
    (root / "images").mkdir(parents=True)
    content: dict[str, list[dict[str, Any]]] = {"images": [], "categories": [], "annotations": []}
    content["categories"] = [{"id": 10 + place, "name": name} for place, name in enumerate(("red", "green", "blue"))]
    for image in range(8):
        pixels = random.integers(0, 256, (32, 40, 3), dtype=np.uint8)
        content["images"].append({"id": 90 - image, "file_name": f"{image}.png"})
        for _ in range(4):
            (x, y), (w, h), label = random.integers(0, 20, 2), random.integers(4, 12, 2), int(random.integers(3))
            pixels[y : y + h, x : x + w, label] |= 128
            content["annotations"].append(
                {
                    "id": len(content["annotations"]) + 1,
                    "image_id": 90 - image,
                    "category_id": 10 + label,
                    "bbox": [int(x), int(y), int(w), int(h)],
                    "area": int(w * h),
                    "iscrowd": 0,
                }
            )
        PIL.Image.fromarray(pixels).save(root / "images" / f"{image}.png")
    (root / "instances.json").write_text(json.dumps(content))
    metrics = ["ap", "ap50", "ar100", "ap_small", "ap50_novel", "mean_class_accuracy_top1"]
    card = {
        "plugin": "detection",
        "sources": [{"kind": "coco", "location": str(root)}],
        "metrics": metrics,
        "protocol": {"groups": {"novel": ["green", "blue"]}},
    }
    check(ask(card, "colourist:", tmp_path), ask(card, "colourist:", tmp_path, crop_scale=2.0), metrics)
