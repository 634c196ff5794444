"""PLOT against literal implementations: Sinkhorn's plan with loops, and training through the library's own tower."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from literal_texts import literal_texts
from small_pictures import pictures
from torch import Tensor

from vlmbench.api import load_model
from vlmbench.data.base import Chosen
from vlmbench.features.engine import FeatureEngine
from vlmbench.features.settings import EngineSettings
from vlmbench.models.base import capability
from vlmbench.models.towers.weights import state_sha256
from vlmbench.models.tunable import TunableTowers
from vlmbench.prompts import PromptSet
from vlmbench.testing.toy_models import toy_model
from vlmbench.testing.toy_parts import ToyPatches
from vlmbench.transfer.base import FewShot, lacks_needs
from vlmbench.transfer.class_texts import class_texts
from vlmbench.transfer.inputs import inputs
from vlmbench.transfer.methods.prompts.plot import (
    METHOD,
    PlotOptions,
    TransportClassifier,
    matched,
    start,
    transport_plan,
)
from vlmbench.transfer.prompted import PromptData

NAMES = ("red circle", "blue square", "green_star")
PATCHES, SETS, EPOCHS, LR, DECAY = 4, 2, 3, 0.05, 5e-4


@pytest.fixture(scope="module")
def model() -> Any:
    """The demo's model in float64."""
    loaded: Any = load_model("demo-clip")
    loaded.network.double()
    return loaded


def unit(generator: torch.Generator, *shape: int) -> Tensor:
    return F.normalize(torch.randn(*shape, generator=generator, dtype=torch.float64), dim=-1)


def made(model: Any, words: str = "") -> PromptData:
    """Random images with patches, and the demo's own tower for the prompts."""
    generator, towers = torch.Generator().manual_seed(5), capability(model, TunableTowers)
    assert towers is not None
    classes, first = class_texts(towers, NAMES, words)
    count, width = 2 * len(NAMES), model.embedding_dim
    images, hand = unit(generator, 1, count, 1 + PATCHES, width), unit(generator, len(NAMES), width)
    return PromptData(images, torch.arange(3).repeat_interleave(2), classes, first, hand, 20.0, 7)


def literal_plan(similarity: Tensor, epsilon: float, iterations: int, threshold: float) -> Tensor:
    """Sinkhorn's plan of one (P, S) problem with even margins, number by number."""
    count, contexts = similarity.shape
    kernel = [[math.exp(-(1 - float(similarity[p, s])) / epsilon) for s in range(contexts)] for p in range(count)]
    rows, columns = [1.0] * count, [1.0] * contexts
    for _ in range(iterations):
        before = list(rows)
        for p in range(count):
            rows[p] = 1 / count / sum(kernel[p][s] * columns[s] for s in range(contexts))
        for s in range(contexts):
            columns[s] = 1 / contexts / sum(kernel[p][s] * rows[p] for p in range(count))
        if sum(abs(new - old) for new, old in zip(rows, before, strict=True)) / count < threshold:
            break
    plan = [[rows[p] * kernel[p][s] * columns[s] for s in range(contexts)] for p in range(count)]
    return torch.tensor(plan, dtype=torch.float64)


@pytest.mark.parametrize("settings", [{}, {"epsilon": 0.3, "iterations": 3, "threshold": 0.0}, {"threshold": 0.5}])
def test_each_plan_is_sinkhorns_and_stops_by_its_own_change(settings: dict[str, Any]) -> None:
    generator, options = torch.Generator().manual_seed(1), PlotOptions(**settings)
    similarity = torch.rand(6, 5, 3, generator=generator, dtype=torch.float64) * 2 - 1
    similarity[0] /= 100  # this plan is done at once, others go on
    found = transport_plan(similarity, options)
    for own, plan in zip(similarity, found, strict=True):
        expected = literal_plan(own, options.epsilon, options.iterations, options.threshold)
        torch.testing.assert_close(plan, expected, rtol=0, atol=1e-12)


