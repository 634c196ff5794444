"""Methods that learn from features: :class:`FeatureMethod`, which every such method is one of.

A method is two functions on tensors: ``learn`` learns from all draws at once, and ``heads`` makes a classifier of each.
This module encodes images and texts, chooses settings on validation images, and checks that nothing became NaN. The
methods are in ``methods/features/``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from vlmbench.data.base import Chosen
from vlmbench.errors import TransferError, UsageError
from vlmbench.features.engine import FeatureEngine
from vlmbench.prompts import PromptSet
from vlmbench.transfer.base import Classifier, FewShot, Fitted, LearnsFrom, MethodOptions, Reads
from vlmbench.transfer.encoded import encoded, labels_of
from vlmbench.transfer.methods.zero_shot import ensemble
from vlmbench.transfer.options import settle_options

S = TypeVar("S")
OptionsT = TypeVar("OptionsT", bound=MethodOptions)


@dataclass(frozen=True)
class FeatureData:
    """What a method learns from: R draws of N images, C classes with T prompts each, features of length D.

    Attributes:
        images: (R, V, N, D) float32, unit length: V views of each image.
        labels: (R, N) int64, from 0 to C - 1.
        texts: (C, D), unit length: the zero-shot classifier, see :func:`~.methods.zero_shot.ensemble`.
        prompts: (C, T, D), unit length.
        logit_scale: the model's own factor of cosines.
        seeds: the R draws, from which all random numbers come.
        shots: K as it was asked for, on which recipes depend.
    """

    images: Tensor
    labels: Tensor
    texts: Tensor
    prompts: Tensor
    logit_scale: float
    seeds: tuple[int, ...]
    shots: int = 1

    @property
    def draws(self) -> int:
        """R."""
        return self.images.shape[0]

    @property
    def classes(self) -> int:
        """C."""
        return self.texts.shape[0]

    @property
    def flat(self) -> Tensor:
        """(R, V * N, D): each view as an image of its own, the first view of all images first."""
        return self.images.flatten(1, 2)

    @property
    def flat_labels(self) -> Tensor:
        """(R, V * N): the labels of :attr:`flat`."""
        return self.labels.repeat(1, self.images.shape[1])

    @property
    def one_hot(self) -> Tensor:
        """(R, N, C) float: 1 where an image is of the class."""
        return torch.nn.functional.one_hot(self.labels, self.classes).to(self.images.dtype)

    def of(self, draw: int) -> FeatureData:
        """One draw alone."""
        rows = slice(draw, draw + 1)
        return replace(self, images=self.images[rows], labels=self.labels[rows], seeds=self.seeds[rows])


Watch = Callable[[int, Callable[[], Any]], None]
"""Called by an iterative method after each step that could be the last: the step's number, from 1, and a function that
gives a copy of what is learnt so far."""


def unwatched(step: int, learnt: Callable[[], Any]) -> None:
    """A :data:`Watch` that keeps nothing."""


def own_views(engine: FeatureEngine, chosen: Chosen, options: MethodOptions, views: int) -> Tensor:
    """(V, N, D): V views of each of N images."""
    return encoded(engine, chosen, views=views).views


@dataclass(frozen=True)
class FeatureMethod(Generic[OptionsT, S]):
    """See :class:`~vlmbench.transfer.base.TransferMethod`.

    Attributes:
        options: the settings; each default cites its source.
        learn: learns from all draws; must give for each draw what it gives for that draw alone.
        heads: the R classifiers. It is called again for each setting in ``late``, and for other classes.
        early: settings to choose among on validation images, by name; ``learn`` runs for each combination.
        late: settings that ``heads`` alone uses. They are chosen after the step of an iterative method.
        parameters: how many numbers ``learn`` trains for each draw; None: none.
        steps: how many steps ``learn`` takes; None: it takes none, and never calls its ``watch``.
        last_of_equals: of steps with equally many right answers the last is chosen; by default the first.
        read: encodes support and validation images: the engine, the images, the settings and V, to (V, N, …).
        beside: the names of other models that ``read`` uses.
        settled: values of settings that the method takes from the data of one draw.
        scores_new_classes: ``heads`` can score other classes, given their texts. It then gets no images, since those
            that were learnt from show other classes.
    """

    name: str
    version: int
    options: type[OptionsT]
    learn: Callable[[FeatureData, OptionsT, Watch], S]
    heads: Callable[[S, FeatureData, OptionsT], Sequence[Classifier]]
    early: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    late: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    parameters: Callable[[FeatureData, OptionsT], int] | None = None
    steps: Callable[[FeatureData, OptionsT], int] | None = None
    last_of_equals: bool = False
    scores_new_classes: bool = False
    needs: frozenset[type] = frozenset()
    reads: Reads = "features"
    learns_from: LearnsFrom = "labels"
    at_once: bool = True
    read: Callable[[FeatureEngine, Chosen, OptionsT, int], Tensor] = own_views
    beside: Callable[[OptionsT], tuple[str, ...]] | None = None
    settled: Callable[[FeatureData, OptionsT], Mapping[str, Any]] | None = None

    def other_models(self, options: Mapping[str, Any]) -> tuple[str, ...]:
        """See :class:`~vlmbench.transfer.base.UsesOtherModels`."""
        return self.beside(settle_options(self.name, self.options, options)) if self.beside else ()

    def fit(
        self, engine: FeatureEngine, support: FewShot, prompts: PromptSet, options: Mapping[str, Any]
    ) -> Classifier:
        """See :class:`~vlmbench.transfer.base.TransferMethod`."""
        return self.fit_draws(engine, [support], prompts, options)[0].classifier

    def fit_draws(
        self, engine: FeatureEngine, supports: Sequence[FewShot], prompts: PromptSet, options: Mapping[str, Any]
    ) -> list[Fitted]:
        """See :class:`~vlmbench.transfer.base.FitsDraws`.

        Raises:
            UsageError: an unknown option, or a value out of its range.
            TransferError: something became NaN or infinite.
        """
        settled = settle_options(self.name, self.options, options)
        found: list[Fitted | None] = [None] * len(supports)
        for places in _of_one_size(supports):  # draws of other sizes cannot share a tensor
            fitted = self._fit([supports[place] for place in places], engine, prompts, settled)
            for place, own in zip(places, fitted, strict=True):
                found[place] = own
        return [fitted for fitted in found if fitted is not None]

    def _fit(
        self, supports: Sequence[FewShot], engine: FeatureEngine, prompts: PromptSet, settled: OptionsT
    ) -> list[Fitted]:
        """Learn from draws of one size at the same time."""
        views = getattr(settled, "views", 1)
        data = feature_data(engine, supports, prompts, lambda chosen: self.read(engine, chosen, settled, views))
        best = [_Best() for _ in supports]
        validation = [
            None if support.val is None else (self.read(engine, support.val, settled, 1)[0], labels_of(support.val))
            for support in supports
        ]
        watched = any(images is not None for images in validation)
        early, late = (self.early, self.late) if watched else ({}, {})
        for chosen in combinations(early, settled):
            asked = settled.model_copy(update=chosen)

            def watch(
                step: int, learnt: Callable[[], S], asked: OptionsT = asked, chosen: Mapping[str, Any] = chosen
            ) -> None:
                if watched:
                    self._compare(best, learnt(), data, asked, chosen, validation, step)

            learnt = self.learn(data, asked, watch)
            if not watched or self.steps is None:
                self._compare(best, learnt, data, asked, chosen, validation, None)
            for own in best:
                if own.chosen is chosen:
                    own.ended = learnt
        if late:
            self._search(best, data, late, validation)
        tried = len(combinations(early, settled)) * len(combinations(late, settled))
        return [self._fitted(own, data, draw, tried) for draw, own in enumerate(best)]

    def _compare(
        self,
        best: Sequence[_Best],
        learnt: S,
        data: FeatureData,
        asked: OptionsT,
        chosen: Mapping[str, Any],
        validation: Sequence[tuple[Tensor, Tensor] | None],
        step: int | None,
    ) -> None:
        """Keep, for each draw, the settings and step with the most right answers to its validation images."""
        heads = self.heads(learnt, data, asked)
        for own, head, images in zip(best, heads, validation, strict=True):
            right = -1 if images is None else right_answers(head, *images)
            if own.classifier is None or right > own.right or (right == own.right and self.last_of_equals):
                own.keep(right, head, learnt, asked, chosen, step)

    def _search(
        self,
        best: Sequence[_Best],
        data: FeatureData,
        late: Mapping[str, Sequence[Any]],
        validation: Sequence[tuple[Tensor, Tensor] | None],
    ) -> None:
        """Choose the late settings of each draw, with what it learnt by the step that was chosen."""
        alike: dict[tuple[int, int], list[int]] = {}  # draws that were kept at once share what was learnt
        for draw, own in enumerate(best):
            alike.setdefault((id(own.learnt), id(own.options)), []).append(draw)
            own.right = -1
        for draws in alike.values():
            learnt, asked, chosen = best[draws[0]].learnt, best[draws[0]].options, best[draws[0]].chosen
            for settings in combinations(late, asked):
                final = asked.model_copy(update=settings)
                heads = self.heads(learnt, data, final)
                for draw in draws:
                    images = validation[draw]
                    right = -1 if images is None else right_answers(heads[draw], *images)
                    if right > best[draw].right:
                        best[draw].keep(right, heads[draw], learnt, final, {**chosen, **settings}, best[draw].step)

    def _fitted(self, best: _Best, data: FeatureData, draw: int, tried: int) -> Fitted:
        assert best.classifier is not None and best.options is not None
        steps = self.steps(data, best.options) if self.steps else 0
        moved = best.step is not None and best.step != steps
        other = self.scores_new_classes
        return Fitted(
            classifier=best.classifier,
            for_classes=self._for_classes(best.learnt, best.options, draw, data) if other else None,
            chosen=best.chosen,
            tried=tried,
            last=self.heads(best.ended, data, best.options)[draw] if moved else None,
            last_for_classes=self._for_classes(best.ended, best.options, draw, data) if other and moved else None,
            step=best.step if moved else None,
            steps=steps,
            parameters=self.parameters(data, best.options) if self.parameters else 0,
            settled=self.settled(data.of(draw), best.options) if self.settled else {},
        )

    def _for_classes(
        self, learnt: S, options: OptionsT, draw: int, data: FeatureData
    ) -> Callable[[FeatureEngine, PromptSet], Classifier]:
        without = replace(data, images=data.images[:, :, :0].clone(), labels=data.labels[:, :0].clone())

        def make(engine: FeatureEngine, prompts: PromptSet) -> Classifier:
            texts, each = text_features(engine, prompts)
            return self.heads(learnt, replace(without, texts=texts, prompts=each), options)[draw]

        return make


@dataclass
class _Best:
    """The best setting of one draw so far, and what was learnt with it by the last step (``ended``)."""

    right: int = -1
    classifier: Classifier | None = None
    learnt: Any = None
    ended: Any = None
    options: Any = None
    chosen: Mapping[str, Any] = field(default_factory=dict)
    step: int | None = None

    def keep(
        self,
        right: int,
        classifier: Classifier,
        learnt: Any,
        options: MethodOptions,
        chosen: Mapping[str, Any],
        step: int | None,
    ) -> None:
        """Replace what was the best."""
        self.right, self.classifier, self.learnt = right, classifier, learnt
        self.options, self.chosen, self.step = options, chosen, step


def _of_one_size(supports: Sequence[FewShot]) -> list[list[int]]:
    """The places of draws with equally many support images. A draw has fewer if images of it are test images too."""
    found: dict[int, list[int]] = {}
    for place, support in enumerate(supports):
        found.setdefault(0 if support.train is None else len(support.train.indices), []).append(place)
    return list(found.values())


def combinations(settings: Mapping[str, Sequence[Any]], asked: MethodOptions) -> list[dict[str, Any]]:
    """Every combination of settings. A setting that the user gave is not searched."""
    searched = {name: values for name, values in settings.items() if name not in asked.model_fields_set}
    return [dict(zip(searched, values, strict=True)) for values in product(*searched.values())]


def right_answers(classifier: Classifier, images: Tensor, labels: Tensor) -> int:
    """How many validation images get their own class.

    Args:
        images: as the classifier takes them.
        labels: (N,) int64.

    Raises:
        TransferError: a logit is NaN or infinite.
    """
    found = classifier.logits(images)
    check_finite(found, "the logits of validation images")
    return int((found.argmax(1) == labels).sum())


def text_features(engine: FeatureEngine, prompts: PromptSet) -> tuple[Tensor, Tensor]:
    """The texts (C, D) and the prompts (C, T, D) of :class:`FeatureData`."""
    count = len(prompts.class_names)
    features = engine.texts(prompts.prompts, called="prompt")
    texts = ensemble(features, count)
    engine.tell_of_same_classes(texts, prompts.class_names)
    return texts, features.reshape(count, -1, features.shape[-1])


def feature_data(
    engine: FeatureEngine,
    supports: Sequence[FewShot],
    prompts: PromptSet,
    read: Callable[[Chosen], Tensor] | None = None,
) -> FeatureData:
    """Encode the support images and the prompts.

    Args:
        read: encodes images to (V, N, …). View 0 is the image as the model's transform gives it; the others are random
            crops, drawn by content. None: (1, N, D), the images alone.

    Raises:
        UsageError: there is no support set, or fewer than two classes.
        TransferError: a feature is NaN or infinite.
    """
    if any(support.train is None for support in supports):
        raise UsageError("this transfer method learns from images, and no support set was given")
    if len(prompts.class_names) < 2:
        raise UsageError("a transfer method needs at least two classes")
    texts, each = text_features(engine, prompts)
    images, labels = [], []
    for support in supports:
        assert support.train is not None
        images.append(encoded(engine, support.train).views if read is None else read(support.train))
        labels.append(labels_of(support.train))
    data = FeatureData(
        torch.stack(images),
        torch.stack(labels),
        texts,
        each,
        engine.encoders.logit_scale,
        tuple(support.seed for support in supports),
        supports[0].shots,
    )
    check_finite(data.images, "the features of the support set")
    check_finite(data.texts, "the features of the prompts")
    return data


def check_finite(numbers: Tensor, what: str) -> None:
    """Stop where a number is NaN or infinite.

    Raises:
        TransferError: one is.
    """
    if not bool(torch.isfinite(numbers).all()):
        raise TransferError(
            f"{what} are NaN or infinite", hint="A learning rate may be too high for these features; set it lower."
        )
