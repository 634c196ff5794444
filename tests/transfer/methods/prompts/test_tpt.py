"""TPT against AdamW by hand through the library's own tower, and its known end: without a step it is zero-shot."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from literal_texts import literal_texts
from small_pictures import pictures
from torch import Tensor

from vlmbench.api import load_model
from vlmbench.data.base import Chosen
from vlmbench.errors import UsageError
from vlmbench.features.engine import FeatureEngine
from vlmbench.features.settings import EngineSettings
from vlmbench.models.base import capability
from vlmbench.models.towers.weights import state_sha256
from vlmbench.models.tunable import TunableTowers
from vlmbench.prompts import PromptSet
from vlmbench.testing.toy_models import toy_model
from vlmbench.transfer.base import FewShot, lacks_needs
from vlmbench.transfer.class_texts import class_texts
from vlmbench.transfer.inputs import inputs
from vlmbench.transfer.methods.prompts.tpt import METHOD, TestTimeClassifier, TptOptions

NAMES = ("red circle", "blue square", "green_star")
DATA = pictures({"cat": range(3), "dog": range(3, 6)}, ((200, 90, 90), (90, 90, 200)))
PROMPTS = PromptSet(("cat", "dog"), ("a photo of a {}.",), "card", "card")


@pytest.fixture(scope="module")
def model() -> Any:
    """The demo's model in float64."""
    loaded: Any = load_model("demo-clip")
    loaded.network.double()
    return loaded


def classifier(model: Any, **options: Any) -> TestTimeClassifier:
    towers = capability(model, TunableTowers)
    assert towers is not None
    settings = TptOptions(**options)
    classes, words = class_texts(towers, NAMES, settings.words, chunk=settings.chunk)
    return TestTimeClassifier(classes, words, settings, 20.0)


def some_views(model: Any, images: int = 2, views: int = 10) -> Tensor:
    generator = torch.Generator().manual_seed(8)
    return F.normalize(
        torch.randn(images, views, model.embedding_dim, generator=generator, dtype=torch.float64), dim=-1
    )


def literal(model: Any, views: Tensor, words: Tensor, *, steps: int, lr: float, decay: float, count: int) -> Tensor:
    """The logits of one image: AdamW by hand on the entropy of the mean of the most certain views."""
    context, mean, square = words.clone(), torch.zeros_like(words), torch.zeros_like(words)
    chosen: list[int] = []
    for step in range(1, steps + 1):
        own = context.clone().requires_grad_()
        texts = literal_texts(model, NAMES, own.expand(len(NAMES), *own.shape))
        probabilities = [(20.0 * texts @ view).softmax(0) for view in views]
        if step == 1:
            entropy = [float(-(p * p.log()).sum().detach()) for p in probabilities]
            chosen = sorted(range(len(views)), key=lambda view: entropy[view])[:count]
        average = sum(probabilities[view] for view in chosen) / count
        assert isinstance(average, Tensor)
        (gradient,) = torch.autograd.grad(-(average * average.log()).sum(), own)
        mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2
        context = context * (1 - lr * decay)
        context = context - lr * (mean / (1 - 0.9**step)) / ((square / (1 - 0.999**step)).sqrt() + 1e-8)
    return literal_texts(model, NAMES, context.expand(len(NAMES), *context.shape)).detach() @ views[0]


@pytest.mark.parametrize("steps, chunk", [(1, None), (1, 2), (3, None)])
def test_tpt_is_its_formula(model: Any, steps: int, chunk: int | None) -> None:
    views = some_views(model)
    head = classifier(model, steps=steps, confident=0.35, chunk=chunk)
    found = head.logits(views)
    for own, row in zip(views, found, strict=True):
        expected = literal(model, own, head.words, steps=steps, lr=0.005, decay=0.01, count=3)
        torch.testing.assert_close(row, expected, rtol=0, atol=1e-8)
    still = classifier(model, steps=0).logits(views)
    assert float((found - still).abs().max()) > 1e-3


def test_each_image_begins_anew(model: Any) -> None:
    views, head = some_views(model, 3), classifier(model)
    alone = torch.cat([head.logits(own[None]) for own in views])
    torch.testing.assert_close(head.logits(views), alone, rtol=0, atol=1e-12)
    assert torch.equal(head.logits(views), head.logits(views)), "the same command twice gives equal numbers"
    with torch.inference_mode():
        assert torch.equal(head.logits(views.clone()), head.logits(views))


def test_without_a_step_it_is_zero_shot_with_its_words() -> None:
    model: Any = load_model("demo-clip")
    before = state_sha256(model.network)
    engine = FeatureEngine(model, EngineSettings(batch_size=5))
    options = {"steps": 0, "views": 2, "words": "this is the"}
    head = METHOD.fit(engine, FewShot(), PROMPTS, options)
    chosen = Chosen(DATA, range(6))
    images = torch.cat([batch.features for batch in inputs(engine, chosen, METHOD, options)])
    texts = engine.texts(["this is the cat.", "this is the dog."])
    torch.testing.assert_close(head.logits(images), images[:, 0] @ texts.T, rtol=0, atol=1e-6)
    assert head.scale == engine.encoders.logit_scale
    METHOD.fit(engine, FewShot(), PROMPTS, {"views": 3}).logits(images)
    assert state_sha256(model.network) == before
    assert not any(parameter.grad is not None for parameter in model.network.parameters())


def test_its_cost_is_that_of_each_test_image() -> None:
    engine = FeatureEngine(load_model("demo-clip"), EngineSettings())
    (found,) = METHOD.fit_draws(engine, [FewShot()], PROMPTS, {"views": 16})
    assert (found.test_image_passes, found.test_text_passes) == (16, 4)
    assert found.for_classes is not None


def test_bad_options_and_models_are_refused() -> None:
    assert "tpt needs TunableTowers, which this model does not offer" in str(lacks_needs(METHOD, toy_model()))
    engine = FeatureEngine(load_model("demo-clip"), EngineSettings())
    for options, said in (
        ({"views": 0}, "option views"),
        ({"confident": 0}, "option confident"),
        ({"words": ""}, "words"),
    ):
        with pytest.raises(UsageError, match=said):
            METHOD.fit(engine, FewShot(), PROMPTS, options)
