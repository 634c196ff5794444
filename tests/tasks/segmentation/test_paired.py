"""Differences of segmentation against plain loops over resampled images."""

from __future__ import annotations

import numpy as np
import pytest
from answers.draws import RESAMPLES, N, by_name, check, class_differences, compared, shuffled
from answers.made import CLASSES, answers, segmented


def pixels(seed: int) -> list[np.ndarray]:
    """Truth, then what two models met and predicted."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, 50, (N, 4)) * (random.random((N, 4)) < 0.5)
    parts = [truth]
    for _ in range(2):
        met = (truth * random.uniform(0.5, 1, (N, 4))).astype(int)
        parts += [met, met + np.roll(truth - met, 1, axis=1)]
    return parts


@pytest.mark.parametrize("metric", ["miou", "pixel_accuracy", "mean_accuracy"])
def test_segmentation_sums_pixels_before_it_divides(metric: str) -> None:
    truth, *models = pixels(5)

    def of_rows(model: int, rows: np.ndarray) -> float:
        met, predicted, true = (part[rows].sum(axis=0) for part in (models[2 * model], models[2 * model + 1], truth))
        if metric == "pixel_accuracy":
            return float(met.sum() / true.sum())
        return float((met / (predicted + true - met if metric == "miou" else true)).mean())

    tables = [segmented(models[2 * model], models[2 * model + 1], truth) for model in range(2)]
    check(compared(tables, metric, of_rows, "segmentation"), of_rows, N)


def test_classes_of_pixels() -> None:
    truth, *models = pixels(6)

    def iou(label: int, model: int, rows: np.ndarray) -> float:
        met, predicted, true = (p[rows, label].sum() for p in (models[2 * model], models[2 * model + 1], truth))
        return float(met / (predicted + true - met))

    whole = [np.mean([iou(label, model, np.arange(N)) for label in range(4)]) for model in range(2)]
    sides = [
        answers(segmented(models[2 * m], models[2 * m + 1], truth), {"miou": whole[m]}, "segmentation")
        for m in range(2)
    ]
    rows = by_name(class_differences(sides[0], shuffled(sides[1]), "miou", resamples=RESAMPLES))
    for label, name in enumerate(CLASSES):
        check(rows[name].difference, lambda model, rows, label=label: iou(label, model, rows), N)
