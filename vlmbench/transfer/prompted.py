"""Methods that learn the first words of the prompts: :class:`PromptedMethod`, which every such method is one of.

Their gradients go through the text tower; the images' features are cached. Each draw is learnt alone. This module
encodes images, chooses the epoch on validation images, and checks that nothing became NaN. The methods are in
``methods/prompts/``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import torch
from pydantic import Field
from torch import Tensor

from vlmbench.data.base import Chosen
from vlmbench.errors import TransferError, UsageError
from vlmbench.features.engine import FeatureEngine
from vlmbench.models.base import capability
from vlmbench.models.tunable import TunableTowers
from vlmbench.prompts import PromptSet
from vlmbench.transfer.base import (
    Classifier,
    FewShot,
    Fitted,
    LearnsFrom,
    LinearClassifier,
    MethodOptions,
    PlannedCost,
    Reads,
)
from vlmbench.transfer.class_texts import ClassTexts, class_texts
from vlmbench.transfer.encoded import labels_of
from vlmbench.transfer.features import Watch, check_finite, own_views, right_answers, text_features, unwatched
from vlmbench.transfer.methods.features.clip_adapter import coop_epochs
from vlmbench.transfer.options import settle_options
from vlmbench.transfer.training import Recipe, Weights, train


class PromptOptions(MethodOptions):
    """The settings that all these methods have. Defaults: methods.csv, row "CoOp", with the start from words.

    CoOp crops each image at random in each epoch (8 to 100 % of its area). Features of images are cached here, so that
    each epoch takes one of ``views`` cached views of each image at random; with one view it is the whole image.
    """

    words: str = Field("a photo of a", description="words that the context begins as; empty: random numbers")
    vectors: int = Field(16, ge=1, le=64, description="context vectors of a random start; words have one a token")
    lr: float = Field(0.002, gt=0, le=100, description="learning rate of SGD")
    epochs: int | None = Field(None, ge=1, le=10_000, description="passes; by default 50, 100 or 200, as CoOp")
    batch_size: int = Field(32, ge=1, le=100_000, description="images in one step")
    weight_decay: float = Field(5e-4, ge=0, le=1, description="weight decay of SGD")
    views: int = Field(1, ge=1, le=100, description="cached views of each image; each epoch takes one at random")
    chunk: int | None = Field(
        None, ge=1, description="classes that go through the text tower at once; by default by an estimate of memory"
    )

    def recipe(self, shots: float) -> Recipe:
        """CoOp's: SGD, one epoch of warm-up at 1e-5, and a cosine by epoch."""
        epochs = self.epochs or coop_epochs(shots)
        return Recipe(
            "sgd", self.lr, epochs, self.batch_size, weight_decay=self.weight_decay, warmup=1, whole_batches=True
        )


OptionsT = TypeVar("OptionsT", bound=PromptOptions)


@dataclass(frozen=True)
class PromptData:
    """What a method learns from: N images of one draw, C classes.

    Attributes:
        images: (V, N, D), unit length: V views of each image. Methods that read patches have (V, N, 1 + P, D).
        labels: (N,) int64, from 0 to C - 1.
        classes: the texts of the classes, without their context.
        words: (M, W): the embeddings of the first words.
        hand: (C, D): the zero-shot classifier of the task's own prompts.
        logit_scale: the model's own factor of cosines.
        seed: the draw, from which all random numbers come.
        shots: K as it was asked for, on which recipes depend.
    """

    images: Tensor
    labels: Tensor
    classes: ClassTexts
    words: Tensor
    hand: Tensor
    logit_scale: float
    seed: int
    shots: int = 1


def first_context(data: PromptData, options: PromptOptions) -> Tensor:
    """(M, W): the embeddings of the first words, or random numbers with a standard deviation of 0.02."""
    if options.words:
        return data.words.clone()
    generator = torch.Generator().manual_seed(data.seed)
    return 0.02 * torch.randn(options.vectors, data.classes.width, generator=generator).to(data.words.dtype)


def shared_start(data: PromptData, options: PromptOptions) -> Weights:
    """One context for all classes: "context", (M, W)."""
    return {"context": first_context(data, options)}