def test_a_plan_that_may_go_on_has_even_margins() -> None:
    similarity = torch.rand(4, 7, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    plan = transport_plan(similarity, PlotOptions(iterations=5000, threshold=0.0))
    torch.testing.assert_close(plan.sum(-1), torch.full((4, 7), 1 / 7, dtype=torch.float64), rtol=0, atol=1e-9)
    torch.testing.assert_close(plan.sum(-2), torch.full((4, 3), 1 / 3, dtype=torch.float64), rtol=0, atol=1e-9)


def test_an_even_plan_is_the_cosine_of_mean_patches_and_mean_texts() -> None:
    """See notes.md, section 3, row 20."""
    generator = torch.Generator().manual_seed(3)
    images, texts = unit(generator, 4, 1 + PATCHES, 8), unit(generator, SETS, 3, 8)
    found = matched(images, texts, PlotOptions(iterations=0))
    torch.testing.assert_close(found, images[:, 1:].mean(1) @ texts.mean(0).T, rtol=0, atol=1e-12)
    far = matched(images, texts, PlotOptions(epsilon=100))
    torch.testing.assert_close(far, found, rtol=0, atol=5e-3)


def test_images_are_scored_in_pieces_that_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(4)
    images, texts = unit(generator, 5, 1 + PATCHES, 8), unit(generator, SETS, 3, 8)
    head = TransportClassifier(texts, PlotOptions(), 20.0)
    whole = head.logits(images)
    monkeypatch.setattr("vlmbench.transfer.methods.prompts.plot._AT_ONCE", 1)
    torch.testing.assert_close(head.logits(images), whole, rtol=0, atol=1e-12)
    alone = torch.cat([head.logits(image[None]) for image in images])
    torch.testing.assert_close(alone, whole, rtol=0, atol=1e-12)


def test_training_is_that_of_the_formula_by_hand(model: Any) -> None:
    data = made(model)
    options = PlotOptions(sets=SETS, vectors=3, epochs=EPOCHS, lr=LR, batch_size=4)
    context, speed = start(data, options)["context"], torch.zeros(SETS, 3, data.classes.width, dtype=torch.float64)
    first, generator = context, torch.Generator().manual_seed(data.seed)
    for epoch in range(EPOCHS):
        rate = 1e-5 if epoch == 0 else LR * (1 + math.cos(math.pi * (epoch - 1) / EPOCHS)) / 2
        for rows in [torch.randperm(data.images.shape[1], generator=generator)[:4]]:  # the rest is no whole batch
            own = context.clone().requires_grad_()
            texts = [literal_texts(model, NAMES, own[s].expand(3, *own[s].shape)) for s in range(SETS)]
            losses = []
            for row in rows:
                logits = torch.stack([_cost(data.images[0, row], texts, label) for label in range(3)])
                losses.append((20.0 * logits).logsumexp(0) - 20.0 * logits[data.labels[row]])
            (gradient,) = torch.autograd.grad(torch.stack(losses).mean(), own)
            speed = 0.9 * speed + gradient + DECAY * context
            context = context - rate * speed
    found = METHOD.learn(data, options)["context"]
    torch.testing.assert_close(found, context, rtol=0, atol=1e-9)
    assert float((found - first).abs().max()) > 1e-3


def _cost(image: Tensor, texts: Sequence[Tensor], label: int) -> Tensor:
    """One image's similarity to one class under its plan."""
    similarity = torch.stack([torch.stack([patch @ own[label] for own in texts]) for patch in image[1:]])
    return (literal_plan(similarity.detach(), 0.1, 100, 0.01) * similarity).sum()


def test_contexts_begin_at_random_or_at_words_of_which_the_first_is_exact(model: Any) -> None:
    data = made(model)
    context = start(data, PlotOptions())["context"]
    assert context.shape == (4, 16, data.classes.width)
    assert float(context.std()) == pytest.approx(0.02, rel=0.1)
    worded = made(model, "a photo of a")
    context = start(worded, PlotOptions(words="a photo of a"))["context"]
    assert context.shape == (4, 4, data.classes.width) and torch.equal(context[0], worded.words)
    assert float((context[1:] - worded.words).std()) == pytest.approx(0.02, rel=0.1)


def test_whole_fits_repeat_and_leave_the_weights_alone() -> None:
    model: Any = load_model("demo-clip")
    before = state_sha256(model.network)
    data = pictures({"cat": range(6), "dog": range(6, 12)}, ((200, 90, 90), (90, 90, 200)))
    support = FewShot(2, Chosen(data, [0, 1, 10, 11]), Chosen(data, [2, 3, 8, 9]), 3)
    prompts = PromptSet(("cat", "dog"), ("a photo of a {}.",), "card", "card")
    options = {"epochs": 3, "sets": 2, "vectors": 4, "views": 2}

    def fit() -> Any:
        engine = FeatureEngine(model, EngineSettings(batch_size=5))
        (found,) = METHOD.fit_draws(engine, [support], prompts, options)
        (batch, rest) = inputs(engine, Chosen(data, [4, 5, 6, 7, 8, 9]), METHOD, options)
        return found, torch.cat([found.classifier.logits(each.features) for each in (batch, rest)])

    (first, logits), (_, again) = fit(), fit()
    assert torch.equal(logits, again) and logits.shape == (6, 2)
    assert (
        first.settled == {"readout": "plain"}
        and first.parameters == 2 * 4 * model.network.token_embedding.weight.shape[1]
    )
    assert first.for_classes is not None
    more = first.for_classes(
        FeatureEngine(model, EngineSettings()), PromptSet(("cat", "dog", "bird"), ("a photo of a {}.",), "card", "card")
    )
    assert more.texts.shape[:2] == (2, 3)
    torch.testing.assert_close(more.texts[:, :2], first.classifier.texts, rtol=0, atol=1e-6)
    assert state_sha256(model.network) == before


def test_a_model_without_a_text_tower_that_gives_gradients_is_refused() -> None:
    found = str(lacks_needs(METHOD, toy_model(DenseEncoder=ToyPatches())))
    assert "plot needs TunableTowers, which this model does not offer" in found
    assert "plot needs DenseEncoder, TunableTowers" in str(lacks_needs(METHOD, toy_model()))
