"""Draws data sets from populations whose true metrics are known. ``interval_cover.py`` uses it."""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from vlmbench.metrics.classification import confidence_bins
from vlmbench.metrics.detection.matching import ClassMatches, Matches
from vlmbench.metrics.detection.measures import COCO_MEASURES, class_values
from vlmbench.metrics.ranking import average_precision, average_precision_11_point, roc_auc
from vlmbench.metrics.rare_actions import ActionRows, action_rows, weighted_average_precision
from vlmbench.metrics.segmentation import PixelCounts

Random = np.random.Generator
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
MANY = 300_000
"""The number of samples on which the truth of a population is measured."""


class Labels:
    """A population with one label per sample. Its classes differ in size and difficulty."""

    def __init__(self, classes: int, right: float, wrong: float) -> None:
        random = np.random.default_rng(classes)
        self.recalls = random.beta(right, wrong, classes)
        self.shares = random.dirichlet(np.full(classes, 3.0))

    def draw(self, n: int, random: Random) -> tuple[Ints, Ints]:
        """(n,) answers and labels."""
        truth = random.choice(len(self.shares), n, p=self.shares)
        missed = random.random(n) >= self.recalls[truth]
        return np.where(missed, (truth + 1) % len(self.shares), truth), truth

    @staticmethod
    def confidences(n: int, random: Random) -> tuple[Floats, NDArray[np.bool_]]:
        """Confidences (n,) of an overconfident model, and whether it was right."""
        confidence = random.beta(2, 1.5, n)
        return confidence, random.random(n) < _right(confidence)

    @staticmethod
    @lru_cache(maxsize=1)
    def calibration_error() -> float:
        """The calibration error on a very large sample."""
        confidence = np.random.default_rng(1).beta(2, 1.5, 10 * MANY)
        gaps = np.bincount(confidence_bins(confidence), _right(confidence) - confidence, minlength=15)
        return float(np.abs(gaps).sum() / len(confidence))


def _right(confidence: Floats) -> Floats:
    return np.clip(confidence - 0.06 + 0.03 * np.sin(9 * confidence), 0, 1)


class Scores:
    """A population with several labels per sample. Its classes range from rare and hard to frequent and easy."""

    prevalence = np.linspace(0.03, 0.25, 20)
    shift = np.linspace(0.5, 2.5, 20)
    metrics: ClassVar = {
        "mean_average_precision": average_precision,
        "map_11_point": average_precision_11_point,
        "roc_auc": roc_auc,
    }

    def draw(self, n: int, random: Random) -> tuple[Floats, NDArray[np.bool_]]:
        """Scores and targets, each (n, 20). The scores of one sample depend on each other."""
        targets = random.random((n, 20)) < self.prevalence
        own = random.normal(size=(n, 1)) / 2
        return targets * self.shift + own + random.normal(size=(n, 20)), targets

    @lru_cache(maxsize=3)  # noqa: B019  one object for the script's life
    def truth(self, name: str) -> Floats:
        """The true metric of each class."""
        scores, targets = self._many
        return np.array([self.metrics[name](scores[:, c], targets[:, c]) for c in range(20)])

    @cached_property
    def _many(self) -> tuple[Floats, NDArray[np.bool_]]:
        return self.draw(MANY, np.random.default_rng(2))


