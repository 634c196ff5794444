"""Methods that learn the first words of prompts against literal implementations, on the demo's text tower in float64.

The literal ones run the library's own modules, so that they share no code with the towers' capability.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from literal_texts import literal_texts
from torch import Tensor

from vlmbench.api import load_model, load_task
from vlmbench.data.base import Chosen, ImageDataset, SourceContext
from vlmbench.data.open import open_dataset
from vlmbench.errors import TransferError, UsageError
from vlmbench.features.engine import EngineSettings, FeatureEngine
from vlmbench.models.base import capability
from vlmbench.models.towers.weights import state_sha256
from vlmbench.models.tunable import TunableTowers
from vlmbench.prompts import PromptSet
from vlmbench.transfer.base import FewShot, LinearClassifier
from vlmbench.transfer.class_texts import class_texts
from vlmbench.transfer.methods.prompts.cocoop import METHOD as COCOOP
from vlmbench.transfer.methods.prompts.cocoop import start as cocoop_start
from vlmbench.transfer.methods.prompts.coop import METHOD as COOP
from vlmbench.transfer.methods.prompts.kgcoop import METHOD as KGCOOP
from vlmbench.transfer.methods.prompts.prograd import METHOD as PROGRAD
from vlmbench.transfer.methods.prompts.prograd import projected
from vlmbench.transfer.methods.prompts.upl import METHOD as UPL
from vlmbench.transfer.methods.prompts.upl import labelled
from vlmbench.transfer.prompted import PromptData, PromptedMethod, PromptOptions
from vlmbench.transfer.support import Pools, sample
from vlmbench.transfer.training import Weights

NAMES = ("red circle", "blue square", "green_star")
EVERY: list[PromptedMethod[Any]] = [COOP, KGCOOP, PROGRAD, COCOOP, UPL]
EPOCHS, LR, DECAY = 3, 0.05, 5e-4


@pytest.fixture(scope="module")
def model() -> Any:
    """The demo's model in float64."""
    loaded: Any = load_model("demo-clip")
    loaded.network.double()
    return loaded


def made(
    model: Any, *, shots: int = 2, views: int = 1, words: str = "a photo of a", chunk: int | None = None
) -> PromptData:
    """Seeded features of images and hand-made texts, with the demo's own tower for the prompts."""
    generator = torch.Generator().manual_seed(5)
    towers = capability(model, TunableTowers)
    assert towers is not None
    classes, first = class_texts(towers, NAMES, words, chunk=chunk)
    count, width = len(NAMES) * shots, model.embedding_dim

    def unit(*shape: int) -> Tensor:
        return F.normalize(torch.randn(*shape, width, generator=generator, dtype=torch.float64), dim=-1)

    labels = torch.arange(len(NAMES)).repeat_interleave(shots)
    return PromptData(unit(views, count), labels, classes, first, unit(len(NAMES)), 20.0, 7, shots)


def library_texts(model: Any, contexts: Tensor) -> Tensor:
    """(C, D): see :func:`literal_texts`."""
    return literal_texts(model, NAMES, contexts)


