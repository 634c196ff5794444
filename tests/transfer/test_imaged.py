"""Methods that train through the image tower: what they are given, what is chosen, what it costs, what is refused."""

from __future__ import annotations

import io
import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import PIL.Image
import pytest
import torch
from small_pictures import pictures
from tiny_vit import tiny_model
from torch import Tensor
from toy_adapter import toy

from vlmbench.api import load_model
from vlmbench.cards import Role, SourceSpec, TaskCard
from vlmbench.data.base import Chosen, ImageDataset
from vlmbench.errors import TransferError, UsageError
from vlmbench.features.engine import FeatureEngine
from vlmbench.features.images.batch import ImageBatch
from vlmbench.features.settings import EngineSettings
from vlmbench.models.towers.weights import state_sha256
from vlmbench.models.tunable import TunableTowers
from vlmbench.prompts import PromptSet
from vlmbench.tasks.base import Outcome, TaskOptions
from vlmbench.tasks.classification.adapted import AdaptedQuestion
from vlmbench.tasks.classification.plugin import PLUGIN
from vlmbench.testing import check_transfer
from vlmbench.testing.toy_data import ToyImages
from vlmbench.transfer import METHODS
from vlmbench.transfer.asked import Track, TransferAsked
from vlmbench.transfer.base import FewShot, LinearClassifier, lacks_needs
from vlmbench.transfer.imaged import ImagedData, ImagedMethod, ImagedOptions
from vlmbench.transfer.training import Recipe, Weights, with_warm_up

NAMES = [name for name in METHODS if isinstance(METHODS.get(name), ImagedMethod)]
OF_TRANSFORMERS = ["clip-lora", "maple", "promptsrc", "vpt"]
QUICK = {"epochs": 2, "batch_size": 3, "views": 2}
SPEC = [SourceSpec(kind="imagefolder", location="memory")]
CARD = TaskCard(name="t", sources=SPEC, train=SPEC, val=SPEC)
COLOURS = ((180, 90, 90), (90, 180, 90), (90, 90, 180))
DATA: dict[Role, ToyImages] = {
    role: pictures({name: range(start + 100 * c, start + 100 * c + 6) for c, name in enumerate("abc")}, COLOURS)
    for start, role in ((0, "test"), (1000, "train"), (2000, "val"))
}
PROMPTS = PromptSet(("a", "b", "c"), ("a photo of a {}.", "{}"), "card", "card")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return tiny_model(tmp_path_factory.mktemp("configs"))


class WithoutFeatures(FeatureEngine):
    """An engine that encodes no image: neither a support image nor the features of a changed tower come from it."""

    def images(self, dataset: ImageDataset, indices: Sequence[int]) -> Generator[ImageBatch, None, None]:
        raise AssertionError("a method that trains through the image tower asks for cached features")


def support(draw: int, *, val: bool = False) -> FewShot:
    train = [index for index, sample in enumerate(DATA["train"].samples) if index % 3 == draw]
    chosen = Chosen(DATA["val"], range(0, 18, 2)) if val else None
    assert len(train) == 6
    return FewShot(2, Chosen(DATA["train"], train), chosen, draw)


def method_of(name: str) -> ImagedMethod[Any]:
    found = METHODS.get(name)
    assert isinstance(found, ImagedMethod)
    return found


def answer(model: Any, asked: TransferAsked) -> Outcome:
    datasets: dict[Role, ImageDataset] = {**DATA}
    question = PLUGIN.ask(CARD, datasets, TaskOptions(transfer=asked))
    assert isinstance(question, AdaptedQuestion) and question.unsupported(model) is None
    return question.answer(FeatureEngine(model, EngineSettings(batch_size=16)))


@pytest.mark.parametrize("name", NAMES)
def test_a_method_keeps_every_promise(name: str, model: Any) -> None:
    options = {"epochs": 1, "batch_size": 8, "views": 1, "alpha": 0.5}
    known = method_of(name).options.model_fields
    found = check_transfer(name, model=model, options={key: options[key] for key in options if key in known})
    assert len(found.kept) == 12 + method_of(name).scores_new_classes and not found.skipped


