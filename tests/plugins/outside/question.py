"""The question of the kind "agreement"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
import pyarrow as pa

from vlmbench.cards import TaskCard
from vlmbench.data.base import ImageDataset, TargetKind
from vlmbench.features.engine import FeatureEngine
from vlmbench.metrics.base import Estimate
from vlmbench.models.base import Model, lacks_encoders
from vlmbench.tasks.base import Datasets, Outcome, TaskOptions, check_known_metrics, metric_value
from vlmbench.tasks.subset import choose

WORDS = ("dark", "bright")
METRICS = ("agreement",)


@dataclass(frozen=True)
class AgreementQuestion:
    """See :class:`~vlmbench.tasks.base.Question`."""

    card: TaskCard
    dataset: ImageDataset
    indices: Sequence[int]
    prompts_sha256: str = sha256(repr(WORDS).encode()).hexdigest()

    def protocol(self, model: Model) -> Mapping[str, Any]:
        return {"metrics": list(self.card.metrics), "main_metric": self.card.main_metric}

    def unsupported(self, model: Model) -> str | None:
        return lacks_encoders(model)

    def answer(self, engine: FeatureEngine) -> Outcome:
        head = engine.texts(WORDS)
        said: dict[int, int] = {}
        contents: dict[int, str] = {}
        with closing(engine.images(self.dataset, self.indices)) as batches:
            for batch in batches:
                found = (batch.features @ head.T).argmax(dim=1).tolist()
                said |= dict(zip(batch.indices, found, strict=True))
                contents |= dict(zip(batch.indices, batch.contents, strict=True))
        order = sorted(said)
        wanted = [self.dataset.samples[index].target for index in order]
        right = np.array([said[index] for index in order]) == np.array(wanted)
        table = pa.table(
            {
                "sample": [self.dataset.samples[index].id for index in order],
                "content": [contents[index] for index in order],
                "wanted": pa.array(wanted, pa.int32()),
                "said": pa.array([said[index] for index in order], pa.int32()),
            }
        )
        estimate = Estimate(value=float(right.mean()), low=None, high=None, n=len(right))
        return Outcome({"agreement": metric_value(estimate, chance=0.5)}, [], table, {i: contents[i] for i in order})


class Agreement:
    """See :class:`~vlmbench.tasks.base.TaskPlugin`."""

    version = 1
    class_prompts = False
    protocol_fields: frozenset[str] = frozenset()

    def target(self, card: TaskCard) -> TargetKind:
        return "class"

    def check(self, card: TaskCard, options: TaskOptions) -> None:
        check_known_metrics(card.metrics, METRICS, where=f"task {card.name!r}")

    def ask(self, card: TaskCard, datasets: Datasets, options: TaskOptions) -> AgreementQuestion:
        dataset = datasets["test"]
        return AgreementQuestion(card, dataset, choose(dataset.samples, options))


PLUGIN = Agreement()
