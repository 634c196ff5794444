"""The question to a model that a transfer method adapts: fit on a support set, then score the test images.

The classification plugin makes one where the user names a method. A method is given the support set and the validation
images of its track, and no other data: the test images are read after every choice is made.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import pyarrow as pa

from vlmbench.cards import Role, TaskCard
from vlmbench.data.base import Chosen, ImageDataset
from vlmbench.errors import VlmbenchError
from vlmbench.features.engine import FeatureEngine
from vlmbench.features.images.batch import ImageBatch
from vlmbench.models.base import Model, lacks_encoders
from vlmbench.prompts import PromptSet
from vlmbench.record_parts.transfer import TransferCost, TransferInfo
from vlmbench.records import ClassResult, MetricValue
from vlmbench.tasks.base import DrawPictures, Outcome, clip_protocol
from vlmbench.tasks.classification.measures import MEASURES, class_results, metric_values
from vlmbench.tasks.classification.pictures import draw_answers
from vlmbench.tasks.classification.scores import Scored, prediction_table, score
from vlmbench.tasks.classification.support import Drawn, SupportData
from vlmbench.transfer import METHODS
from vlmbench.transfer.asked import TransferAsked
from vlmbench.transfer.base import (
    Classifier,
    FewShot,
    FitsDraws,
    StatesOptions,
    TransferMethod,
    lacks_needs,
    learns_from,
    other_models,
)
from vlmbench.transfer.encoded import encoded
from vlmbench.transfer.fitting import Fit, fit_draws, zero_shot_of
from vlmbench.transfer.inputs import inputs
from vlmbench.transfer.options import settle_options


@dataclass(frozen=True)
class AdaptedQuestion:
    """Which class does each image show, after the model learnt from a few images of each class?

    Attributes:
        data: the support set of each draw; None: the method learns from no images.
    """

    card: TaskCard
    dataset: ImageDataset
    indices: Sequence[int]
    prompts: PromptSet
    seed: int
    asked: TransferAsked
    data: SupportData | None
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
            "metrics": list(self.card.metrics),
            "main_metric": self.card.main_metric,
            **clip_protocol(self.dataset),
            "head": self.asked.method,
            "confidence": "softmax of logits",
            "method_options": self.settings,
        }

    def unsupported(self, model: Model) -> str | None:
        """A model needs features of whole images and texts, and what its transfer method asks of it."""
        return lacks_encoders(model) or lacks_needs(self.method, model)

    def answer(self, engine: FeatureEngine) -> Outcome:
        """Fit, freeze, and only then read the test images."""
        support = self.support
        self._drawn.tell()
        with engine.timed("fit"):
            fit = self._fit(engine)
        zero_shot = zero_shot_of(engine, self.prompts)
        test = Chosen(self.dataset, self.indices)
        start = self._scored(zero_shot, encoded(engine, test, all_of="").batches())
        scored = self._scored(fit.fitted.classifier, inputs(engine, test, self.method, self.settings))
        with engine.timed("metrics"):
            metrics = metric_values(self.card.metrics, scored, self.seed)
            per_class = class_results(scored, self.prompts.class_names)
            info = self._info(engine, fit, support, metric_values(self.card.metrics, start, self.seed))
            if fit.fitted.last is not None:
                ended = self._scored(fit.fitted.last, inputs(engine, test, self.method, self.settings))
                last = metric_values(self.card.metrics, ended, self.seed)
                info = info.model_copy(update={"last_step": values_of(last)})
        return Outcome(
            metrics=metrics,
            per_class=per_class,
            predictions=self._predictions(scored, start, engine),
            contents=scored.contents,
            visuals=self._pictures(engine.model.card.name, scored, per_class) if self.visuals else None,
            other_contents={role: self._contents(engine, chosen) for role, chosen in self.other_data.items()},
            transfer=info,
            support={
                role: [chosen.dataset.samples[index].id for index in chosen.indices]
                for role, chosen in self.other_data.items()
            },
        )

    def _fit(self, engine: FeatureEngine) -> Fit:
        """Learn from this draw, and from the other draws of the run that are still to be asked, if the method can.

        Draws that are learnt together are kept in the engine's memory until they are asked for.
        """
        asked, settings = self.asked, json.dumps(self.settings, sort_keys=True, default=str)
        data = id(self.dataset), self.card.name, self.prompts_sha256
        key = "fit", *data, asked.method, asked.shots, asked.track, settings
        known: dict[int, Fit] = engine.memory.get(key) or engine.memory.put(key, {}, 0)
        if self.asked.draw not in known:
            at_once = isinstance(self.method, FitsDraws) and self.method.at_once
            draws = sorted({self.asked.draw, *self.asked.together}) if at_once else [self.asked.draw]
            try:
                known.update(zip(draws, self._fit_draws(engine, draws), strict=True))
            except VlmbenchError:
                if len(draws) == 1:
                    raise
                known[self.asked.draw] = self._fit_draws(engine, [self.asked.draw])[0]
        return known.pop(self.asked.draw)

    def _fit_draws(self, engine: FeatureEngine, draws: Sequence[int]) -> list[Fit]:
        supports = [self._for_choices(self._draw(draw).support) for draw in draws]
        return fit_draws(self.method, engine, supports, self.prompts, self.asked.options)

    def _for_choices(self, support: FewShot) -> FewShot:
        """The support set; in the leaky track, with the test images to choose settings with."""
        leaky = self.asked.track == "leaky"
        return replace(support, val=Chosen(self.dataset, self.indices)) if leaky else support

    def _scored(self, classifier: Classifier, batches: Iterable[ImageBatch]) -> Scored:
        return score(
            batches,
            classifier,
            self.dataset,
            most=len(self.indices),
            num_classes=len(self.prompts.class_names),
            multi_label=False,
            keep_scores=any(MEASURES[name].keeps_scores for name in self.card.metrics),
        )

    def _contents(self, engine: FeatureEngine, chosen: Chosen) -> Mapping[int, str]:
        assert self.data is not None  # without support data there is no other role
        return self.data.contents(chosen)

    def _predictions(self, scored: Scored, start: Scored, engine: FeatureEngine) -> pa.Table:
        """As of classification, with the best class of zero-shot beside."""
        table = prediction_table(scored, self.dataset, own_scale=scored.logit_scale != engine.encoders.logit_scale)
        return table.append_column("zero_shot", pa.array(start.top[:, 0], pa.int32()))

    def _info(
        self, engine: FeatureEngine, fit: Fit, support: FewShot, start: Mapping[str, MetricValue]
    ) -> TransferInfo:
        fitted, prompts = fit.fitted, len(self.prompts.prompts)
        encoded_once = 0 if support.train is None or self.method.reads == "pixels" else len(support.train.indices)
        views = int(self.settings.get("views", 1))
        return TransferInfo(
            method=self.asked.method,
            version=self.method.version,
            track=self.asked.track,
            shots=self.asked.shots,
            draw=self.asked.draw,
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
                image_passes=encoded_once * views + fitted.image_passes,
                text_passes=prompts + fitted.text_passes,
                test_image_passes=fitted.test_image_passes,
                test_text_passes=fitted.test_text_passes,
                other_models=list(self.other_models),
            ),
        )

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
