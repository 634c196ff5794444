"""Differences of retrieval against plain loops over resampled images."""

from __future__ import annotations

import numpy as np
import pytest
from answers.draws import N, OfRows, check, compared, difference
from answers.made import answers, retrieved

from vlmbench.errors import RecordError, UnpairableError


def test_retrieval_draws_images_with_their_captions() -> None:
    random = np.random.default_rng(3)
    images = random.integers(1, 20, (2, N))
    counts = random.integers(1, 5, N)
    captions = [[random.integers(1, 20, count).tolist() for count in counts] for _ in range(2)]
    tables = [retrieved(images[model], captions[model]) for model in range(2)]

    def of_captions(model: int, rows: np.ndarray) -> np.ndarray:
        return np.concatenate([captions[model][row] for row in rows])

    found = compared(tables, "image_to_text_recall@5", lambda m, rows: (images[m][rows] <= 5).mean(), "retrieval")
    assert found.method == "mcnemar"
    asked: dict[str, OfRows] = {
        "text_to_image_recall@5": lambda m, rows: (of_captions(m, rows) <= 5).mean(),
        "mean_recall@5": lambda m, rows: ((images[m][rows] <= 5).mean() + (of_captions(m, rows) <= 5).mean()) / 2,
        "image_to_text_median_rank": lambda m, rows: float(np.median(images[m][rows])),
        "text_to_image_mean_rank": lambda m, rows: of_captions(m, rows).mean(),
        "text_to_image_median_rank": lambda m, rows: float(np.median(of_captions(m, rows))),
        "image_to_text_mean_rank": lambda m, rows: images[m][rows].mean(),
    }
    for metric, of_rows in asked.items():
        check(compared(tables, metric, of_rows, "retrieval"), of_rows, N)


def test_one_caption_an_image_is_mcnemars_both_ways() -> None:
    ranks = np.random.default_rng(4).integers(1, 9, (2, N))
    tables = [retrieved(row, row[:, None].tolist()) for row in ranks]
    found = compared(tables, "text_to_image_recall@1", lambda m, rows: (ranks[m][rows] == 1).mean(), "retrieval")
    assert found.method == "mcnemar" and found.n == N


def test_an_image_without_captions_is_said_and_no_crash() -> None:
    bare = answers(retrieved(np.array([1, 1]), [[1], []]), {"text_to_image_recall@1": 1.0}, "retrieval")
    with pytest.raises(RecordError, match="here: text_to_image_recall@1 cannot be computed from it"):
        difference(bare, bare, "text_to_image_recall@1")


def test_ranks_among_other_images_are_not_compared() -> None:
    table = retrieved(np.ones(5, dtype=int), [[1]] * 5)
    sides = [answers(rows, {"mean_recall@1": 1.0}, plugin="retrieval") for rows in (table, table.take([0, 1, 2]))]
    with pytest.raises(UnpairableError, match=r"the candidate lacks 2 \(e\.g\. '3\.png'\)"):
        difference(sides[0], sides[1], "mean_recall@1")
