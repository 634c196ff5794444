"""The plugin of classification: makes prompts from a card and its data, scores the images, and computes metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

from vlmbench.cards import Role, TaskCard
from vlmbench.data.base import Chosen, ImageDataset, TargetKind
from vlmbench.data.labels import check_targets
from vlmbench.errors import LabelError
from vlmbench.features.engine import FeatureEngine
from vlmbench.models.base import Model
from vlmbench.prompts import PromptSet, prompt_set
from vlmbench.records import ClassResult
from vlmbench.tasks.base import Datasets, DrawPictures, Outcome, SharedDatasets, TaskOptions
from vlmbench.tasks.classification.adapted import AdaptedQuestion, needs_support
from vlmbench.tasks.classification.given import SUFFIXES, save_scores, scored_answers
from vlmbench.tasks.classification.halves import Halves
from vlmbench.tasks.classification.measures import MEASURES, check_metrics, class_results, metric_values
from vlmbench.tasks.classification.pictures import draw_answers
from vlmbench.tasks.classification.scores import Scored, prediction_table, score
from vlmbench.tasks.classification.source import check_classes, source_prompts
from vlmbench.tasks.classification.support import support_data
from vlmbench.tasks.given.base import GivenAnswers, made_elsewhere
from vlmbench.tasks.subset import choose
from vlmbench.tasks.zero_shot import compared_by, comparison_fields, encoded_one_by_one, lacks, zero_shot
from vlmbench.transfer.base import Reads
from vlmbench.transfer.inputs import READERS
from vlmbench.visuals.charts import check_charts


@dataclass(frozen=True)
class ClassificationQuestion:
    """Which class does each image show? If the card is multi-label: which classes?"""

    answer_suffixes: ClassVar[Sequence[str]] = SUFFIXES
    card: TaskCard
    dataset: ImageDataset
    indices: Sequence[int]
    prompts: PromptSet
    seed: int
    visuals: int = 0

    @property
    def prompts_sha256(self) -> str:
        """The hash of the class names and templates."""
        return self.prompts.sha256

    def protocol(self, model: Model) -> Mapping[str, Any]:
        return {
            **self.prompts.protocol,
            "multi_label": self.card.multi_label,
            "metrics": list(self.card.metrics),
            "main_metric": self.card.main_metric,
            "confidence": "as the answers state it"
            if made_elsewhere(model)
            else f"softmax of logit_scale x {compared_by(model)}",
            **comparison_fields(model, self.dataset),
        }

    def unsupported(self, model: Model) -> str | None:
        """What the model lacks: encoders of images and texts."""
        return lacks(model, self.dataset)

    def encoded(self, model: Model) -> Chosen | None:
        return encoded_one_by_one(model, self.dataset, self.indices)

    def answer(self, engine: FeatureEngine) -> Outcome:
        """Make a classifier from the prompts, score each image for every class, and compute the metrics."""
        classifier, images = zero_shot(engine, self.dataset, self.indices, self.prompts)
        with closing(images) as batches:  # ends its threads, also after an error
            scored = score(
                batches,
                classifier,
                self.dataset,
                most=len(self.indices),
                num_classes=len(self.prompts.class_names),
                multi_label=self.card.multi_label,
                keep_scores=self._keeps_scores or engine.saving is not None,
            )
        save_scores(engine, scored, self.dataset, self.prompts.class_names)
        if not self._keeps_scores:
            scored = replace(scored, scores=None)
        return self._outcome(engine, scored, own_scale=False)

    def answer_given(self, engine: FeatureEngine, given: GivenAnswers) -> Outcome:
        """Read the scores of each image for every class, or its best class, and compute the metrics."""
        scored = scored_answers(
            engine,
            given,
            self.dataset,
            self.indices,
            self.prompts.class_names,
            multi_label=self.card.multi_label,
            keep_scores=self._keeps_scores,
        )
        return self._outcome(engine, scored, own_scale=True)

    @property
    def _keeps_scores(self) -> bool:
        return any(MEASURES[name].keeps_scores for name in self.card.metrics)

    def _outcome(self, engine: FeatureEngine, scored: Scored, *, own_scale: bool) -> Outcome:
        """The metrics of scores.

        Args:
            own_scale: whether the scale of the scores is not the model's, so that the table states it.
        """
        with engine.timed("metrics"):
            metrics = metric_values(self.card.metrics, scored, self.seed)
            per_class = class_results(scored, self.prompts.class_names)
        return Outcome(
            metrics=metrics,
            per_class=per_class,
            predictions=prediction_table(scored, self.dataset, own_scale=own_scale),
            contents=scored.contents,
            visuals=self._pictures(engine.model.card.name, scored, per_class) if self.visuals else None,
        )

    def _pictures(self, model: str, scored: Scored, per_class: Sequence[ClassResult]) -> DrawPictures:
        return partial(
            draw_answers,
            scored,
            self.dataset,
            self.prompts.class_names,
            per_class,
            where=f"{model} on {self.card.name}",
            count=self.visuals,
            seed=self.seed,
        )


class Classification:
    """See :class:`~vlmbench.tasks.base.TaskPlugin`."""

    version = 1
    class_prompts = True
    transfer_reads: frozenset[Reads] = frozenset(READERS)
    protocol_fields: frozenset[str] = frozenset()

    def target(self, card: TaskCard) -> TargetKind:
        return "classes" if card.multi_label else "class"

    def check(self, card: TaskCard, options: TaskOptions) -> None:
        """Refuse unknown metrics, and pictures if matplotlib is missing, before any work starts."""
        check_metrics(card.metrics, multi_label=card.multi_label, where=f"task {card.name!r}")
        if options.visuals:
            check_charts()

    def roles(self, card: TaskCard, options: TaskOptions) -> tuple[Role, ...]:
        """The train data too if a method learns from it, and the val data if the track uses it and the card has it."""
        if not needs_support(options.transfer):
            return ("test",)
        learnt_from = options.transfer.source or card
        with_val = options.transfer.track in ("few-shot-validation", "full-validation") and learnt_from.val
        return ("test", "train", "val") if with_val else ("test", "train")

    def ask(self, card: TaskCard, datasets: Datasets, options: TaskOptions) -> ClassificationQuestion | AdaptedQuestion:
        """Make the question: make the prompts, check the labels, and choose the samples."""
        dataset = datasets["test"]
        prompts = prompt_set(card, dataset, options)
        check_targets(
            dataset.samples,
            len(prompts.class_names),
            place=dataset.info.location,
            target=self.target(card),
        )
        fewest = MEASURES[card.main_metric].min_classes
        if len(prompts.class_names) < fewest:
            raise LabelError(f"{card.name}: {card.main_metric} needs at least {fewest} classes")
        indices = choose(dataset.samples, options)
        if options.transfer.adapts:
            return self._adapted(card, datasets, options, prompts, indices)
        return ClassificationQuestion(
            card=card,
            dataset=dataset,
            indices=indices,
            prompts=prompts,
            seed=options.seed,
            visuals=options.visuals,
        )

    def _adapted(
        self, card: TaskCard, datasets: Datasets, options: TaskOptions, prompts: PromptSet, indices: Sequence[int]
    ) -> AdaptedQuestion:
        """The question to a model that a transfer method adapts. What cannot be learnt or scored is refused."""
        asked, dataset = options.transfer, datasets["test"]
        learnt, halves = prompts, None
        if asked.setting == "base-to-new":
            halves = Halves.of(len(prompts.class_names), task=card.name)
            halves.check(dataset, indices, task=card.name)
            learnt, _ = halves.prompts(prompts)
        elif asked.source is not None:
            learnt = source_prompts(asked.source, datasets["train"], options)
            check_classes(asked, card, learnt, prompts)
        data = None
        if needs_support(asked):
            shared = datasets if isinstance(datasets, SharedDatasets) else SharedDatasets(datasets)
            order = datasets["train" if asked.source else "test"].classes
            data = shared.once(
                ("support data", tuple(learnt.class_names), None if order is None else tuple(order)),
                lambda: support_data(
                    asked.source or card,
                    datasets,
                    learnt.class_names,
                    Chosen(dataset, range(len(dataset.samples))),
                    shared.contents,
                    order=order,
                ),
            )
            data.check(asked)
        return AdaptedQuestion(
            card=card,
            dataset=dataset,
            indices=indices,
            prompts=prompts,
            seed=options.seed,
            asked=asked,
            data=data,
            learnt=learnt,
            halves=halves,
            visuals=options.visuals,
        )


PLUGIN = Classification()
