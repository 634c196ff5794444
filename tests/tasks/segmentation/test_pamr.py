"""PAMR against a literal loop, and what it is for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tasks.segmentation.literal import pamr

import vlmbench.tasks.segmentation.pamr as module
from vlmbench.tasks.segmentation.pamr import affinity, refine


def inputs(classes: int, height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(classes)
    return torch.rand(classes, height, width, generator=generator), torch.rand(3, height, width, generator=generator)


@pytest.mark.parametrize("dilations", [[1], [1, 2], [8, 16]])
@pytest.mark.parametrize("steps", [1, 3])
def test_it_is_the_literal_loop(steps: int, dilations: list[int]) -> None:
    scores, image = inputs(3, 7, 9)
    expected = pamr(scores.numpy().astype(float), image.numpy().astype(float), steps, dilations)
    assert np.abs(refine(scores, image, steps, dilations).numpy() - expected).max() < 1e-4


def test_classes_are_refined_each_by_itself_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    scores, image = inputs(7, 6, 6)
    together = refine(scores.clone(), image, 2, [1, 2])
    monkeypatch.setattr(module, "CLASSES_AT_ONCE", 2)
    assert torch.equal(refine(scores.clone(), image, 2, [1, 2]), together)
    assert torch.allclose(refine(scores[4:5].clone(), image, 2, [1, 2])[0], together[4])


def test_no_steps_change_nothing() -> None:
    scores, image = inputs(2, 4, 4)
    assert torch.equal(refine(scores.clone(), image, 0, [1]), scores)


def test_weights_sum_to_one_and_no_linear_scale_of_a_channel_matters() -> None:
    _, image = inputs(1, 8, 8)
    weights = affinity(image, [1, 3])
    assert weights.shape == (16, 8, 8) and torch.allclose(weights.sum(dim=0), torch.ones(8, 8), atol=1e-6)
    scaled = image * torch.tensor([255.0, 3.0, 0.5])[:, None, None] - torch.tensor([7.0, 0.0, 1.0])[:, None, None]
    assert torch.allclose(affinity(scaled, [1, 3]), weights, atol=1e-3)


def test_scores_move_to_the_edges_of_the_image() -> None:
    """A blurred score for the bright half of a picture ends at its edge."""
    image = torch.zeros(3, 16, 16)
    image[:, :, 8:] = 1
    image += 0.01 * torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(0))
    ramp = torch.linspace(0, 1, 16).clamp(0.2, 0.8).repeat(16, 1)[None]
    blurred = torch.cat([1 - ramp, ramp])
    before = blurred[1, :, 8] - blurred[1, :, 7]
    after = refine(blurred.clone(), image, 10, [1, 2])[1]
    assert ((after[:, 8] - after[:, 7]) > 2 * before).all()