@pytest.mark.parametrize("name", NAMES)
def test_draws_together_are_draws_alone_and_no_feature_is_cached(name: str, model: Any) -> None:
    method, before = method_of(name), state_sha256(model.network)
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))

    def fit(*draws: int) -> list[Tensor]:
        engine = WithoutFeatures(model, EngineSettings(batch_size=5))
        found = method.fit_draws(engine, [support(draw) for draw in draws], PROMPTS, QUICK)
        for fitted in found:
            assert (fitted.step, fitted.last, fitted.chosen, fitted.tried, fitted.steps) == (None, None, {}, 1, 4)
            assert (fitted.for_classes is not None) == method.scores_new_classes
        return [fitted.classifier.logits(images) for fitted in found]

    for one, other in zip(fit(0, 1), [*fit(0), *fit(1)], strict=True):
        assert torch.equal(one, other)
    assert state_sha256(model.network) == before


@pytest.mark.parametrize("name", [name for name in NAMES if METHODS.get(name).scores_new_classes])
def test_new_classes_are_scored_with_what_was_learnt(name: str, model: Any) -> None:
    engine = WithoutFeatures(model, EngineSettings())
    (fitted,) = method_of(name).fit_draws(engine, [support(0)], PROMPTS, QUICK)
    assert fitted.for_classes is not None
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    more = fitted.for_classes(engine, replace(PROMPTS, class_names=("a", "b", "c", "tree"))).logits(images)
    torch.testing.assert_close(more[:, :3], fitted.classifier.logits(images), rtol=0, atol=1e-5)
    assert more.shape == (4, 4)


def test_validation_chooses_the_epoch_and_the_late_setting(model: Any) -> None:
    """By hand: each epoch on the validation images with alpha 0.5, then each alpha. The first of the best is taken."""
    method, options = method_of("wise-ft"), {**QUICK, "epochs": 3, "lr": 0.05, "views": 1}
    asked = support(0, val=True)
    engine = WithoutFeatures(model, EngineSettings(batch_size=4))
    (fitted,) = method.fit_draws(engine, [asked], PROMPTS, options)
    data, learnt = spied(method, engine, asked, options)
    assert asked.val is not None
    pixels = torch.stack([model.preprocess(picture(asked.val.dataset, index)) for index in asked.val.indices])
    labels = torch.tensor([DATA["val"].samples[index].target for index in asked.val.indices])

    def right(weights: Weights, alpha: float) -> int:
        head = method.head(weights, data, method.options(**options, alpha=alpha))
        return int((head.logits(pixels).argmax(1) == labels).sum())

    steps = {step: right(weights, 0.5) for step, weights in learnt.items()}
    step = max(steps, key=steps.__getitem__)
    alphas = {place / 10: right(learnt[step], place / 10) for place in range(11)}
    alpha = max(alphas, key=alphas.__getitem__)
    assert len(set(steps.values())) > 1 and len(set(alphas.values())) > 1, "the settings differ"
    assert (fitted.step or 6, fitted.chosen, fitted.tried) == (step, {"alpha": alpha}, 11)
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    best = method.head(learnt[step], data, method.options(**options, alpha=alpha))
    assert torch.equal(fitted.classifier.logits(images), best.logits(images))
    assert (fitted.last is None) == (step == 6)
    (fixed,) = method.fit_draws(engine, [asked], PROMPTS, {**options, "alpha": 0.3})
    assert (fixed.chosen, fixed.tried) == ({}, 1)


def picture(dataset: ImageDataset, index: int) -> Any:
    return PIL.Image.open(io.BytesIO(dataset.read(index))).convert("RGB")


def spied(
    method: ImagedMethod[Any], engine: FeatureEngine, asked: FewShot, options: Mapping[str, Any]
) -> tuple[ImagedData, dict[int, Weights]]:
    """The data of a draw, and the weights after each epoch."""
    kept: list[ImagedData] = []
    learnt: dict[int, Weights] = {}

    def start(data: ImagedData, settled: Any) -> Weights:
        kept.append(data)
        return method.start(data, settled)

    class Watched(ImagedMethod[Any]):
        def learn(self, data, pixels, labels, settled, watch=None):  # type: ignore[no-untyped-def]
            return super().learn(data, pixels, labels, settled, lambda step, now: learnt.update({step: now()}))

    fields = {name: getattr(method, name) for name in ("options", "loss", "head", "shares", "needs")}
    Watched(name="spy", version=1, start=start, **fields).fit_draws(engine, [asked], PROMPTS, options)
    return kept[0], learnt


