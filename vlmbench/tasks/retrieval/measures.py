"""The metrics of retrieval: how each is computed, and its chance level. The plugin uses them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import numpy.typing as npt

from vlmbench.metrics.base import Estimate
from vlmbench.metrics.retrieval import mean_rank, mean_recall_at_k, median_rank, recall_at_k
from vlmbench.records import MetricValue
from vlmbench.tasks.base import metric_value

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Found:
    """The ranks of the true matches, for I images with M captions in all.

    Attributes:
        image_ranks: (I,) the rank of each image's best own caption among the M captions.
        caption_ranks: (M,) the rank of each caption's own image among the I images.
        caption_images: (M,) the image of each caption.
    """

    image_ranks: Ints
    caption_ranks: Ints
    caption_images: Ints

    @property
    def captions(self) -> Ints:
        """(I,) the number of captions of each image."""
        return np.bincount(self.caption_images, minlength=len(self.image_ranks))


@dataclass(frozen=True)
class Measure:
    """One metric of a card.

    Attributes:
        compute: makes an estimate from the ranks and the seed of the bootstrap.
        chance: the expected value of random answers; None if it is not computed.
        unit: the unit of the value: a fraction, or a rank from 1.
    """

    compute: Callable[[Found, int], Estimate]
    chance: Callable[[Found], float | None]
    unit: Literal["fraction", "rank"] = "fraction"


def _image_to_text(k: int, found: Found, seed: int) -> Estimate:
    return recall_at_k(found.image_ranks, np.arange(len(found.image_ranks)), k, seed=seed)


def _text_to_image(k: int, found: Found, seed: int) -> Estimate:
    return recall_at_k(found.caption_ranks, found.caption_images, k, seed=seed)


def _random_image_to_text(k: int, found: Found) -> float:
    """The chance that k random captions of the M include one of the image's own, averaged over images."""
    total = len(found.caption_ranks)
    drawn = np.arange(min(k, total))
    missed = np.clip((total - found.captions[:, None] - drawn) / (total - drawn), 0, None).prod(axis=1)
    return float(1 - missed.mean())


def _random_text_to_image(k: int, found: Found) -> float:
    return min(1.0, k / len(found.image_ranks))


def _random_image_rank(found: Found) -> float:
    """The expected rank of the best own caption in a random order, averaged over images.

    In a random order of M captions, the first of p own captions has the expected rank (M + 1) / (p + 1).
    """
    return float(((len(found.caption_ranks) + 1) / (found.captions + 1)).mean())


def _random_caption_rank(found: Found) -> float:
    return (len(found.image_ranks) + 1) / 2


def _of_images(metric: Callable[..., Estimate], found: Found, seed: int) -> Estimate:
    return metric(found.image_ranks, np.arange(len(found.image_ranks)), seed=seed)


def _of_captions(metric: Callable[..., Estimate], found: Found, seed: int) -> Estimate:
    return metric(found.caption_ranks, found.caption_images, seed=seed)


def _mean_recall(k: int) -> Measure:
    return Measure(
        lambda f, seed: mean_recall_at_k(f.image_ranks, f.caption_ranks, f.caption_images, k, seed=seed),
        lambda f: (_random_image_to_text(k, f) + _random_text_to_image(k, f)) / 2,
    )


RECALLS = (1, 5, 10)
MEASURES: dict[str, Measure] = {
    **{f"mean_recall@{k}": _mean_recall(k) for k in RECALLS},
    **{
        f"image_to_text_recall@{k}": Measure(partial(_image_to_text, k), partial(_random_image_to_text, k))
        for k in RECALLS
    },
    **{
        f"text_to_image_recall@{k}": Measure(partial(_text_to_image, k), partial(_random_text_to_image, k))
        for k in RECALLS
    },
    "image_to_text_median_rank": Measure(
        lambda f, seed: median_rank(f.image_ranks, np.arange(len(f.image_ranks))), lambda f: None, unit="rank"
    ),
    "image_to_text_mean_rank": Measure(partial(_of_images, mean_rank), _random_image_rank, unit="rank"),
    "text_to_image_median_rank": Measure(
        lambda f, seed: median_rank(f.caption_ranks, f.caption_images), _random_caption_rank, unit="rank"
    ),
    "text_to_image_mean_rank": Measure(partial(_of_captions, mean_rank), _random_caption_rank, unit="rank"),
}


def metric_values(names: Sequence[str], found: Found, seed: int) -> dict[str, MetricValue]:
    """The values of the named metrics. ``n`` is the number of queries, or of images for the mean of both directions."""
    values = {}
    for name in names:
        measure = MEASURES[name]
        values[name] = metric_value(
            measure.compute(found, seed),
            chance=measure.chance(found),
            higher_is_better=measure.unit == "fraction",
            n=len(found.caption_ranks) if name.startswith("text_to_image") else len(found.image_ranks),
            unit=measure.unit,
        )
    return values
