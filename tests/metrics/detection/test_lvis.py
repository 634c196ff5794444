"""LVIS' rules: lvis 0.5.3 itself where it is installed, its numbers where it is not, and a hand-worked case."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from metrics.detection.cases import federated_case, lvis_dataset

from vlmbench.metrics.detection.boxes import Federation
from vlmbench.metrics.detection.engines import coco_results
from vlmbench.metrics.detection.matching import match_boxes
from vlmbench.metrics.detection.measures import LVIS_MEASURES, BoxMeasure, box_values

NAMES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR@300", "ARs@300", "ARm@300", "ARl@300", "APr", "APc", "APf")
FROM_LVIS = {
    0: [0.342961243682, 0.419150918827, 0.340990256431, 0.419322162374, 0.473948876099, 0.462303158887, 1.0, 1.0, 1.0,
        1.0, 0.454159912572, 0.256427038406, 0.305964548261],
    1: [0.236602333383, 0.303174168229, 0.215179638516, 0.275094035623, 0.424585744289, 0.476041666667, 1.0, 1.0, 1.0,
        1.0, 0.218647339187, 0.220237091618, 0.288082687326],
    2: [0.221203898511, 0.301928855938, 0.2087621283, 0.279083966035, 0.278184892672, 0.9, 0.9825, 1.0, 0.95, 1.0,
        0.185805829777, 0.259516689173, 0.21683181562],
    3: [0.231928431149, 0.286627862816, 0.217609413709, 0.233394998313, 0.354607287424, 0.439285714286, 1.0, 1.0, 1.0,
        1.0, 0.302415622367, 0.149541793047, 0.249777601472],
}  # fmt: skip
"""``LVISEval.results`` of lvis 0.5.3 on ``federated_case(seed)``, with ``numpy.float`` put back."""


def ours(seed: int) -> list[float]:
    truth, found, federation, frequencies = federated_case(seed)
    groups = {
        f"ap_{letter}": BoxMeasure("ap", classes=frozenset(i for i, own in enumerate(frequencies) if own == letter))
        for letter in "rcf"
    }
    matches = match_boxes(truth, found, federation)
    return box_values(matches, {**LVIS_MEASURES, **groups}, np.ones((1, truth.images), dtype=np.int32))[0].tolist()


@pytest.mark.parametrize("seed", FROM_LVIS)
def test_lvis_numbers(seed: int) -> None:
    assert ours(seed) == pytest.approx(FROM_LVIS[seed], abs=1e-9)


@pytest.mark.parametrize("seed", range(8))
def test_lvis_itself(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lvis = pytest.importorskip("lvis", reason="lvis is in no extra: it needs a NumPy below 1.24")
    monkeypatch.setattr(np, "float", float, raising=False)
    truth, found, federation, frequencies = federated_case(seed)
    (tmp_path / "lvis.json").write_text(json.dumps(lvis_dataset(truth, federation, frequencies)))
    ground = lvis.LVIS(str(tmp_path / "lvis.json"))
    run = lvis.LVISEval(ground, lvis.LVISResults(ground, coco_results(found)), "bbox")
    run.run()
    assert ours(seed) == pytest.approx([run.results[name] for name in NAMES], abs=1e-9)


def test_what_is_not_annotated_is_no_mistake() -> None:
    truth, found, federation, _ = federated_case(0)
    once = np.ones((1, truth.images), dtype=np.int32)
    ap = {"ap": LVIS_MEASURES["ap"]}
    strict = Federation(frozenset((i, c) for i in range(truth.images) for c in range(truth.classes)), frozenset())
    assert box_values(match_boxes(truth, found, federation), ap, once) > box_values(
        match_boxes(truth, found, strict), ap, once
    )