def test_with_validation_a_mean_over_epochs_is_that_of_the_epochs_so_far(model: Any) -> None:
    method, options = method_of("promptsrc"), {**QUICK, "epochs": 3, "lr": 0.05}
    engine = WithoutFeatures(model, EngineSettings())
    _, means = spied(method, engine, support(0), options)
    _, each = spied(replace(method, shares=None), engine, support(0), options)
    assert method.shares is not None
    shares = method.shares(method.options(**options))
    for epoch, step in enumerate(sorted(means), start=1):
        wanted = sum(share * each[own]["visual"] for share, own in zip(shares, sorted(each)[:epoch], strict=False))
        torch.testing.assert_close(means[step]["visual"], wanted / sum(shares[:epoch]), rtol=0, atol=1e-6)
    assert not torch.equal(means[6]["visual"], each[6]["visual"])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("track", ["no-validation", "few-shot-validation"])
def test_the_record_says_what_it_cost(name: str, track: Track, model: Any) -> None:
    info = answer(model, TransferAsked(name, 2, 0, track, QUICK)).transfer
    assert info is not None and info.steps == 4
    late = info.tried if info.tried > 1 else 0
    heads = QUICK["epochs"] + late if track == "few-shot-validation" else 0
    with_frozen = 2 if name == "promptsrc" else 1
    measured = 3
    assert info.cost.image_passes == measured + 2 * 6 * with_frozen + heads * 6
    at_the_end = 1 if info.step is None else 2
    texts = 3 * (info.steps + heads + at_the_end) if TunableTowers in method_of(name).needs else 0
    assert info.cost.text_passes == 3 + texts, "one prompt a class, and the texts of each step and head"
    assert info.cost.parameters > 0 and info.options["views"] == 2


@pytest.mark.parametrize("epochs, compared", [(50, 50), (90, 45), (101, 41)])
def test_at_most_50_steps_are_compared_on_validation_images(epochs: int, compared: int, model: Any) -> None:
    """An epoch has 2 steps. Of 202 steps, the first end of an epoch after each 5th is compared, and the last."""
    options = {**QUICK, "epochs": epochs, "encoder": "text"}
    info = answer(model, TransferAsked("clip-lora", 2, 0, "few-shot-validation", options)).transfer
    assert info is not None and info.steps == 2 * epochs
    at_the_end = 1 if info.step is None else 2
    assert info.cost.text_passes == 3 + 3 * (info.steps + compared + at_the_end)


@pytest.mark.parametrize(
    "name, options", [("vpt", {"tokens": 0}), ("clip-lora", {"lr": 1e-12}), ("clip-lora", {"iterations": 1, "rank": 1})]
)
def test_what_learns_nothing_answers_as_zero_shot(name: str, options: dict[str, Any], model: Any) -> None:
    """After one step of CLIP-LoRA, the second matrices have moved, but hardly."""
    table = answer(model, TransferAsked(name, 2, 0, "no-validation", {**QUICK, **options})).predictions
    assert [top[0] for top in table["top"].to_pylist()] == table["zero_shot"].to_pylist()


def test_wise_ft_without_trained_weights_answers_as_zero_shot(model: Any) -> None:
    outcome = answer(model, TransferAsked("wise-ft", 2, 0, "no-validation", {**QUICK, "lr": 0.02, "alpha": 0.0}))
    table = outcome.predictions
    assert [top[0] for top in table["top"].to_pylist()] == table["zero_shot"].to_pylist()
    trained = answer(model, TransferAsked("wise-ft", 2, 0, "no-validation", {**QUICK, "lr": 0.02, "alpha": 1.0}))
    assert trained.predictions["top"].to_pylist() != table["top"].to_pylist()