def literal(
    model: Any, data: PromptData, context: Tensor, batch_size: int, step_of: Callable[[Tensor, Tensor, Tensor], Tensor]
) -> Tensor:
    """CoOp's recipe by hand: SGD with momentum and weight decay, a warm-up epoch, and a cosine by epoch.

    Args:
        step_of: the context, images and labels to the gradient of a step.
    """
    generator = torch.Generator().manual_seed(data.seed)
    velocity = torch.zeros_like(context)
    for epoch in range(EPOCHS):
        rate = 1e-5 if epoch == 0 else LR * (1 + math.cos(math.pi * (epoch - 1) / EPOCHS)) / 2
        order = torch.randperm(data.images.shape[1], generator=generator)
        for rows in order[: len(order) // batch_size * batch_size].split(batch_size):  # no incomplete batch
            own = context.clone().requires_grad_()
            gradient = step_of(own, data.images[0, rows], data.labels[rows]) + DECAY * context
            velocity = 0.9 * velocity + gradient
            context = context - rate * velocity
    return context


def gradient_of(loss: Tensor, context: Tensor) -> Tensor:
    return torch.autograd.grad(loss, context, retain_graph=True)[0]


def learnt(method: PromptedMethod[Any], data: PromptData, **options: Any) -> Weights:
    return method.learn(data, method.options(lr=LR, epochs=EPOCHS, batch_size=4, **options))


@pytest.mark.parametrize("class_specific", [False, True])
def test_coop(model: Any, class_specific: bool) -> None:
    data = made(model)

    def step(context: Tensor, images: Tensor, labels: Tensor) -> Tensor:
        contexts = context if class_specific else context.expand(len(NAMES), *context.shape)
        logits = 20.0 * images @ library_texts(model, contexts).T
        return gradient_of(-logits.log_softmax(1)[range(len(labels)), labels].mean(), context)

    first = data.words.repeat(len(NAMES), 1, 1) if class_specific else data.words
    found = learnt(COOP, data, class_specific=class_specific)["context"]
    expected = literal(model, data, first, 4, step)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)
    assert float((found - first).abs().max()) > 1e-3


def test_kgcoop(model: Any) -> None:
    data = made(model)

    def step(context: Tensor, images: Tensor, labels: Tensor) -> Tensor:
        texts = library_texts(model, context.expand(len(NAMES), *context.shape))
        away = sum(1 - float_cosine(text, hand) for text, hand in zip(texts, data.hand, strict=True)) / len(NAMES)
        return gradient_of(F.cross_entropy(20.0 * images @ texts.T, labels) + 8.0 * away, context)

    found = learnt(KGCOOP, data)["context"]
    torch.testing.assert_close(found, literal(model, data, data.words, 4, step), rtol=0, atol=1e-9)


def float_cosine(first: Tensor, second: Tensor) -> Tensor:
    return first @ second / (first.norm() * second.norm())


def test_prograd(model: Any) -> None:
    """The labels are those that zero-shot finds least likely, so that most steps go against it."""
    data = made(model)
    data, opposed = replace(data, labels=(data.images[0] @ data.hand.T).argmin(1)), []

    def step(context: Tensor, images: Tensor, labels: Tensor) -> Tensor:
        logits = 20.0 * images @ library_texts(model, context.expand(len(NAMES), *context.shape)).T
        teacher = (20.0 * images @ data.hand.T).softmax(1)
        g = gradient_of(F.cross_entropy(logits, labels), context)
        k = gradient_of((teacher * (teacher.log() - logits.log_softmax(1))).sum(1).mean(), context)
        opposed.append(bool((g * k).sum() < 0))
        return g if (g * k).sum() >= 0 else g - (g * k).sum() * k / (k * k).sum()

    found = learnt(PROGRAD, data)["context"]
    torch.testing.assert_close(found, literal(model, data, data.words, 4, step), rtol=0, atol=1e-9)
    assert any(opposed), "no step of the test goes against the teacher"


def test_a_projected_gradient_is_free_of_the_opposing_part() -> None:
    generator = torch.Generator().manual_seed(0)
    gradient, general = torch.randn(2, 3, 5, generator=generator, dtype=torch.float64)
    if float((gradient * general).sum()) > 0:
        general = -general
    assert float((projected(gradient, general, 1.0) * general).sum()) == pytest.approx(0, abs=1e-12)
    assert torch.equal(projected(gradient, -general, 1.0), gradient)
    assert torch.equal(projected(gradient, general, 0.0), gradient)
    zero = torch.zeros_like(general)
    assert torch.equal(projected(gradient, zero, 1.0), gradient)