class Masks:
    """A population of images that show a few of 12 classes. Some classes are rare and small."""

    presence = np.geomspace(0.04, 0.6, 12)
    quality = np.linspace(0.4, 0.9, 12)

    def draw(self, n: int, random: Random) -> PixelCounts:
        shown = random.random((n, 12)) < self.presence
        shown[:, -1] |= ~shown.any(axis=1)
        truth = np.where(shown, random.gamma(1, 3000, (n, 12)), 0).astype(np.int64)
        met = (truth * random.beta(4 * self.quality, 4 * (1 - self.quality), (n, 12))).astype(np.int64)
        missed = (truth - met).sum(axis=1, keepdims=True)
        return PixelCounts(met, met + (missed * random.dirichlet(np.full(12, 0.3), n)).astype(np.int64), truth)

    def truth(self, name: str, counts: PixelCounts) -> float:
        met, predicted, truth = self._many
        if name == "pixel_accuracy":
            return float(met.sum() / truth.sum())
        if name == "mean_accuracy":
            return float((met / truth)[counts.truth.any(axis=0)].mean())
        return float((met / (predicted + truth - met))[(counts.truth + counts.predicted).any(axis=0)].mean())

    @cached_property
    def _many(self) -> tuple[Ints, Ints, Ints]:
        counts = self.draw(MANY, np.random.default_rng(3))
        return counts.intersection.sum(axis=0), counts.predicted.sum(axis=0), counts.truth.sum(axis=0)