def shared_logits(weights: Weights, data: PromptData, images: Tensor) -> Tensor:
    """(B, C): scaled cosines of (B, D) images with the texts of the learnt context."""
    return data.logit_scale * images @ data.classes.features(weights["context"]).T


def shared_head(weights: Weights, data: PromptData, options: PromptOptions) -> Classifier:
    """The texts of the learnt context as class weights."""
    with torch.no_grad():
        texts = data.classes.features(weights["context"])
    check_finite(texts, "the features of the learnt prompts")
    return LinearClassifier(texts, data.logit_scale)


@dataclass(frozen=True)
class PromptedMethod(Generic[OptionsT]):
    """See :class:`~vlmbench.transfer.base.TransferMethod`.

    Attributes:
        options: the settings; each default cites its source.
        loss: of one step: the weights, the data, the settings, (B, D) images and (B,) labels to one number.
        start: the weights at step 0.
        head: the classifier of trained weights. It is called again for other classes, without images.
        prepared: the data that is learnt from, made from that of the draw, as pseudo-labels are; None: the draw's own.
        new_classes: whether the settings allow other classes.
        read: encodes support and validation images: the engine, the images, the settings and V, to (V, N, …).
        settled: values of settings that the method takes from the model.
        texts_of_each: each test image has texts of its own, which go through the text tower.
    """

    name: str
    version: int
    options: type[OptionsT]
    loss: Callable[[Weights, PromptData, OptionsT, Tensor, Tensor], Tensor]
    start: Callable[[PromptData, OptionsT], Weights] = shared_start
    head: Callable[[Weights, PromptData, OptionsT], Classifier] = shared_head
    prepared: Callable[[PromptData, OptionsT], PromptData] | None = None
    new_classes: Callable[[OptionsT], bool] = lambda options: True
    scores_new_classes: bool = True
    needs: frozenset[type] = frozenset({TunableTowers})
    reads: Reads = "features"
    learns_from: LearnsFrom = "labels"
    at_once: bool = False
    read: Callable[[FeatureEngine, Chosen, OptionsT, int], Tensor] = own_views
    settled: Callable[[FeatureEngine, OptionsT], Mapping[str, Any]] | None = None
    texts_of_each: bool = False

    def planned(self, images: int, test: int, classes: int, shots: int, options: Mapping[str, Any]) -> PlannedCost:
        """See :class:`~vlmbench.transfer.base.PlansCost`. Each step takes the texts of all classes."""
        settled = settle_options(self.name, self.options, options)
        recipe = settled.recipe(shots)
        steps = recipe.steps(images)
        each = min(settled.batch_size, images) if self.texts_of_each else 1
        return PlannedCost(steps, texts=classes * (steps * each + (test if self.texts_of_each else 1)))

    def fit(
        self, engine: FeatureEngine, support: FewShot, prompts: PromptSet, options: Mapping[str, Any]
    ) -> Classifier:
        """See :class:`~vlmbench.transfer.base.TransferMethod`."""
        return self.fit_draws(engine, [support], prompts, options)[0].classifier

    def fit_draws(
        self, engine: FeatureEngine, supports: Sequence[FewShot], prompts: PromptSet, options: Mapping[str, Any]
    ) -> list[Fitted]:
        """See :class:`~vlmbench.transfer.base.FitsDraws`. One draw is learnt after the other.

        Raises:
            UsageError: an unknown option, a value out of its range, or a context that does not fit into a text.
            TransferError: something became NaN or infinite, or the model's tokens leave no place for a context.
        """
        settled = settle_options(self.name, self.options, options)
        return [self._fit(engine, support, prompts, settled) for support in supports]

    def learn(self, data: PromptData, options: OptionsT, watch: Watch = unwatched) -> Weights:
        """Train on one draw, and return the weights of the last step."""
        views, images = data.images.shape[:2]
        generator = torch.Generator().manual_seed(data.seed)

        def loss(weights: Weights, batch: Tensor) -> Tensor:
            rows = batch[0]
            seen = torch.randint(views, rows.shape, generator=generator) if views > 1 else torch.zeros_like(rows)
            return self.loss(_of_draw(weights), data, options, data.images[seen, rows], data.labels[rows])[None]

        start = {name: value[None] for name, value in self.start(data, options).items()}
        recipe = options.recipe(data.shots)
        learnt = train(
            start,
            loss,
            recipe,
            images=images,
            seeds=[data.seed],
            watch=lambda step, now: watch(step, lambda: _of_draw(now())),
        )
        return _of_draw(learnt)

    def _fit(self, engine: FeatureEngine, support: FewShot, prompts: PromptSet, options: OptionsT) -> Fitted:
        data = prompt_data(
            engine, support, prompts, options, lambda chosen: self.read(engine, chosen, options, options.views)
        )
        learnt_from = data if self.prepared is None else self.prepared(data, options)
        val = support.val
        validation = None if val is None else (self.read(engine, val, options, 1)[0], labels_of(val))
        best: tuple[int, int, Weights] | None = None  # right answers, step, weights

        def watch(step: int, learnt: Callable[[], Weights]) -> None:
            nonlocal best
            if validation is None:
                return
            weights = learnt()
            right = right_answers(self.head(weights, data, options), *validation)
            if best is None or right > best[0]:
                best = right, step, weights

        weights = self.learn(learnt_from, options, watch)
        steps = options.recipe(learnt_from.shots).steps(learnt_from.images.shape[1])
        last = self.head(weights, data, options)
        moved = best is not None and best[1] != steps
        kept = weights if best is None else best[2]
        return Fitted(
            classifier=self.head(kept, data, options) if moved else last,
            for_classes=self._for_classes(kept, data, options) if self.new_classes(options) else None,
            last=last if moved else None,
            last_for_classes=self._for_classes(weights, data, options) if moved and self.new_classes(options) else None,
            step=best[1] if best is not None and moved else None,
            steps=steps,
            parameters=sum(value.numel() for value in weights.values()),
            text_passes=data.classes.passes,
            test_text_passes=len(data.classes) if self.texts_of_each else 0,
            settled={} if self.settled is None else self.settled(engine, options),
        )

    def _for_classes(
        self, weights: Weights, data: PromptData, options: OptionsT
    ) -> Callable[[FeatureEngine, PromptSet], Classifier]:
        without = replace(data, images=data.images[:, :0].clone(), labels=data.labels[:0].clone())

        def make(engine: FeatureEngine, prompts: PromptSet) -> Classifier:
            texts, words = class_texts(towers_of(engine), prompts.class_names, options.words, chunk=options.chunk)
            hand, _ = text_features(engine, prompts)
            return self.head(weights, replace(without, classes=texts, words=words, hand=hand), options)

        return make