def test_cocoop_scores_each_image_with_texts_of_its_own(model: Any) -> None:
    data, options = made(model), COCOOP.options()
    weights = cocoop_start(data, options)
    found = COCOOP.head(weights, data, options).logits(data.images[0])
    for image, row in zip(data.images[0], found, strict=True):
        hidden = torch.clamp(weights["down"] @ image + weights["down_bias"], min=0)
        context = weights["context"] + weights["up"] @ hidden + weights["up_bias"]
        expected = library_texts(model, context.expand(len(NAMES), *context.shape)) @ image
        torch.testing.assert_close(row, expected, rtol=0, atol=1e-9)


def test_cocoop_learns_through_its_network(model: Any) -> None:
    data = made(model, shots=1)
    before, after = cocoop_start(data, COCOOP.options()), learnt(COCOOP, data)
    assert {name for name in before if not torch.equal(before[name], after[name])} == set(before)


def test_upl_labels_by_zero_shot_and_reads_no_label(model: Any) -> None:
    data = made(model, shots=3)
    found = labelled(data, UPL.options(per_class=2))
    likely = (20.0 * data.images[0] @ data.hand.T).softmax(1)
    expected = [int(row) for label in range(len(NAMES)) for row in likely[:, label].argsort(descending=True)[:2]]
    assert torch.equal(found.images[0], data.images[0, expected]) and found.labels.tolist() == [0, 0, 1, 1, 2, 2]
    blind = labelled(replace(data, labels=data.labels.flip(0)), UPL.options(per_class=2))
    assert torch.equal(blind.labels, found.labels) and torch.equal(blind.images, found.images)


@pytest.mark.parametrize("method", EVERY, ids=lambda method: method.name)
def test_pieces_with_checkpoints_equal_the_whole(model: Any, method: PromptedMethod[Any]) -> None:
    whole, pieces = made(model), made(model, chunk=2)
    first, second = learnt(method, whole), learnt(method, pieces)
    assert pieces.classes.passes > whole.classes.passes, "pieces are computed again for the backward pass"
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, rtol=0, atol=1e-10)


def test_an_estimate_of_memory_says_how_many_classes_fit(model: Any) -> None:
    few = made(model).classes
    tokens = few.embeddings.shape[1] + 4
    assert few.at_once(4) == 2**30 // (4 * 20 * few.towers.text_layers * tokens * few.width)
    assert few.at_once(16) < few.at_once(4)


def test_random_starts_follow_the_draw(model: Any) -> None:
    data = made(model, words="")
    options = COOP.options(words="", vectors=16)
    context = COOP.start(data, options)["context"]
    assert context.shape == (16, data.classes.width) and float(context.std()) == pytest.approx(0.02, rel=0.1)
    assert torch.equal(context, COOP.start(data, options)["context"])
    assert not torch.equal(context, COOP.start(replace(data, seed=8), options)["context"])


def test_each_epoch_takes_a_view_of_each_image(model: Any) -> None:
    data = made(model, views=3)
    seen: list[Tensor] = []

    def loss(weights: Weights, data: PromptData, options: PromptOptions, images: Tensor, labels: Tensor) -> Tensor:
        seen.append(images)
        return weights["context"].sum()

    method = PromptedMethod(name="spy", version=1, options=PromptOptions, loss=loss)
    method.learn(data, PromptOptions(epochs=40, batch_size=6))
    used = {(view, row) for images in seen for image in images for view, row in _places(data.images, image)}
    assert len(seen) == 40 and used == {(view, row) for view in range(3) for row in range(6)}
    for images in seen:
        assert {row for image in images for _, row in _places(data.images, image)} == set(range(6))


def _places(views: Tensor, image: Tensor) -> list[tuple[int, int]]:
    return [(int(view), int(row)) for view, row in (views == image).all(-1).nonzero()]


def test_a_loss_that_becomes_infinite_stops(model: Any) -> None:
    data = replace(made(model), logit_scale=math.inf)
    with pytest.raises(TransferError, match="the losses of step 1 are NaN or infinite"):
        learnt(COOP, data)


def test_a_context_that_does_not_fit_is_refused(model: Any) -> None:
    data = made(model, words="")
    with pytest.raises(UsageError, match="the model reads 32"):
        COOP.learn(data, COOP.options(words="", vectors=30, epochs=1))


