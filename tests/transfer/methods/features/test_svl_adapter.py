"""SVL-Adapter against Adam by hand, its known end, and what it says of the other model."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from small_pictures import pictures
from torch import Tensor
from toy_adapter import toy

from vlmbench.cards import ModelCard
from vlmbench.data.base import Chosen
from vlmbench.errors import UsageError
from vlmbench.features.engine import FeatureEngine
from vlmbench.features.settings import EngineSettings
from vlmbench.prompts import PromptSet
from vlmbench.testing.toy_models import ToyModel
from vlmbench.transfer.base import FewShot, other_models
from vlmbench.transfer.encoded import encoded
from vlmbench.transfer.features import FeatureData, unwatched
from vlmbench.transfer.inputs import inputs
from vlmbench.transfer.methods.features.svl_adapter import METHOD, SvlAdapterOptions, start
from vlmbench.transfer.support import Pools, sample

CLASSES, SHOTS, OWN, OTHER = 3, 3, 10, 6
DATA = pictures({"cat": range(8), "dog": range(8, 16)}, ((150, 110, 110), (110, 110, 150)))
PROMPTS = PromptSet(("cat", "dog"), ("a photo of a {}.", "{}"), "data", "default")


def unit(generator: torch.Generator, *shape: int) -> Tensor:
    return F.normalize(torch.randn(*shape, generator=generator, dtype=torch.float64), dim=-1)


def made() -> FeatureData:
    """Two draws of random features of two models."""
    generator = torch.Generator().manual_seed(2)
    count = CLASSES * SHOTS
    images = torch.cat([unit(generator, 2, 1, count, OWN), unit(generator, 2, 1, count, OTHER)], dim=-1)
    labels = torch.arange(CLASSES).repeat_interleave(SHOTS).repeat(2, 1)
    texts = unit(generator, CLASSES, OWN)
    return FeatureData(images, labels, texts, texts[:, None], 20.0, (0, 4))


def literal(data: FeatureData, draw: int, options: SvlAdapterOptions, images: Tensor) -> Tensor:
    """Adam by hand on torch's own layers, then the mixed logits."""
    began = start(data, options)
    first, second = torch.nn.Linear(OTHER, options.hidden).double(), torch.nn.Linear(options.hidden, CLASSES).double()
    weights = [first.weight, first.bias, second.weight, second.bias]
    with torch.no_grad():
        for weight, name in zip(weights, ("first", "first_bias", "second", "second_bias"), strict=True):
            weight.copy_(began[name][draw])
    length = options.length or math.sqrt(OTHER)
    own, learnt_from = data.images[draw, 0, :, :OWN], length * data.images[draw, 0, :, OWN:]
    means = [(torch.zeros_like(weight), torch.zeros_like(weight)) for weight in weights]
    generator, step = torch.Generator().manual_seed(data.seeds[draw]), 0
    for _ in range(options.epochs):
        for rows in torch.randperm(len(own), generator=generator).split(options.batch_size):
            step += 1
            logits = second(F.relu(first(learnt_from[rows])))
            gradients = torch.autograd.grad(F.cross_entropy(logits, data.labels[draw, rows]), weights)
            with torch.no_grad():
                for weight, gradient, (mean, square) in zip(weights, gradients, means, strict=True):
                    mean.mul_(0.9).add_(0.1 * gradient)
                    square.mul_(0.999).add_(0.001 * gradient**2)
                    root = (square / (1 - 0.999**step)).sqrt() + 1e-8
                    weight -= options.lr * mean / (1 - 0.9**step) / root
    confidence = (100 * own @ data.texts.T).softmax(1).max(1).values.mean()
    alpha = 1 - float(confidence) if options.alpha is None else options.alpha
    with torch.no_grad():
        network = second(F.relu(first(length * images[:, OWN:])))
    return alpha * network + (1 - alpha) * 100 * images[:, :OWN] @ data.texts.T