def _of_draw(weights: Weights) -> Weights:
    """Weights without the axis of draws, which :func:`~vlmbench.transfer.training.train` has."""
    return {name: value[0] for name, value in weights.items()}


def towers_of(engine: FeatureEngine) -> TunableTowers:
    """The model's :class:`~vlmbench.models.tunable.TunableTowers`.

    Raises:
        TransferError: it has none.
    """
    towers = capability(engine.model, TunableTowers)
    if towers is None:
        raise TransferError(f"{engine.model.card.name} does not offer TunableTowers, through which prompts are learnt")
    return towers


def prompt_data(
    engine: FeatureEngine,
    support: FewShot,
    prompts: PromptSet,
    options: PromptOptions,
    read: Callable[[Chosen], Tensor],
) -> PromptData:
    """Encode the support images and the task's own prompts, and make the texts that get a context.

    Args:
        read: encodes images to (V, N, …).

    Raises:
        UsageError: there is no support set, or fewer than two classes.
        TransferError: a feature is NaN or infinite; or see :func:`~vlmbench.transfer.class_texts.class_texts`.
    """
    if support.train is None:
        raise UsageError("this transfer method learns from images, and no support set was given")
    if len(prompts.class_names) < 2:
        raise UsageError("a transfer method needs at least two classes")
    hand, _ = text_features(engine, prompts)
    texts, words = class_texts(towers_of(engine), prompts.class_names, options.words, chunk=options.chunk)
    images = read(support.train)
    check_finite(images, "the features of the support set")
    check_finite(hand, "the features of the prompts")
    scale = engine.encoders.logit_scale
    return PromptData(images, labels_of(support.train), texts, words, hand, scale, support.seed, support.shots)
