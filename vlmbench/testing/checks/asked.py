"""Asks a model a question about toy data, and keeps the answer as a run would. The checks of kinds of task use it."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from hashlib import sha256
from pathlib import Path

import pyarrow.parquet as pq

from vlmbench.cards import Role, TaskCard
from vlmbench.data.base import fingerprint
from vlmbench.features.engine import FeatureEngine
from vlmbench.features.settings import EngineSettings
from vlmbench.models.base import Model
from vlmbench.records import Record
from vlmbench.run.assemble import build_record
from vlmbench.run.identity import run_id, task_version
from vlmbench.store import ResultStore
from vlmbench.tasks.base import Datasets, Outcome, Question, TaskOptions, TaskPlugin, question_data

_BATCH = 8


@dataclass(frozen=True)
class Asked:
    """The answer of a model to a card's question.

    Attributes:
        engine: the engine that gave the answer.
    """

    plugin: TaskPlugin
    card: TaskCard
    options: TaskOptions
    question: Question
    engine: FeatureEngine
    outcome: Outcome

    def fingerprints(self) -> Mapping[Role, str]:
        """For each role, the fingerprint of its samples' contents and targets."""
        contents = {"test": self.outcome.contents, **self.outcome.other_contents}
        return {
            role: fingerprint(
                (content, used.dataset.samples[index].target) for index, content in contents[role].items()
            )
            for role, used in question_data(self.question).items()
        }

    def run_id(self) -> str:
        """The id that a run would give the record."""
        found = self.fingerprints()
        return run_id(
            self.engine.model,
            self.question,
            version=task_version(self.card, self.plugin),
            precision=self.engine.settings.precision,
            fingerprint=found["test"],
            options=self.options,
            other_fingerprints={role: each for role, each in found.items() if role != "test"},
        )

    def predictions(self) -> bytes:
        """The table of predictions as a Parquet file."""
        sink = io.BytesIO()
        pq.write_table(self.outcome.predictions, sink)
        return sink.getvalue()

    def record(self) -> Record:
        """The record that a run would write."""
        return build_record(
            id=self.run_id(),
            engine=self.engine,
            question=self.question,
            outcome=self.outcome,
            version=task_version(self.card, self.plugin),
            fingerprints=self.fingerprints(),
            remarks=(),
            options=self.options,
            settings={},
            started=datetime.now(timezone.utc),
            predictions_sha256=sha256(self.predictions()).hexdigest(),
            peak_memory_bytes=None,
        )

    def written(self, folder: Path) -> Path:
        """Write the record and its predictions to a results folder. Returns the record's file."""
        return ResultStore(folder).write(self.record(), self.predictions())


def ask(plugin: TaskPlugin, card: TaskCard, datasets: Datasets, options: TaskOptions, model: Model) -> Asked:
    """Ask a model the card's question."""
    question = plugin.ask(card, datasets, options)
    engine = FeatureEngine(model, EngineSettings(batch_size=_BATCH))
    return Asked(plugin, card, options, question, engine, question.answer(engine))
