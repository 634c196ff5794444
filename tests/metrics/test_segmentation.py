"""Mean IoU against the VOC formula written out, on real masks; what is ignored, what is absent, and what it is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy.special import logit

from vlmbench.metrics.segmentation import (
    PixelCounts,
    image_mean_ious,
    image_pixel_accuracies,
    joined,
    mean_accuracy,
    mean_iou,
    pixel_accuracy,
    pixel_counts,
    random_mean_iou,
    segmentation_rows,
)

Labels = NDArray[np.int64]
IGNORE = 255
COCO_PANOPTIC = 201


def literal(pairs: list[tuple[Labels, Labels]], classes: int) -> tuple[float, float, float]:
    """VOCevalseg: one confusion matrix over all pixels of all images, then TP / (TP + FP + FN), mean over classes.

    Mean IoU, pixel accuracy, mean accuracy.
    """
    confusion = np.zeros((classes, classes))
    for predicted, truth in pairs:
        locations = truth != IGNORE
        np.add.at(confusion, (truth[locations], predicted[locations]), 1)
    hits = np.diag(confusion)
    with np.errstate(invalid="ignore"):
        ious = hits / (confusion.sum(axis=0) + confusion.sum(axis=1) - hits)
        accuracies = hits / confusion.sum(axis=1)
    return float(np.nanmean(ious)), float(hits.sum() / confusion.sum()), float(np.nanmean(accuracies))


def made_up(truth: Labels, classes: int, seed: int) -> Labels:
    """A prediction that is right in places: the truth moved a little, with some blocks of another class."""
    random = np.random.default_rng(seed)
    predicted = np.roll(truth, (seed % 13 - 6, 9), axis=(0, 1))
    for _ in range(4):
        top, left = random.integers(0, truth.shape[0] - 40), random.integers(0, truth.shape[1] - 40)
        predicted[top : top + 40, left : left + 40] = random.integers(0, classes)
    predicted[predicted == IGNORE] = 0
    return predicted


def real_pairs(folder: Path, classes: int) -> list[tuple[Labels, Labels]]:
    truths = [np.asarray(PIL.Image.open(path)).astype(np.int64) for path in sorted(folder.glob("*.png"))]
    assert len(truths) >= 40
    return [(made_up(truth, classes, seed), truth) for seed, truth in enumerate(truths)]


def counts_of(pairs: list[tuple[Labels, Labels]], classes: int) -> PixelCounts:
    return joined([pixel_counts(p, t, classes, ignore_label=IGNORE) for p, t in pairs])


@pytest.mark.parametrize(
    ("folder", "classes"), [("voc2012/SegmentationClass", 21), ("coco-semantic/masks", COCO_PANOPTIC)]
)
def test_real_masks_give_what_the_voc_formula_gives(real_data: Path, folder: str, classes: int) -> None:
    pairs = real_pairs(real_data / folder, classes)
    counts = counts_of(pairs, classes)
    expected = literal(pairs, classes)
    found = [metric(counts, interval=False).value for metric in (mean_iou, pixel_accuracy, mean_accuracy)]
    assert found == pytest.approx(expected, abs=1e-12)
    assert 0.1 < expected[0] < 0.9, "the made-up predictions are neither all right nor all wrong"
    assert len(counts) == len(pairs) and counts.num_classes == classes


def test_the_mean_over_images_is_another_number(real_data: Path) -> None:
    counts = counts_of(real_pairs(real_data / "voc2012/SegmentationClass", 21), 21)
    dataset, images = mean_iou(counts, interval=False).value, float(image_mean_ious(counts).mean())
    assert abs(dataset - images) > 0.02


def test_ignored_pixels_count_nowhere() -> None:
    truth = np.array([[0, 0, IGNORE], [1, 1, IGNORE]])
    for elsewhere in (0, 1, 2, 999, -5):
        predicted = np.array([[0, 1, elsewhere], [1, 1, elsewhere]])
        counts = pixel_counts(predicted, truth, 3, ignore_label=IGNORE)
        assert counts.predicted.tolist() == [[1, 3, 0]] and counts.truth.tolist() == [[2, 2, 0]]
        assert mean_iou(counts).value == pytest.approx((1 / 2 + 2 / 3) / 2)


def test_a_class_that_is_nowhere_is_left_out_and_one_that_is_only_predicted_counts_as_zero() -> None:
    truth = np.array([[0, 0, 0, 0]])
    nowhere = pixel_counts(np.array([[0, 0, 0, 0]]), truth, 3, ignore_label=IGNORE)
    assert mean_iou(nowhere).value == 1.0 and mean_accuracy(nowhere).value == 1.0
    predicted = pixel_counts(np.array([[0, 0, 0, 2]]), truth, 3, ignore_label=IGNORE)
    assert mean_iou(predicted).value == pytest.approx((3 / 4 + 0) / 2)
    assert mean_accuracy(predicted).value == pytest.approx(3 / 4), "over the classes in the truth"
    rows = segmentation_rows(predicted)
    assert [row.iou for row in rows] == [3 / 4, None, 0.0]
    assert [row.accuracy for row in rows] == [3 / 4, None, None]
    assert [row.precision for row in rows] == [1.0, None, 0.0]
    assert [row.images for row in rows] == [1, 0, 0]


def test_nothing_scored_is_undefined() -> None:
    counts = pixel_counts(np.zeros((2, 2), int), np.full((2, 2), IGNORE), 2, ignore_label=IGNORE)
    for metric in (mean_iou, pixel_accuracy, mean_accuracy):
        estimate = metric(counts)
        assert np.isnan(estimate.value) and estimate.low is None
        assert estimate.reason == "no pixel is scored, because the masks ignore all pixels"
    assert random_mean_iou(counts) is None
    assert np.isnan(image_mean_ious(counts)).all() and np.isnan(image_pixel_accuracies(counts)).all()


def test_an_image_of_which_nothing_is_scored_changes_no_value() -> None:
    random = np.random.default_rng(0)
    pairs = [(random.integers(0, 3, (5, 5)), random.integers(0, 3, (5, 5))) for _ in range(4)]
    blank = (np.zeros((5, 5), int), np.full((5, 5), IGNORE))
    assert mean_iou(counts_of([*pairs, blank], 3)).value == mean_iou(counts_of(pairs, 3)).value


def pooled(pairs: list[tuple[Labels, Labels]]) -> float:
    predicted, truth = zip(*pairs, strict=True)
    return float(literal([(np.concatenate(predicted), np.concatenate(truth))], 4)[0])


def test_the_interval_is_the_jackknifes_over_images() -> None:
    """By hand: each image left out and the pixels of the others pooled anew, on the scale of the logit."""
    random = np.random.default_rng(3)
    pairs = [
        (np.where(random.random((8, 8)) < random.random(), truth, 0), truth)
        for truth in (random.integers(0, 4, (8, 8)) for _ in range(60))
    ]
    estimate = mean_iou(counts_of(pairs, 4), seed=7)
    without = np.array([pooled(pairs[:i] + pairs[i + 1 :]) for i in range(60)])
    error = np.sqrt(59 / 60 * ((without - without.mean()) ** 2).sum())
    assert estimate.low is not None and estimate.high is not None and estimate.n == 60
    assert estimate.low < estimate.value < estimate.high
    width = logit(estimate.high) - logit(estimate.low)
    quantile = width / 2 * estimate.value * (1 - estimate.value) / error
    assert 1.96 < quantile < 2.3, "Student's, of fewer degrees of freedom than images"


def test_chance_is_what_random_classes_give() -> None:
    random = np.random.default_rng(1)
    truth = [random.choice(4, p=[0.6, 0.3, 0.1, 0.0], size=(200, 200)) for _ in range(5)]
    values = []
    for _ in range(5):
        counts = counts_of([(random.integers(0, 4, t.shape), t) for t in truth], 4)
        values.append(mean_iou(counts, interval=False).value)
    assert random_mean_iou(counts) == pytest.approx(np.mean(values), abs=1e-3)


@given(
    st.integers(1, 5).flatmap(
        lambda classes: st.tuples(
            st.just(classes),
            st.lists(
                st.tuples(
                    hnp.arrays(np.int64, (3, 4), elements=st.integers(0, classes - 1)),
                    hnp.arrays(np.int64, (3, 4), elements=st.sampled_from([*range(classes), IGNORE])),
                ),
                min_size=1,
                max_size=4,
            ),
        )
    )
)
@settings(deadline=None, max_examples=60)
def test_any_masks(drawn: tuple[int, list[tuple[Labels, Labels]]]) -> None:
    classes, pairs = drawn
    counts = counts_of(pairs, classes)
    assert (counts.intersection <= np.minimum(counts.predicted, counts.truth)).all()
    assert (counts.predicted.sum(axis=1) == counts.truth.sum(axis=1)).all(), "every scored pixel has one answer"
    values = [metric(counts, interval=False).value for metric in (mean_iou, pixel_accuracy, mean_accuracy)]
    if not counts.truth.any():
        assert np.isnan(values).all()
        return
    assert values == pytest.approx(literal(pairs, classes))
    perfect = counts_of([(np.where(t == IGNORE, 0, t), t) for _, t in pairs], classes)
    assert mean_iou(perfect, interval=False).value == 1.0
    assert mean_iou(counts_of(pairs[::-1], classes), interval=False).value == pytest.approx(values[0])
    alone = image_mean_ious(counts)
    for row, pair in enumerate(pairs):
        own = counts_of([pair], classes)
        assert alone[row] == pytest.approx(mean_iou(own, interval=False).value, nan_ok=True)
        share = pixel_accuracy(own, interval=False).value
        assert image_pixel_accuracies(counts)[row] == pytest.approx(share, nan_ok=True)


def test_what_is_no_mask_is_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        pixel_counts(np.zeros((2, 3), int), np.zeros((3, 2), int), 2, ignore_label=IGNORE)
    with pytest.raises(ValueError, match=r"truth has class 2.*\[0, 2\)"):
        pixel_counts(np.zeros((1, 1), int), np.full((1, 1), 2), 2, ignore_label=IGNORE)
    with pytest.raises(ValueError, match="predicted has class 7"):
        pixel_counts(np.full((1, 1), 7), np.zeros((1, 1), int), 2, ignore_label=IGNORE)
