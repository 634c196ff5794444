"""The question to a model that a transfer method adapts: fit on a support set, then score the test images.

The classes that are learnt are those of the task, half of them (:mod:`.halves`), or another task's (:mod:`.source`).

The classification plugin makes one where the user names a method. A method is given the support set and the validation
images of its track, and no other data: the test images are read after every choice is made.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import pyarrow as pa

from vlmbench.cards import Role, TaskCard
from vlmbench.data.base import Chosen, ImageDataset
from vlmbench.errors import VlmbenchError
from vlmbench.features.engine import FeatureEngine
from vlmbench.metrics.harmonic import HARMONIC, METRICS
from vlmbench.models.base import Model, lacks_encoders
from vlmbench.prompts import PromptSet
from vlmbench.record_parts.transfer import TransferCost, TransferInfo
from vlmbench.records import ClassResult, MetricValue
from vlmbench.tasks.base import DrawPictures, Outcome, clip_protocol
from vlmbench.tasks.classification.halves import Halves
from vlmbench.tasks.classification.measures import MEASURES, class_results, metric_values
from vlmbench.tasks.classification.pictures import draw_answers
from vlmbench.tasks.classification.scores import Scored, prediction_table
from vlmbench.tasks.classification.support import Drawn, SupportData
from vlmbench.tasks.classification.tested import Answers, Classifiers, Tested
from vlmbench.transfer import METHODS
from vlmbench.transfer.asked import TransferAsked
from vlmbench.transfer.base import (
    Classifier,
    FewShot,
    Fitted,
    ForClasses,
    StatesOptions,
    TransferMethod,
    lacks_needs,
    learns_at_once,
    learns_from,
    other_models,
)
from vlmbench.transfer.fitting import Fit, fit_draws, zero_shot_of
from vlmbench.transfer.inputs import PASSES, inputs
from vlmbench.transfer.methods.zero_shot import METHOD as ZERO_SHOT
from vlmbench.transfer.options import settle_options
from vlmbench.transfer.other_classes import Learnt, SomeClasses, scores_new_classes


@dataclass
class Fits:
    """What was learnt from some draws.

    Attributes:
        known: by :meth:`AdaptedQuestion._fit_key`.
        apart: draws were learnt together once, and it failed. Each is then learnt alone.
    """

    known: dict[Hashable, Fit] = field(default_factory=dict)
    apart: bool = False


@dataclass(frozen=True)
class AdaptedQuestion:
    """Which class does each image show, after the model learnt from a few images of each class?

    Attributes:
        data: the support set of each draw; None: the method learns from no images.
        learnt: the classes that are learnt.
        halves: in the setting base-to-new, the halves of the classes.
    """

    card: TaskCard
    dataset: ImageDataset
    indices: Sequence[int]
    prompts: PromptSet
    seed: int
    asked: TransferAsked
    data: SupportData | None
    learnt: PromptSet
    halves: Halves | None = None
    visuals: int = 0

    @property
    def prompts_sha256(self) -> str:
        """Over class names and templates."""
        return self.prompts.sha256

    @cached_property
    def method(self) -> TransferMethod:
        return METHODS.get(self.asked.method)

    @cached_property
    def settings(self) -> dict[str, Any]:
        """Every setting of the method: the user's, and the defaults of the others."""
        if not isinstance(self.method, StatesOptions):
            return dict(self.asked.options)
        return settle_options(self.asked.method, self.method.options, self.asked.options).model_dump(mode="json")

    @property
    def other_models(self) -> Sequence[str]:
        """See :class:`~vlmbench.tasks.base.UsesOtherModels`."""
        return other_models(self.method, self.asked.options)

    @property
    def support(self) -> FewShot:
        """The support set of this draw."""
        return self._drawn.support

    @cached_property
    def _drawn(self) -> Drawn:
        return self._draw(self.asked.draw)

    def _draw(self, draw: int) -> Drawn:
        if self.data is None:
            return Drawn(FewShot(seed=draw))
        return self.data.draw(replace(self.asked, draw=draw))

    @property
    def other_data(self) -> Mapping[Role, Chosen]:
        """See :class:`~vlmbench.tasks.base.UsesOtherRoles`."""
        found: dict[Role, Chosen | None] = {"train": self.support.train, "val": self.support.val}
        return {role: chosen for role, chosen in found.items() if chosen is not None}

    def protocol(self, model: Model) -> Mapping[str, Any]:
        return {
            **self.prompts.protocol,
            "multi_label": False,
            "metrics": [*(METRICS if self.halves else ()), *self._metric_names],
            "main_metric": self.main_metric,
            **clip_protocol(self.dataset),
            "head": self.asked.method,
            "confidence": "softmax of logits",
            "method_options": self.settings,
            **({"base_classes": self.halves.base} if self.halves else {}),
            **self._source_protocol,
        }

    @property
    def main_metric(self) -> str:
        """H in the setting base-to-new, else the card's."""
        return HARMONIC if self.halves else self.card.main_metric

    @property
    def _metric_names(self) -> list[str]:
        """The metrics among all classes: the card's, and in the setting base-to-new the accuracy in any case."""
        return list(dict.fromkeys([*(["acc1"] if self.halves else []), *self.card.metrics]))

    @property
    def _source_protocol(self) -> dict[str, Any]:
        """The prompts that were learnt, and how the task's classes were found among them."""
        if self.asked.source is None:
            return {}
        new = scores_new_classes(self.method, self.asked.options)
        return {
            "source_version": self.asked.source.version,
            "source_classes": len(self.learnt.class_names),
            "source_prompts_sha256": self.learnt.sha256,
            "classes_scored": "from their prompts" if new else "by their names in the source",
        }

    def unsupported(self, model: Model) -> str | None:
        """A model needs features of whole images and texts, and what its transfer method asks of it."""
        return lacks_encoders(model) or lacks_needs(self.method, model, self.asked.options)

    def answer(self, engine: FeatureEngine) -> Outcome:
        """Fit, freeze, and only then read the test images."""
        support = self.support
        self._drawn.tell()
        with engine.timed("fit"):
            fit = self._fit(engine)
        fitted = fit.fitted
        unlearnt = self._zero_shot(engine, fitted)
        start = self._answers(engine, unlearnt, ZERO_SHOT)
        classifiers = self._classifiers(engine, fitted.classifier, fitted.for_classes)
        answers = self._answers(engine, classifiers, self.method, among=start.samples)
        if answers.samples < start.samples:  # the method needs more of an image: its views, or another model's feature
            start = self._answers(engine, unlearnt, ZERO_SHOT, among=answers.samples)
        scored = answers.scored
        with engine.timed("metrics"):
            metrics = self._metrics(answers)
            per_class = class_results(scored, self.prompts.class_names)
            info = self._info(engine, fit, support, self._metrics(start))
            if fitted.last is not None:
                last = self._classifiers(engine, fitted.last, fitted.last_for_classes)
                ended = self._metrics(self._answers(engine, last, self.method, among=answers.samples))
                info = info.model_copy(update={"last_step": values_of(ended)})
        return Outcome(
            metrics=metrics,
            per_class=per_class,
            predictions=self._predictions(answers, start, engine),
            contents=scored.contents,
            visuals=self._pictures(engine.model.card.name, scored, per_class) if self.visuals else None,
            other_contents={role: self._contents(engine, chosen) for role, chosen in self.other_data.items()},
            transfer=info,
            support={
                role: [chosen.dataset.samples[index].id for index in chosen.indices]
                for role, chosen in self.other_data.items()
            },
            main_metric=self.main_metric,
        )

    def _fit(self, engine: FeatureEngine) -> Fit:
        """Learn from this draw, and from the other draws of the run at the same time if the method can.

        Draws that are learnt together are kept in the engine's memory until they are asked for. What is learnt from
        another task's data is kept for the next tasks, until something else is asked for.
        """
        place, group = self._place
        kept: tuple[Hashable, Fits] | None = engine.memory.get(place)
        fits = kept[1] if kept is not None and kept[0] == group else Fits()
        key = self._fit_key(self.asked.draw)
        if key not in fits.known:
            together = self.asked.together if learns_at_once(self.method) and not fits.apart else ()
            draws = sorted({self.asked.draw, *together})
            try:
                fits.known.update(zip(map(self._fit_key, draws), self._fit_draws(engine, draws), strict=True))
            except VlmbenchError:
                if len(draws) == 1:
                    raise
                fits.apart = True
                fits.known[key] = self._fit_draws(engine, [self.asked.draw])[0]
        engine.memory.put(place, (group, fits), 0)  # after the features that it needed, so that these go first
        return fits.known.pop(key) if self.asked.source is None else fits.known[key]

    @property
    def _place(self) -> tuple[Hashable, Hashable]:
        """Where the memory keeps what was learnt, and what it must have been learnt with to be this question's.

        Of another task's data one fit is kept, or those of the draws that are learnt together.
        """
        asked, source = self.asked, self.asked.source
        settings = json.dumps(self.settings, sort_keys=True, default=str)
        of_method = asked.method, asked.shots, asked.track, settings, self.learnt.sha256
        if source is None:
            return ("fit", id(self.dataset), self.card.name, asked.setting, *of_method), None
        draw = None if learns_at_once(self.method) else asked.draw
        return "fits of another task's data", (source.name, of_method, draw)

    def _fit_key(self, draw: int) -> Hashable:
        """The draw; of another task's data with the drawn images, which differ if one is a test image of this task."""
        if self.asked.source is None:
            return draw
        support = self.support if draw == self.asked.draw else self._draw(draw).support
        return draw, *(() if chosen is None else tuple(chosen.indices) for chosen in (support.train, support.val))

    def _fit_draws(self, engine: FeatureEngine, draws: Sequence[int]) -> list[Fit]:
        supports = [self._for_choices(self._draw(draw).support) for draw in draws]
        return fit_draws(self.method, engine, supports, self.learnt, self.asked.options)

    def _for_choices(self, support: FewShot) -> FewShot:
        """The support set; in the leaky track, with the test images of the learnt classes to choose settings with."""
        if self.asked.track != "leaky":
            return support
        indices = self.halves.split(self.dataset, self.indices)[0] if self.halves else self.indices
        return replace(support, val=Chosen(self.dataset, indices))

    def _classifiers(
        self, engine: FeatureEngine, classifier: Classifier, for_classes: ForClasses | None
    ) -> Classifiers:
        """What was learnt, for all classes of the task and for its halves."""
        learnt = Learnt(self.asked.method, self.learnt, classifier, for_classes)
        halves = None
        if self.halves is not None:
            base, new = self.halves.prompts(self.prompts)
            halves = learnt.of(engine, base), learnt.of(engine, new)
        return Classifiers(learnt.of(engine, self.prompts), halves)

    def _zero_shot(self, engine: FeatureEngine, fitted: Fitted) -> Classifiers:
        """Zero-shot with the texts that the method scores with.

        They are those of the task's prompts. If the method finds the task's classes by their names among those of
        another task, they are the texts of that task's prompts.
        """
        whole: Classifier = zero_shot_of(engine, self.prompts if self._scores_anew(fitted) else self.learnt)
        if not self._scores_anew(fitted):
            whole = Learnt("zero-shot", self.learnt, whole, None).of(engine, self.prompts)
        if self.halves is None:
            return Classifiers(whole)
        labels = tuple((label,) for label in range(self.halves.classes))
        base, new = labels[: self.halves.base], labels[self.halves.base :]
        return Classifiers(whole, (SomeClasses(whole, base), SomeClasses(whole, new)))

    def _scores_anew(self, fitted: Fitted) -> bool:
        """Whether the task's classes are scored with the task's own prompts."""
        return self.asked.source is None or fitted.for_classes is not None

    def _answers(
        self,
        engine: FeatureEngine,
        classifiers: Classifiers,
        method: TransferMethod,
        among: frozenset[int] | None = None,
    ) -> Answers:
        """Score the test images among all classes, and in the setting base-to-new each half among its own."""
        tested = Tested(
            self.dataset,
            self.indices,
            len(self.prompts.class_names),
            self.halves,
            keep_scores=any(MEASURES[name].keeps_scores for name in self.card.metrics),
        )
        batches = inputs(engine, Chosen(self.dataset, self.indices), method, self.settings)
        return tested.answers(batches, classifiers, among)

    def _metrics(self, answers: Answers) -> dict[str, MetricValue]:
        """H and the halves' accuracies in the setting base-to-new, and the metrics among all classes."""
        own = {} if answers.closed is None else answers.closed.metrics
        return {**own, **metric_values(self._metric_names, answers.scored, self.seed)}

    def _contents(self, engine: FeatureEngine, chosen: Chosen) -> Mapping[int, str]:
        assert self.data is not None  # without support data there is no other role
        return self.data.contents(chosen)

    def _predictions(self, answers: Answers, start: Answers, engine: FeatureEngine) -> pa.Table:
        """As of classification, with the best class of zero-shot beside.

        In the setting base-to-new there are columns with the best class of the sample's own half: ``closed``, and of
        zero-shot ``zero_shot_closed``.
        """
        scored = answers.scored
        table = prediction_table(scored, self.dataset, own_scale=scored.logit_scale != engine.encoders.logit_scale)
        table = table.append_column("zero_shot", pa.array(start.scored.top[:, 0], pa.int32()))
        for name, found in (("closed", answers.closed), ("zero_shot_closed", start.closed)):
            if found is not None:
                table = table.append_column(name, pa.array(found.predicted, pa.int32()))
        return table

    def _info(
        self, engine: FeatureEngine, fit: Fit, support: FewShot, start: Mapping[str, MetricValue]
    ) -> TransferInfo:
        fitted, passes = fit.fitted, PASSES[self.method.reads]
        encoded_once = 0 if support.train is None or self.method.reads == "pixels" else len(support.train.indices)
        views = int(self.settings.get("views", 1))
        return TransferInfo(
            method=self.asked.method,
            version=self.method.version,
            track=self.asked.track,
            shots=self.asked.shots,
            draw=self.asked.draw,
            setting=self.asked.setting,
            source=None if self.asked.source is None else self.asked.source.name,
            options={**self.settings, **fitted.settled, **fitted.chosen},
            chosen=dict(fitted.chosen),
            tried=fitted.tried,
            zero_shot=values_of(start),
            step=fitted.step,
            steps=fitted.steps,
            other_weights={name: engine.other(name).model.identity.weights_sha256 for name in self.other_models},
            cost=TransferCost(
                fit_seconds=round(fit.seconds, 4),
                drawn_together=fit.together,
                parameters=fitted.parameters,
                peak_bytes=fit.peak_bytes,
                image_passes=encoded_once * views * passes + fitted.image_passes,
                text_passes=self._prompts_used(fitted) + fitted.text_passes,
                test_image_passes=fitted.test_image_passes * passes,
                test_text_passes=fitted.test_text_passes,
                other_models=list(self.other_models),
            ),
        )

    def _prompts_used(self, fitted: Fitted) -> int:
        """How many prompts are encoded: those that are learnt with, and those of the task's own classes."""
        if self.asked.source is None:
            return len(self.prompts.prompts)
        others = self._scores_anew(fitted) and self.learnt.sha256 != self.prompts.sha256
        return len(self.learnt.prompts) + (len(self.prompts.prompts) if others else 0)

    def _pictures(self, model: str, scored: Scored, per_class: Sequence[ClassResult]) -> DrawPictures:
        return partial(
            draw_answers,
            scored,
            self.dataset,
            self.prompts.class_names,
            per_class,
            where=f"{model} on {self.card.name}, {self.asked.method}",
            count=self.visuals,
            seed=self.seed,
        )


def values_of(metrics: Mapping[str, MetricValue]) -> dict[str, float | None]:
    """The values alone, by the name of their metric."""
    return {name: metric.value for name, metric in metrics.items()}


def needs_support(asked: TransferAsked) -> bool:
    """Whether a method learns from images."""
    return asked.adapts and asked.shots > 0 and learns_from(METHODS.get(asked.method)) != "nothing"
