"""Methods that train through the image tower: :class:`ImagedMethod`, which every such method is one of.

Each draw is learnt alone, and images are encoded anew in each step, so that nothing of them is cached. This module
reads the images, chooses epoch and settings on validation images, and checks that nothing became NaN. The methods are
in ``methods/towers/``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, Generic, Protocol, TypeVar, cast

import torch
from pydantic import Field
from torch import Tensor

from vlmbench.data.base import Chosen
from vlmbench.errors import TransferError, UsageError
from vlmbench.features.engine import FeatureEngine
from vlmbench.features.precision import forward_pass
from vlmbench.models.base import Model, capability
from vlmbench.models.tunable import TunableImageTower, TunableTowers
from vlmbench.prompts import PromptSet
from vlmbench.transfer.base import (
    Classifier,
    FewShot,
    Fitted,
    LearnsFrom,
    MethodOptions,
    PlannedCost,
    Reads,
    TransferMethod,
    lacks_needs,
)
from vlmbench.transfer.class_texts import ClassTexts, class_texts, whole_texts
from vlmbench.transfer.encoded import labels_of
from vlmbench.transfer.features import Watch, check_finite, combinations, right_answers, text_features, unwatched
from vlmbench.transfer.image_tower import ImageTower
from vlmbench.transfer.options import settle_options
from vlmbench.transfer.pixels import ViewPixels
from vlmbench.transfer.prompted import towers_of
from vlmbench.transfer.training import Recipe, Weights, train
from vlmbench.wording import counted

MOST_COMPARED = 50
"""The most steps that are compared on validation images. With more epochs, some epochs are passed over."""


class ImagedOptions(MethodOptions):
    """The settings that all these methods have. Defaults: methods.csv, row "MaPLe".

    The public code crops and mirrors each image at random in each epoch. Here each epoch takes one of ``views`` views
    of each image at random: the whole image, or one of some crops that are drawn by the image's content, so that all
    draws and methods see the same. With one view it is always the whole image.
    """

    lr: float = Field(0.0035, gt=0, le=1000, description="learning rate")
    epochs: int = Field(5, ge=1, le=10_000, description="passes over the support images")
    batch_size: int = Field(4, ge=1, le=100_000, description="images in one step")
    weight_decay: float = Field(5e-4, ge=0, le=1, description="weight decay")
    views: int = Field(10, ge=1, le=1000, description="views of each image; each epoch takes one at random")
    area: float = Field(0.08, gt=0, le=1, description="the smallest crop of a view, as a share of the image")
    piece: int | None = Field(
        None, ge=1, description="images that go through the image tower at once; by default by a measurement of memory"
    )

    def recipe(self, images: int, shots: float) -> Recipe:
        """CoOp's: SGD, one epoch of warm-up at 1e-5, and a cosine by epoch.

        Args:
            images: N, the number of support images.
            shots: K as it was asked for.
        """
        return Recipe(
            "sgd", self.lr, self.epochs, self.batch_size, weight_decay=self.weight_decay, warmup=1, whole_batches=True
        )


class WordedOptions(ImagedOptions):
    """The settings of methods that change the texts too."""

    words: str = Field("a photo of a", min_length=1, description="first words of the prompts that the method learns")
    chunk: int | None = Field(
        None, ge=1, description="classes that go through the text tower at once; by default by an estimate of memory"
    )


OptionsT = TypeVar("OptionsT", bound=ImagedOptions)


class Pixels(Protocol):
    """The pixels of V views of N images: (B,) views and (B,) rows to (B, 3, H, W)."""

    @property
    def views(self) -> int:
        """V."""

    @property
    def images(self) -> int:
        """N."""

    def __call__(self, views: Tensor, rows: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class ImagedData:
    """What a method learns with, except for the images. All tensors are on the tower's device.

    Attributes:
        hand: (C, D): the zero-shot classifier of the task's own prompts.
        logit_scale: the model's own factor of cosines.
        seed: the draw, from which all random numbers come.
        size: the height and width of the tower's input.
        classes: the texts of the classes without their first words, if the method needs the text tower.
        words: (M, W): the embeddings of these words; (0, 0) without ``classes``.
        step: the step of the training, from 1, for random numbers of a loss; 0: nothing is trained.
        shots: K as it was asked for, on which recipes depend.
    """

    tower: ImageTower
    hand: Tensor
    logit_scale: float
    seed: int
    size: tuple[int, int]
    classes: ClassTexts | None = None
    words: Tensor = field(default_factory=lambda: torch.empty(0, 0))
    step: int = 0
    shots: int = 1

    @property
    def texts(self) -> ClassTexts:
        """The texts of the classes, of a method that needs the text tower."""
        assert self.classes is not None  # the method's ``needs`` name TunableTowers
        return self.classes

    def generator(self) -> torch.Generator:
        """A generator on the CPU for the weights at step 0. It is new in each call."""
        return torch.Generator().manual_seed(self.seed)


@dataclass(frozen=True)
class ImagedMethod(Generic[OptionsT]):
    """See :class:`~vlmbench.transfer.base.TransferMethod`.

    Attributes:
        options: the settings; each default cites its source.
        start: the weights at step 0, on the tower's device.
        loss: of one step: the weights, the data, the settings, (B, 3, H, W) pixels and (B,) labels, both on the tower's
            device, to one number.
        head: the classifier of trained weights. It is called again for each setting in ``late``, and for other classes.
        late: settings that ``head`` alone uses, to choose among on validation images, after the step.
        shares: the share of each epoch's weights in the weights that are learnt; None: those of the last step.
        changes_tokens: whether the method learns visual prompts or attention with these settings, so that the image
            tower must be a transformer.
        scores_new_classes: ``head`` can score other classes, given their texts.
    """

    name: str
    version: int
    options: type[OptionsT]
    start: Callable[[ImagedData, OptionsT], Weights]
    loss: Callable[[Weights, ImagedData, OptionsT, Tensor, Tensor], Tensor]
    head: Callable[[Weights, ImagedData, OptionsT], Classifier]
    late: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    shares: Callable[[OptionsT], Sequence[float]] | None = None
    changes_tokens: Callable[[OptionsT], bool] = lambda options: False
    scores_new_classes: bool = True
    needs: frozenset[type] = frozenset({TunableImageTower})
    reads: Reads = "pixels"
    learns_from: LearnsFrom = "labels"
    at_once: bool = False

    def planned(self, images: int, test: int, classes: int, shots: int, options: Mapping[str, Any]) -> PlannedCost:
        """See :class:`~vlmbench.transfer.base.PlansCost`. Test images go through the changed tower, too."""
        settled = settle_options(self.name, self.options, options)
        steps = settled.recipe(images, shots).steps(images)
        texts = classes * (steps + 1) if TunableTowers in self.needs else 0
        return PlannedCost(steps, steps * min(settled.batch_size, images) + test, texts)

    def lacks(self, model: Model, options: Mapping[str, Any]) -> str | None:
        """See :class:`~vlmbench.transfer.base.ChecksModel`."""
        tower = capability(model, TunableImageTower)
        if tower is None or tower.image_layers:
            return None
        if not self.changes_tokens(settle_options(self.name, self.options, options)):
            return None
        return "a vision transformer as image tower, and that of this model has no blocks of attention"

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
            UsageError: an unknown option, or a value out of its range.
            BadSampleError, DataError: a support or validation image cannot be read.
            TransferError: something became NaN or infinite, or the model cannot do what the method needs.
        """
        settled = settle_options(self.name, self.options, options)
        method = cast(TransferMethod, self)  # a protocol's attributes can be set, and those of this class cannot
        if reason := lacks_needs(method, engine.model, options):
            raise TransferError(f"{engine.model.card.name}: {reason}")
        with forward_pass(engine.device, "fp32", gradients=True):
            return [self._fit(engine, support, prompts, settled) for support in supports]

    def learn(
        self, data: ImagedData, pixels: Pixels, labels: Tensor, options: OptionsT, watch: Watch = unwatched
    ) -> Weights:
        """Train on one draw, and return the weights of the last step, or the mean that ``shares`` asks for.

        Args:
            labels: (N,) int64.
        """
        generator = data.generator()
        labels = labels.to(data.tower.device)
        steps = count(1)

        def loss(weights: Weights, batch: Tensor) -> Tensor:
            rows, now = batch[0], replace(data, step=next(steps))
            seen = torch.randint(pixels.views, rows.shape, generator=generator)
            images = data.tower.moved(pixels(seen, rows))
            return self.loss(weights, now, options, images, labels[rows.to(labels.device)])[None]

        recipe = options.recipe(pixels.images, data.shots)
        mean = None if self.shares is None else _Mean(self.shares(options))

        def each_epoch(step: int, learnt: Callable[[], Weights]) -> None:
            if mean is not None:
                mean.add(learnt())
            watch(step, learnt if mean is None else mean.weights)

        last = train(self.start(data, options), loss, recipe, images=pixels.images, seeds=[data.seed], watch=each_epoch)
        return last if mean is None else mean.weights()

    def _fit(self, engine: FeatureEngine, support: FewShot, prompts: PromptSet, options: OptionsT) -> Fitted:
        if support.train is None:
            raise UsageError("this transfer method learns from images, and no support set was given")
        pixels = ViewPixels(engine, support.train, options.views, smallest_area=options.area)
        data = self._data(engine, support, prompts, options, pixels)
        validation = None if support.val is None else _Validation.of(engine, support.val)
        best: _Best | None = None
        steps = options.recipe(pixels.images, data.shots).steps(pixels.images)
        part, compared = math.ceil(steps / MOST_COMPARED), 0

        def watch(step: int, learnt: Callable[[], Weights]) -> None:
            nonlocal best, compared
            if validation is None or (step // part == compared and step < steps):
                return
            compared = step // part
            weights = learnt()
            right = validation.right(self.head(weights, data, options))
            if best is None or right > best.right:
                best = _Best(right, step, weights)

        weights = self.learn(data, pixels, labels_of(support.train), options, watch)
        kept = best or _Best(0, steps, weights)
        settings: Sequence[Mapping[str, Any]] = combinations(self.late, options) if validation else [{}]
        chosen = settings[0]
        if validation is not None and len(settings) > 1:
            finals = [options.model_copy(update=each) for each in settings]
            rights = [validation.right(self.head(kept.weights, data, final)) for final in finals]
            chosen = settings[rights.index(max(rights))]
        final = options.model_copy(update=chosen)
        moved, other = kept.step != steps, self.scores_new_classes
        return Fitted(
            classifier=self.head(kept.weights, data, final),
            for_classes=self._for_classes(kept.weights, data, final) if other else None,
            chosen=chosen,
            tried=len(settings),
            last=self.head(weights, data, final) if moved else None,
            last_for_classes=self._for_classes(weights, data, final) if other and moved else None,
            step=kept.step if moved else None,
            steps=steps,
            parameters=sum(value.numel() for value in weights.values()),
            image_passes=data.tower.passes,
            text_passes=0 if data.classes is None else data.classes.passes,
        )

    def _data(
        self, engine: FeatureEngine, support: FewShot, prompts: PromptSet, options: OptionsT, pixels: ViewPixels
    ) -> ImagedData:
        if len(prompts.class_names) < 2:
            raise UsageError("a transfer method needs at least two classes")
        offered = capability(engine.model, TunableImageTower)
        assert offered is not None  # checked by ``lacks_needs``
        tower = ImageTower(offered, engine.device, options.piece)
        first = torch.zeros(1, dtype=torch.int64)
        height, width = pixels(first, first).shape[-2:]
        nothing = torch.empty(0)
        scale, shots = engine.encoders.logit_scale, support.shots
        data = ImagedData(tower, nothing, scale, support.seed, (height, width), shots=shots)
        return self._of_classes(data, engine, prompts, options)

    def _of_classes(self, data: ImagedData, engine: FeatureEngine, prompts: PromptSet, options: OptionsT) -> ImagedData:
        """The data with the texts of other classes."""
        hand = data.tower.moved(text_features(engine, prompts)[0])
        check_finite(hand, "the features of the prompts")
        if not isinstance(options, WordedOptions):
            return replace(data, hand=hand)
        towers = towers_of(engine)
        if options.words:
            texts, words = class_texts(towers, prompts.class_names, options.words, chunk=options.chunk)
        else:
            texts, words = whole_texts(towers, prompts.prompts, chunk=options.chunk)
        return replace(data, hand=hand, classes=texts, words=data.tower.moved(words))

    def _for_classes(
        self, weights: Weights, data: ImagedData, options: OptionsT
    ) -> Callable[[FeatureEngine, PromptSet], Classifier]:
        def make(engine: FeatureEngine, prompts: PromptSet) -> Classifier:
            return self.head(weights, self._of_classes(data, engine, prompts, options), options)

        return make


def first_words(data: ImagedData, vectors: int, words: str) -> Tensor:
    """(vectors, W): the embeddings of the first words, from which a context starts.

    Raises:
        UsageError: there are fewer words.
    """
    if vectors > len(data.words):
        raise UsageError(
            f"vectors is {vectors}, and the first words {words!r} are {counted(len(data.words), 'token')}",
            hint="Set fewer vectors, or more words, with --option.",
        )
    return data.words[:vectors].clone()


def drawn(generator: torch.Generator, tower: ImageTower, *shape: int) -> Tensor:
    """Random numbers with a standard deviation of 0.02, as prompts begin in the public code of MaPLe and PromptSRC."""
    return tower.moved(0.02 * torch.randn(*shape, generator=generator))


BOTH_TOWERS: frozenset[type] = frozenset({TunableImageTower, TunableTowers})
"""What a method with :class:`WordedOptions` needs."""


@dataclass(frozen=True)
class _Best:
    """The best weights of one draw so far."""

    right: int
    step: int
    weights: Weights


@dataclass(frozen=True)
class _Validation:
    """Validation images with their labels."""

    pixels: ViewPixels
    labels: Tensor
    at_once: int

    @classmethod
    def of(cls, engine: FeatureEngine, chosen: Chosen) -> _Validation:
        pixels = ViewPixels(engine, chosen, 1, role="validation")
        return cls(pixels, labels_of(chosen), engine.settings.batch_size)

    def right(self, head: Classifier) -> int:
        """How many images a classifier gets right."""
        found = 0
        for rows in torch.split(torch.arange(self.pixels.images), self.at_once):
            found += right_answers(head, self.pixels(torch.zeros_like(rows), rows), self.labels[rows])
        return found


class _Mean:
    """The weighted mean of the weights of all epochs so far."""

    def __init__(self, shares: Sequence[float]) -> None:
        self._shares = list(shares)
        self._mean: Weights = {}
        self._taken = 0.0

    def add(self, weights: Weights) -> None:
        """Add the weights of the next epoch."""
        share = self._shares.pop(0)
        self._taken += share
        old, part = self._mean or weights, share / self._taken if self._taken else 1.0
        self._mean = {name: old[name] + part * (value - old[name]) for name, value in weights.items()}

    def weights(self) -> Weights:
        """The mean of the epochs that were added; as long as none of them has a share, the last one."""
        return self._mean
