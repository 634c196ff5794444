"""From scores to classes: SCLIP's order of softmax, synonyms, areas and threshold, written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import vlmbench.tasks.segmentation.decide as module
from vlmbench.tasks.segmentation.decide import Rule, decide


def literal(scores: np.ndarray, rule: Rule) -> np.ndarray:
    """postprocess_result of clip_segmentor.py, pixel by pixel."""
    owners, classes = rule.owners.tolist(), rule.num_classes
    height, width = scores.shape[1:]
    best_of = np.zeros((classes, height, width))
    for row in range(height):
        for column in range(width):
            logits = scores[:, row, column] * rule.scale
            exponents = np.exp(logits - logits.max())
            for owner, probability in zip(owners, exponents / exponents.sum(), strict=True):
                best_of[owner, row, column] = max(best_of[owner, row, column], probability)
    if rule.area_threshold:
        labels = best_of.argmax(axis=0)
        areas = np.array([(labels == label).sum() for label in range(1, classes)])
        for label, area in enumerate(areas, start=1):
            if not area > rule.area_threshold * areas.sum():
                best_of[label] = 0
    labels = best_of.argmax(axis=0)
    labels[best_of.max(axis=0) < rule.probability_threshold] = 0
    return labels


@given(
    st.integers(0, 10_000),
    st.sampled_from([[0, 1, 2], [0, 0, 1, 2, 2, 2], [1, 2, 2], [1, 2]]),
    st.sampled_from([0.0, 0.2, 0.5, 0.9]),
    st.sampled_from([0.0, 0.1, 0.4, 0.6]),
    st.sampled_from([1.0, 10.0]),
)
@settings(deadline=None, max_examples=80)
def test_it_is_sclips(seed: int, owners: list[int], probability: float, area: float, scale: float) -> None:
    scores = torch.randn(len(owners), 5, 6, generator=torch.Generator().manual_seed(seed))
    rule = Rule(torch.tensor(owners), 3, scale, probability, area)
    expected = literal(scores.numpy().astype(float), rule)
    for band in (1, 13, 2**24):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "BAND", band)
            found = decide(scores, rule)
        assert found.dtype == torch.int64 and np.array_equal(found.numpy(), expected)


def test_the_best_word_speaks_for_its_class() -> None:
    scores = torch.tensor([0.5, 0.1, 0.6, 0.2])[:, None, None]
    assert decide(scores, Rule(torch.tensor([0, 1, 1, 2]), 3, 1.0)).item() == 1


def test_a_background_without_words_takes_what_is_unsure() -> None:
    scores = torch.tensor([[[3.0, 0.1]], [[0.0, 0.0]]])
    rule = Rule(torch.tensor([1, 2]), 3, 1.0, probability_threshold=0.7)
    assert decide(scores, rule).tolist() == [[1, 0]]


def test_small_areas_go_to_what_is_left() -> None:
    scores = torch.zeros(3, 1, 10)
    scores[1] = 2.0
    scores[2, 0, 0] = 3.0
    rule = Rule(torch.arange(3), 3, 1.0, area_threshold=0.1)
    assert decide(scores, rule).tolist() == [[1] * 10], "a tenth of the foreground is not more than a tenth"
    assert decide(scores, Rule(torch.arange(3), 3, 1.0, area_threshold=0.09)).tolist() == [[2, *[1] * 9]]