@pytest.mark.parametrize("name, lr", [("full-ft", 1e-3), ("vpt", 0.1), ("clip-lora", 0.02)])
def test_training_makes_few_shots_better(name: str, lr: float, model: Any) -> None:
    """The classes differ in colour, which a random tower shows, and random texts do not name."""
    outcome = answer(model, TransferAsked(name, 4, 0, "no-validation", {"epochs": 20, "lr": lr, "views": 1}))
    assert outcome.transfer is not None
    start = outcome.transfer.zero_shot["acc1"]
    assert start is not None and start < 0.5 and outcome.metrics["acc1"].value > 0.8  # type: ignore[operator]


@pytest.mark.parametrize("name", NAMES)
def test_a_model_without_the_capability_is_refused(name: str) -> None:
    reason = lacks_needs(METHODS.get(name), toy())
    assert reason is not None and f"the transfer method {name} needs TunableImageTower" in reason
    with pytest.raises(TransferError, match="TunableImageTower"):
        method_of(name).fit(FeatureEngine(toy(), EngineSettings()), support(0), PROMPTS, QUICK)


@pytest.mark.parametrize("name", NAMES)
def test_a_resnet_is_refused_where_tokens_are_needed(name: str) -> None:
    resnet = load_model("demo-clip")
    reason = lacks_needs(METHODS.get(name), resnet)
    assert (reason is None) == (name not in OF_TRANSFORMERS)
    if reason is not None:
        assert "needs a vision transformer as image tower" in reason and "--transfer NAME" in reason
        with pytest.raises(TransferError, match="vision transformer"):
            method_of(name).fit(FeatureEngine(resnet, EngineSettings()), support(0), PROMPTS, QUICK)
    if name == "clip-lora":
        assert lacks_needs(METHODS.get(name), resnet, {"encoder": "text"}) is None


@pytest.mark.parametrize("name", ["vp", "full-ft"])
def test_a_resnet_learns(name: str) -> None:
    resnet: Any = load_model("demo-clip")
    before = state_sha256(resnet.network)
    (fitted,) = method_of(name).fit_draws(
        WithoutFeatures(resnet, EngineSettings()), [support(0)], PROMPTS, {**QUICK, "lr": 0.001}
    )
    assert fitted.classifier.logits(torch.randn(2, 3, 64, 64)).shape == (2, 3)
    assert state_sha256(resnet.network) == before


@pytest.mark.parametrize(
    "asked, prompts, options, error, said",
    [
        (FewShot(), PROMPTS, {}, UsageError, "no support set was given"),
        (support(0), replace(PROMPTS, class_names=("a",)), {}, UsageError, "at least two classes"),
        (support(0), PROMPTS, {"vectors": 9}, UsageError, "vectors is 9, and the first words 'a photo of a' are 4"),
        (support(0), PROMPTS, {"epoch": 9}, UsageError, "no option 'epoch'"),
        (support(0), PROMPTS, {"lr": -1.0}, UsageError, "greater than 0"),
    ],
)
def test_what_cannot_be_learnt_is_refused(
    model: Any, asked: FewShot, prompts: PromptSet, options: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        method_of("maple").fit(FeatureEngine(model, EngineSettings()), asked, prompts, {**QUICK, **options})


def test_a_loss_that_becomes_infinite_stops(model: Any) -> None:
    def loss(weights: Weights, data: ImagedData, options: Any, pixels: Tensor, labels: Tensor) -> Tensor:
        return weights["w"].sum() * math.inf

    method = ImagedMethod(
        name="bad",
        version=1,
        options=ImagedOptions,
        start=lambda data, options: {"w": torch.ones(2)},
        loss=loss,
        head=lambda weights, data, options: LinearClassifier(data.hand, 1.0),
    )
    with pytest.raises(TransferError, match="the losses of step 1 are NaN or infinite"):
        method.fit(FeatureEngine(model, EngineSettings()), support(0), PROMPTS, QUICK)


def test_a_warm_up_is_at_most_a_tenth_of_the_steps() -> None:
    recipe = Recipe("sgd", 1.0, 10, 4, schedule="cosine after warm-up")
    assert with_warm_up(recipe, 500, 16).warmup_steps == 4 and with_warm_up(recipe, 3, 16).warmup_steps == 3