@pytest.mark.parametrize("settings", [{}, {"alpha": 0.3, "length": 2.0}])
def test_svl_adapter_is_its_formula_in_each_draw(settings: dict[str, float]) -> None:
    data = made()
    options = SvlAdapterOptions(other="x", epochs=4, batch_size=4, hidden=5, lr=0.02, **settings)  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(9)
    images = torch.cat([unit(generator, 7, OWN), unit(generator, 7, OTHER)], dim=-1)
    heads = METHOD.heads(METHOD.learn(data, options, unwatched), data, options)
    for draw, head in enumerate(heads):
        torch.testing.assert_close(head.logits(images), literal(data, draw, options, images), rtol=0, atol=1e-9)


def test_without_a_share_of_the_network_it_is_zero_shot() -> None:
    data, options = made(), SvlAdapterOptions(other="x", epochs=2, alpha=0)
    heads = METHOD.heads(METHOD.learn(data, options, unwatched), data, options)
    images = data.images[0, 0]
    torch.testing.assert_close(heads[0].logits(images), 100 * images[:, :OWN] @ data.texts.T, rtol=0, atol=1e-12)


def engine_of(seed: int = 1) -> FeatureEngine:
    """A toy beside which the model "seed 5" and the like can be loaded."""
    model: Any = ToyModel(ModelCard(name=f"seed {seed}", adapter="toy"), seed=seed)
    return FeatureEngine(model, EngineSettings(batch_size=5), others=lambda name: engine_of(int(name.split()[1])))


def drawn(draw: int) -> FewShot:
    rows = sample(Pools.of(DATA, 2), 5, random.Random(draw))
    return FewShot(4, Chosen(DATA, rows), Chosen(DATA, rows[4:6]), draw)


def test_test_images_have_the_features_of_both_models() -> None:
    engine, chosen = engine_of(), Chosen(DATA, range(6))
    (batch,) = inputs(engine, chosen, METHOD, {"other": "seed 5"})
    own, other = encoded(engine_of(1), chosen), encoded(engine_of(5), chosen)
    assert torch.equal(batch.features, torch.cat([own.features, other.features], dim=1))
    assert batch.indices == own.indices and batch.contents == [own.contents[index] for index in own.indices]


def test_draws_together_are_draws_alone_and_another_model_is_another_answer() -> None:
    options = {"other": "seed 5", "epochs": 5}
    (batch,) = inputs(engine_of(), Chosen(DATA, range(16)), METHOD, options)
    together = METHOD.fit_draws(engine_of(), [drawn(0), drawn(1)], PROMPTS, options)
    for draw, found in enumerate(together):
        (alone,) = METHOD.fit_draws(engine_of(), [drawn(draw)], PROMPTS, options)
        logits = found.classifier.logits(batch.features)
        torch.testing.assert_close(logits, alone.classifier.logits(batch.features), rtol=0, atol=1e-5)
        assert found.chosen == alone.chosen and found.settled["alpha"] == found.chosen["alpha"]
        assert found.parameters == 256 * (16 + 1) + 2 * (256 + 1)
    (other,) = METHOD.fit_draws(engine_of(), [drawn(0)], PROMPTS, {**options, "other": "seed 6", "alpha": 1})
    (first,) = METHOD.fit_draws(engine_of(), [drawn(0)], PROMPTS, {**options, "alpha": 1})
    images = inputs(engine_of(), Chosen(DATA, range(16)), METHOD, {"other": "seed 6"})
    (second,) = images
    difference = other.classifier.logits(second.features) - first.classifier.logits(batch.features)
    assert float(difference.abs().max()) > 0.01


def test_the_user_must_name_the_other_model() -> None:
    with pytest.raises(UsageError, match="option other: name a second model, such as --option other=conse"):
        METHOD.fit_draws(engine_of(), [drawn(0)], PROMPTS, {})
    assert other_models(METHOD, {"other": "seed 5"}) == ("seed 5",)


def test_an_engine_without_a_loader_says_so() -> None:
    engine = FeatureEngine(toy(), EngineSettings())
    with pytest.raises(UsageError, match="'seed 5' cannot be loaded beside toy: this engine has no loader"):
        METHOD.fit_draws(engine, [drawn(0)], PROMPTS, {"other": "seed 5"})