class Detections:
    """A population of objects of 8 classes. A third are small. Predictions are already matched to objects."""

    rate = np.geomspace(0.08, 1.0, 8)
    recalls = np.linspace(0.4, 0.9, 8)
    thresholds = np.linspace(0.5, 0.95, 10)

    def draw(self, n: int, random: Random) -> Matches:
        ease = 0.4 * random.normal(size=n)
        every: dict[int, ClassMatches] = {}
        small: dict[int, ClassMatches] = {}
        for label, rate in enumerate(self.rate):
            objects = np.repeat(np.arange(n), random.poisson(rate, n))
            sizes = random.random(len(objects)) < 1 / 3
            found = random.random(len(objects)) < 0.8
            quality = 1 + ease[objects] + random.normal(size=len(objects))
            overlap = 0.4 + 0.6 / (1 + np.exp(-(0.8 * quality + 0.3)))
            wrong = np.repeat(np.arange(n), random.poisson(1.5 * rate, n))
            image = np.concatenate([objects[found], wrong])
            score = np.concatenate(
                [
                    (quality + 0.8 * random.normal(size=len(objects)) + 1.5)[found],
                    ease[wrong] + random.normal(size=len(wrong)),
                ]
            )
            reached = np.concatenate(
                [overlap[found] >= self.thresholds[:, None], np.zeros((10, len(wrong)), dtype=bool)], axis=1
            )
            is_small = np.concatenate([sizes[found], random.random(len(wrong)) < 1 / 3])
            order = np.argsort(-score, kind="stable")
            own = ClassMatches(image[order], _places(image[order]), reached[:, order], np.ones_like(reached), objects)
            if len(objects):
                every[label] = own
            if sizes.any():
                counted = np.broadcast_to(is_small[order], reached.shape)
                small[label] = ClassMatches(own.image, own.place, own.matched, counted, objects[sizes])
        return Matches(n, {"all": every, "small": small, "medium": {}, "large": {}}, np.zeros(8, dtype=np.int64))

    @lru_cache(maxsize=9)  # noqa: B019  one object for the script's life
    def truth(self, name: str) -> Floats:
        """The true metric of each class."""
        return np.asarray(class_values(self._many, COCO_MEASURES[name], 8, np.ones((1, MANY // 2), dtype=np.int32))[0])

    @cached_property
    def _many(self) -> Matches:
        return self.draw(MANY // 2, np.random.default_rng(4))

    def named(self, n: int, random: Random) -> tuple[NDArray[np.bool_], Ints, Ints]:
        """Whether each box got its right name, its class, and its image. Boxes of one image depend on each other."""
        image = np.repeat(np.arange(n), 1 + random.poisson(2, n))
        labels = random.choice(8, len(image), p=self.rate / self.rate.sum())
        bound = random.random(n)[image]
        alone = random.random(len(image)) < 0.5
        return np.where(alone, random.random(len(image)), bound) < self.recalls[labels], labels, image


def _places(image: Ints) -> Ints:
    """The place of each prediction among the predictions of its image."""
    order = np.argsort(image, kind="stable")
    begins = np.flatnonzero(np.diff(image[order], prepend=-1))
    places = np.empty(len(image), dtype=np.int64)
    places[order] = np.arange(len(image)) - np.repeat(begins, np.diff(np.append(begins, len(image))))
    return places


class Videos:
    """A population of videos with one to four clips, which are almost equal. There are 12 actions."""

    verbs = tuple(f"v{action % 4}" for action in range(12))
    nouns = tuple(f"n{action // 4}" for action in range(12))

    def draw(self, n: int, random: Random) -> tuple[Floats, list[ActionRows]]:
        """The scores and annotations of n videos."""
        videos = np.repeat(np.arange(n), random.integers(1, 5, n))
        actions = random.integers(0, 12, n)[videos]
        marks = np.where(random.random(n) < 0.4, 1, np.where(random.random(n) < 0.5, 2, 0))[videos]
        own = random.normal(size=(n, 12))[videos]
        shown = (marks == 1)[:, None] & (actions[:, None] == np.arange(12))
        scores = 1.5 * shown + own + 0.3 * random.normal(size=(len(videos), 12))
        return scores, action_rows(actions, marks, videos, self.verbs, self.nouns)

    @lru_cache(maxsize=1)  # noqa: B019  one object for the script's life
    def truth(self) -> Floats:
        """The true metric of each action."""
        scores, found = self.draw(MANY // 5, np.random.default_rng(5))
        return np.array([weighted_average_precision(scores[:, rows.action], rows) for rows in found])


class Galleries:
    """Galleries of images with two captions each, and the ranks of their matches. Each data set is a new gallery."""

    truths: ClassVar = {50: 3000, 500: 300, 5000: 40}
    """For each size, the number of other data sets from which the truth is computed."""

    def draw(self, n: int, random: Random) -> tuple[Ints, Ints, Ints]:
        """The ranks of images (n,) and of captions (2 n,), and the image of each caption."""
        scene = random.normal(size=(n, 12))
        noise = np.repeat(random.gamma(2, 0.5, n), 2)[:, None] * random.normal(size=(2 * n, 12))
        owner = np.repeat(np.arange(n), 2)
        images, captions = _unit(scene + 0.66 * random.normal(size=(n, 12))), _unit(scene[owner] + 1.1 * noise)
        own = np.einsum("qd,qd->q", images[owner], captions)
        best = own.reshape(n, 2).max(axis=1)
        of_images, of_captions = np.empty(n, dtype=np.int64), np.ones(2 * n, dtype=np.int64)
        for start in range(0, n, 500):
            near = images[start : start + 500] @ captions.T
            of_images[start : start + 500] = 1 + (near > best[start : start + 500, None] + 1e-6).sum(axis=1)
            of_captions += (near > own + 1e-6).sum(axis=0)
        return of_images, of_captions, owner

    def truth(self, name: str, n: int) -> float:
        """The true metric over many galleries of this size. A median is the median of all their ranks together."""
        images, captions = self._ranks(n)
        if name == "mean_recall@1":
            return float(((images == 1).mean() + (captions == 1).mean()) / 2)
        ranks = images if name.startswith("image") else captions
        kind = name.rpartition("_")[0].rpartition("_")[2]
        if name.endswith("rank"):
            return float(np.mean(ranks) if kind == "mean" else np.median(ranks))
        return float((ranks <= int(name.partition("@")[2])).mean())

    @lru_cache(maxsize=3)  # noqa: B019  one object for the script's life
    def _ranks(self, n: int) -> tuple[Ints, Ints]:
        drawn = [self.draw(n, np.random.default_rng([6, n, number])) for number in range(self.truths.get(n, 100))]
        return np.concatenate([each[0] for each in drawn]), np.concatenate([each[1] for each in drawn])


def _unit(rows: Floats) -> NDArray[np.float32]:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