@pytest.fixture(scope="module")
def digits() -> ImageDataset:
    """The demo's handwritten digits."""
    card = load_task("demo-digits")
    return open_dataset(card.sources, SourceContext(class_names=card.classes))


def engine_of(model: Any) -> FeatureEngine:
    return FeatureEngine(model, EngineSettings())


@pytest.mark.parametrize("words", ["a photo of a", "this is the"])
@pytest.mark.parametrize("class_specific", [False, True])
def test_at_step_0_coop_is_zero_shot_with_the_same_words(words: str, class_specific: bool) -> None:
    model: Any = load_model("demo-clip")
    before = state_sha256(model.network)
    names = tuple(name.replace("_", " ") for name in NAMES)
    prompts = PromptSet(names, (f"{words} {{}}.",), "card", "option")
    towers = capability(model, TunableTowers)
    assert towers is not None
    classes, first = class_texts(towers, names, words)
    options = COOP.options(words=words, class_specific=class_specific)
    data = PromptData(torch.empty(1, 0, 1), torch.empty(0), classes, first, torch.empty(0), 1.0, 0)
    head = COOP.head(COOP.start(data, options), data, options)
    assert isinstance(head, LinearClassifier)
    zero_shot = engine_of(model).texts(prompts.prompts)
    torch.testing.assert_close(head.weights, zero_shot, rtol=0, atol=1e-6)
    assert state_sha256(model.network) == before


def test_words_whose_tokens_depend_on_the_class_are_refused(model: Any) -> None:
    towers = capability(model, TunableTowers)
    assert towers is not None

    class Changing:
        """A tower whose tokens of the first words are others before one name."""

        context_length, text_width, text_layers = towers.context_length, towers.text_width, towers.text_layers
        encode_embeddings = staticmethod(towers.encode_embeddings)

        @staticmethod
        def token_embeddings(texts: Sequence[str]) -> Any:
            return towers.token_embeddings([text.replace("a b", "the b") for text in texts])

    with pytest.raises(TransferError, match="others before the class name 'b'"):
        class_texts(Changing(), ["cat", "b"], "a photo of a")


def test_draws_together_are_draws_alone_and_validation_chooses_the_epoch(digits: ImageDataset) -> None:
    model: Any = load_model("demo-clip")
    before = state_sha256(model.network)
    pools = Pools.of(digits, 3)
    drawn = [sample(pools, 4, random.Random(draw)) for draw in (0, 1)]
    supports = [
        FewShot(2, Chosen(digits, rows[::2]), Chosen(digits, rows[1::2]), draw) for draw, rows in enumerate(drawn)
    ]
    prompts = PromptSet(("0", "1", "2"), ("the digit {}",), "card", "card")
    options = {"epochs": 6, "lr": 0.1}
    together = COOP.fit_draws(engine_of(model), supports, prompts, options)
    for draw, support in enumerate(supports):
        alone = COOP.fit_draws(engine_of(model), [support], prompts, options)[0]
        assert isinstance(alone.classifier, LinearClassifier)
        found = together[draw]
        assert torch.equal(found.classifier.weights, alone.classifier.weights)  # type: ignore[attr-defined]
        assert (found.step, found.steps, found.parameters) == (alone.step, 6, 4 * 128)
        assert (found.last is None) == (found.step is None)
        assert found.for_classes is not None
        more = found.for_classes(engine_of(model), PromptSet(("0", "1", "2", "7"), ("the digit {}",), "card", "card"))
        assert isinstance(more, LinearClassifier) and more.weights.shape[0] == 4
        torch.testing.assert_close(more.weights[:3], alone.classifier.weights, rtol=0, atol=1e-6)
    specific = COOP.fit_draws(engine_of(model), supports[:1], prompts, {**options, "class_specific": True})[0]
    assert specific.for_classes is None and specific.parameters == 3 * 4 * 128
    assert state_sha256(model.network) == before
