"""The plugin of rare actions: scores clips for actions with CLIP's zero-shot head, and computes RareAct's metrics.

A clip shows an unusual action, or only its verb or its noun, or neither.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any, ClassVar, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vlmbench.cards import TaskCard
from vlmbench.data.base import ImageDataset, TargetKind
from vlmbench.data.labels import check_targets
from vlmbench.data.sources.rareact import AnnotatedActions
from vlmbench.errors import CardError, DataError, ModelError
from vlmbench.features.engine import FeatureEngine
from vlmbench.metrics.rare_actions import (
    SAMPLINGS,
    ActionRows,
    action_rows,
    mean_sampled_average_precision,
    mean_weighted_average_precision,
    weighted_average_precision,
)
from vlmbench.models.base import Model
from vlmbench.prompts import PromptSet, prompt_set
from vlmbench.records import ClassResult, MetricValue
from vlmbench.tasks.base import Datasets, Outcome, TaskOptions, check_known_metrics, metric_value
from vlmbench.tasks.classification.given import SUFFIXES, save_scores, scored_answers
from vlmbench.tasks.classification.scores import Scored, prediction_table, score
from vlmbench.tasks.columns import strings
from vlmbench.tasks.given.base import GivenAnswers
from vlmbench.tasks.subset import choose
from vlmbench.tasks.zero_shot import comparison_fields, lacks, zero_shot

METRICS = ("mwap", "msap")
_RANDOM_RANKINGS = 20
"""The number of random rankings whose mean is the chance level. The expectation of the metrics has no simple form."""


@dataclass(frozen=True)
class RareActionsQuestion:
    """How high does each action rank the clips that show it?"""

    answer_suffixes: ClassVar[Sequence[str]] = SUFFIXES
    card: TaskCard
    dataset: ImageDataset
    indices: Sequence[int]
    prompts: PromptSet
    seed: int

    @property
    def prompts_sha256(self) -> str:
        """The hash of the class names and templates."""
        return self.prompts.sha256

    def protocol(self, model: Model) -> Mapping[str, Any]:
        annotated = cast(AnnotatedActions, self.dataset)
        text = json.dumps([asdict(annotated.segments[index]) for index in self.indices])
        return {
            **self.prompts.protocol,
            "metrics": list(self.card.metrics),
            "main_metric": self.card.main_metric,
            "samplings": SAMPLINGS,
            "annotations_sha256": sha256(text.encode()).hexdigest(),
            **comparison_fields(model, self.dataset),
        }

    def unsupported(self, model: Model) -> str | None:
        return lacks(model, self.dataset)

    def answer(self, engine: FeatureEngine) -> Outcome:
        """Encode the prompts and the clips, score each clip for every action, and compute the metrics."""
        classifier, images = zero_shot(engine, self.dataset, self.indices, self.prompts)
        with closing(images) as batches:  # ends its threads, also after an error
            scored = score(
                batches,
                classifier,
                self.dataset,
                most=len(self.indices),
                num_classes=len(self.prompts.class_names),
                multi_label=False,
                keep_scores=True,
            )
        save_scores(engine, scored, self.dataset, self.prompts.class_names)
        return self._outcome(engine, scored)

    def answer_given(self, engine: FeatureEngine, given: GivenAnswers) -> Outcome:
        """Read the scores of each clip for every action, and compute the metrics."""
        scored = scored_answers(
            engine,
            given,
            self.dataset,
            self.indices,
            self.prompts.class_names,
            multi_label=False,
            keep_scores=True,
        )
        if scored.scores is None:
            raise ModelError(f"{given.path}: clips are ranked for each action, so each action needs a score")
        return self._outcome(engine, scored)

    def _outcome(self, engine: FeatureEngine, scored: Scored) -> Outcome:
        with engine.timed("metrics"):
            ranked = rankings(cast(AnnotatedActions, self.dataset), scored)
            return Outcome(
                metrics=_metric_values(self.card.metrics, scored, ranked, self.seed),
                per_class=_class_results(scored, ranked, self.prompts.class_names),
                predictions=_table(scored, self.dataset),
                contents=scored.contents,
            )


def _table(scored: Scored, dataset: ImageDataset) -> pa.Table:
    """The table of classification, with the annotation, video, verb and noun of each clip.

    With these columns, two runs can be compared without the dataset.
    """
    annotated = cast(AnnotatedActions, dataset)
    segments = [annotated.segments[index] for index in scored.indices]
    table = prediction_table(scored, dataset)
    table = table.append_column("annotation", pa.array([segment.annotation for segment in segments], pa.int8()))
    table = table.append_column("video", strings(segment.video for segment in segments))
    table = table.append_column("verb", strings(annotated.verbs[segment.action] for segment in segments))
    return table.append_column("noun", strings(annotated.nouns[segment.action] for segment in segments))


def rankings(dataset: AnnotatedActions, scored: Scored) -> list[ActionRows]:
    """The rows to rank for each action, among the clips that were scored.

    Raises:
        DataError: no scored clip shows the action for which it was annotated.
    """
    segments = [dataset.segments[index] for index in scored.indices]
    _, videos = np.unique([segment.video for segment in segments], return_inverse=True)
    ranked = action_rows(
        np.array([segment.action for segment in segments]),
        np.array([segment.annotation for segment in segments]),
        videos,
        dataset.verbs,
        dataset.nouns,
    )
    if not ranked:
        raise DataError("none of the scored clips shows the action for which it was annotated", hint="Raise --limit.")
    return ranked


def _metric_values(
    names: Sequence[str], scored: Scored, ranked: Sequence[ActionRows], seed: int
) -> dict[str, MetricValue]:
    scores = cast(npt.NDArray[np.float32], scored.scores)
    random = np.random.default_rng(0)
    rankings = [random.random(scores.shape) for _ in range(_RANDOM_RANKINGS)]
    values = {}
    for name in names:
        if name == "mwap":
            estimate = mean_weighted_average_precision(scores, ranked, seed=seed)
            draws = [mean_weighted_average_precision(each, ranked, interval=False).value for each in rankings]
        else:
            estimate = mean_sampled_average_precision(scores, ranked, seed=seed)
            draws = [mean_sampled_average_precision(each, ranked, samplings=1).value for each in rankings]
        values[name] = metric_value(estimate, chance=float(np.mean(draws)))
    return values


def _class_results(scored: Scored, ranked: Sequence[ActionRows], class_names: Sequence[str]) -> list[ClassResult]:
    """The weighted average precision of each action that clips show; ``n`` is the number of clips that show it."""
    scores = cast(npt.NDArray[np.float32], scored.scores)
    return [
        ClassResult(
            name=class_names[rows.action],
            n=int(rows.positive.sum()),
            values={"weighted_average_precision": weighted_average_precision(scores[:, rows.action], rows)},
        )
        for rows in ranked
    ]


class RareActions:
    """See :class:`~vlmbench.tasks.base.TaskPlugin`."""

    version = 1
    class_prompts = True
    protocol_fields: frozenset[str] = frozenset()

    def target(self, card: TaskCard) -> TargetKind:
        return "annotated class"

    def check(self, card: TaskCard, options: TaskOptions) -> None:
        if card.multi_label:
            raise CardError(
                f"task {card.name!r}: multi_label is not possible, because each clip is annotated for one action",
                hint="Remove multi_label from the card.",
            )
        check_known_metrics(card.metrics, METRICS, where=f"task {card.name!r}")

    def ask(self, card: TaskCard, datasets: Datasets, options: TaskOptions) -> RareActionsQuestion:
        """Make the prompts, and choose the clips."""
        dataset = datasets["test"]
        if not isinstance(dataset, AnnotatedActions):
            raise DataError(
                f"{card.name}: {dataset.info.kind} has no annotated actions", hint="Use a source of kind rareact."
            )
        prompts = prompt_set(card, dataset, options)
        check_targets(dataset.samples, len(prompts.class_names), place=dataset.info.location, target=self.target(card))
        return RareActionsQuestion(
            card=card,
            dataset=dataset,
            indices=choose(dataset.samples, options),
            prompts=prompts,
            seed=options.seed,
        )


PLUGIN = RareActions()
