"""Carrying out a plan: each model loaded once, each pair answered, recorded, or noted as failed with its reason."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Literal, Protocol, cast

import pyarrow as pa
import pyarrow.parquet as pq

from vlmbench.cards import ModelCard
from vlmbench.data.base import content_if_readable, fingerprint
from vlmbench.errors import (
    BadSampleError,
    StoreError,
    UnsupportedError,
    VlmbenchError,
    gathered_warnings,
    unexpected,
)
from vlmbench.features.cache.files import cache_root
from vlmbench.features.engine import EngineSettings, FeatureEngine
from vlmbench.features.precision import check_precision, resolve_device
from vlmbench.features.progress import Progress
from vlmbench.features.run_cache import RunCache
from vlmbench.models import ADAPTERS
from vlmbench.models.base import LoadOptions, Model, VisionLanguageModel
from vlmbench.records import Failure, Record
from vlmbench.run.assemble import build_record
from vlmbench.run.fingerprint_index import FingerprintIndex
from vlmbench.run.identity import environment, plan_id, run_id, task_version
from vlmbench.run.memory import PeakMemory
from vlmbench.run.plan import Plan, PlannedTask, RunRequest
from vlmbench.store import ResultStore
from vlmbench.tasks.base import Question

Status = Literal["done", "found", "failed", "unsupported"]

CPU_BATCH, ACCELERATOR_BATCH = 8, 256
"""Images a forward pass where the user names no number. An accelerator wants to be filled (batches are halved where
memory runs out). On two cores a ViT-B/32 gains 6 % from 8 to 32 images, and a convolutional network, whose larger
activations the C library hands back to the system after every layer, loses 80 %."""


UNIQUE_COLUMNS = ("sample", "content")
"""Of the tables that plugins make: a dictionary of values that never repeat costs memory and helps nothing."""


@dataclass(frozen=True)
class PairResult:
    """What became of one pair.

    Attributes:
        status: done now, found on disk, failed, or unsupported.
        record: the answer, where there is one.
        failure: the reason, where there is none.
        path: the file that holds either.
        visuals: the folder of the pictures that were asked for; None where there are none.
        exit_code: what this alone would leave the program with: 2 where the pair names something that does not exist.
    """

    model: str
    task: str
    status: Status
    record: Record | None = None
    failure: Failure | None = None
    path: Path | None = None
    visuals: Path | None = None
    exit_code: int = 0


class Listener(Progress, Protocol):
    """Told how a run goes on."""

    def loading(self, model: ModelCard) -> None:
        """A model is being loaded."""

    def pair_started(self, model: str, task: str) -> None:
        """A pair's work begins."""

    def pair_finished(self, result: PairResult) -> None:
        """A pair is done, found or failed."""

    def note(self, message: str) -> None:
        """Something the user should know."""


def execute(plan: Plan, request: RunRequest, listener: Listener) -> list[PairResult]:
    """Run every pair of a plan. A pair that fails is noted and the rest goes on.

    Raises:
        UsageError: the device or the precision cannot be used.
        StoreError: results cannot be written.
    """
    store = ResultStore(request.results)
    store.check_writable()
    run = _Run(request, store, listener, resolve_device(request.device))
    for task in plan.tasks:
        for warning in task.warnings:
            listener.note(f"{task.card.name}: {warning}")
    try:
        return [result for model in plan.models for result in run.model(model, plan.tasks)]
    finally:
        run.spaces.finish()


class _Run:
    """The state of one run: settings, what was loaded, what was used."""

    def __init__(self, request: RunRequest, store: ResultStore, listener: Listener, device: str) -> None:
        self.request = request
        self.store = store
        self.listener = listener
        self.device = device
        self.precision = check_precision(request.precision)
        self.contents = FingerprintIndex(cache_root() / "fingerprints" if request.use_cache else None)
        self.spaces = RunCache(request.use_cache, self.precision)

    def model(self, card: ModelCard, tasks: tuple[PlannedTask, ...]) -> Iterator[PairResult]:
        """Load a model, then answer every task with it."""
        model: Model | None = None
        problem: VlmbenchError | None = None
        if any(task.question for task in tasks):
            self.listener.loading(card)
            try:
                model = ADAPTERS.get(card.adapter)(card, self._load_options())
                for note in model.identity.notes:
                    self.listener.note(f"{card.name}: {note}")
            except VlmbenchError as error:
                problem = error
            except Exception as error:  # an adapter's own bug
                logging.getLogger(__name__).info("unexpected error", exc_info=error)
                problem = unexpected(error)
        if model is not None:  # said before any work starts
            for task in tasks:
                if task.question and (reason := task.question.unsupported(model)):
                    self.listener.note(f"{card.name} cannot be asked {task.card.name}: {reason}")
        for task in tasks:
            yield self._pair(card, model, problem or task.problem, task)
        self.spaces.close_model()

    def _load_options(self) -> LoadOptions:
        return LoadOptions(
            device=self.device, offline=self.request.offline, trust_remote_code=self.request.trust_remote_code
        )

    def _pair(
        self,
        card: ModelCard,
        model: Model | None,
        problem: VlmbenchError | None,
        task: PlannedTask,
    ) -> PairResult:
        started = datetime.now(timezone.utc)
        self.listener.pair_started(card.name, task.card.name)
        try:
            if model is None or task.question is None or problem is not None:
                raise problem or AssertionError("a pair without a model or a question has a problem")
            result = self._answer(model, task, task.question, started)
        except StoreError:  # nothing more can be recorded, so nothing more is worth computing
            raise
        except VlmbenchError as error:
            result = self._failed(card, task, error, started)
        except Exception as error:  # a model's or plugin's own bug: the pair's failure, not the run's
            logging.getLogger(__name__).info("unexpected error", exc_info=error)
            result = self._failed(card, task, unexpected(error), started)
        self.listener.pair_finished(result)
        return result

    def _answer(self, model: Model, task: PlannedTask, question: Question, started: datetime) -> PairResult:
        if reason := question.unsupported(model):
            raise UnsupportedError(f"{model.card.name} cannot be asked {task.card.name}: {reason}")
        if not self.request.force and (found := self._earlier(model, task, question)):
            return self._found(found)
        state = question.dataset.state()
        said: list[str] = []
        try:
            with gathered_warnings(said):
                engine = self._engine(model)
                memory = PeakMemory(str(model.device))
                with engine.timed("total"):
                    outcome = question.answer(engine)
                self.spaces.count(engine)
        finally:
            for message in said:
                self.listener.note(message)
        asked = {k: v for k, v in self.request.options.protocol.items() if k in task.plugin.protocol_fields}
        settings = {name: value for name, value in asked.items() if name in question.protocol(model)}
        unused = [f"{task.card.name}: {name} was set and plays no part" for name in asked if name not in settings]
        for message in (*unused, *outcome.warnings):
            self.listener.note(message)
        said += unused
        with engine.timed("record"):
            pairs = ((content, question.dataset.samples[index].target) for index, content in outcome.contents.items())
            content_fingerprint = fingerprint(pairs)
            identifier = self._id(model, task, question, content_fingerprint)
            predictions = _parquet(outcome.predictions, identifier, model, question, content_fingerprint)
        record = build_record(
            id=identifier,
            engine=engine,
            question=question,
            outcome=outcome,
            version=task_version(task.card, task.plugin),
            content_fingerprint=content_fingerprint,
            warnings=[*model.identity.notes, *task.warnings, *said],
            options=task.options,
            settings=settings,
            started=started,
            predictions_sha256=sha256(predictions).hexdigest(),
            peak_memory_bytes=memory.peak(),
        )
        path = self.store.write(record, predictions, outcome.visuals)
        self.store.clear_failure(model.card.name, task.card.name, self._plan_id(model.card, task))
        self.contents.put(question.dataset, state, sorted(outcome.contents), content_fingerprint)
        if self.request.options.visuals and not outcome.visuals:
            self.listener.note(f"{task.card.name}: a task of kind {task.card.plugin} draws no pictures")
        return PairResult(model.card.name, task.card.name, "done", record, path=path, visuals=self._pictures(record))

    def _found(self, record: Record) -> PairResult:
        """The pair's answer as it lies on disk; of pictures, those of the run that wrote it."""
        path = self._path(record)
        pictures = self._pictures(record)
        if self.request.options.visuals:
            there = "those of an earlier run are kept" if pictures else "there are none"
            self.listener.note(
                f"{record.model.name}, {record.task.name}: the record exists, and pictures are drawn only when a pair "
                f"runs: {there}; --force draws them anew"
            )
        return PairResult(record.model.name, record.task.name, "found", record, path=path, visuals=pictures)

    def _earlier(self, model: Model, task: PlannedTask, question: Question) -> Record | None:
        """The record that this pair would write again; of several, the one that left out fewest samples.

        Data is looked at only where a record exists whose id fits everything but the data.
        """
        records = self.store.pair_records(model.card.name, task.card.name)
        for record in sorted(records, key=lambda record: len(record.bad_samples)):
            if record.id != self._id(model, task, question, record.task.dataset.fingerprint):
                continue
            if self._answers(record, question):
                return self.store.find(model.card.name, task.card.name, record.id)
        return None

    def _answers(self, record: Record, question: Question) -> bool:
        """Whether the data is what the record scored, and what it left out would be left out again."""
        if record.bad_samples and not self.request.skip_bad:
            return False
        left_out = {bad.id: bad.content for bad in record.bad_samples}
        dataset = question.dataset
        try:
            if any(
                left_out[dataset.samples[index].id] != content_if_readable(dataset, index)
                for index in question.indices
                if dataset.samples[index].id in left_out
            ):
                return False
            return self.contents.get(dataset, question.indices, frozenset(left_out)) == record.task.dataset.fingerprint
        except BadSampleError:  # a sample that was scored can no longer be read
            return False

    def _engine(self, model: Model) -> FeatureEngine:
        settings = EngineSettings(
            precision=self.precision,
            batch_size=self.request.batch_size or (CPU_BATCH if self.device == "cpu" else ACCELERATOR_BATCH),
            workers=self.request.workers,
            skip_bad=self.request.skip_bad,
        )
        return FeatureEngine(model, settings, self.spaces, self.listener)

    def _id(self, model: Model, task: PlannedTask, question: Question, content_fingerprint: str) -> str:
        return run_id(
            cast(VisionLanguageModel, model),
            question,
            version=task_version(task.card, task.plugin),
            precision=self.precision,
            fingerprint=content_fingerprint,
            options=task.options,
        )

    def _plan_id(self, card: ModelCard, task: PlannedTask) -> str:
        return plan_id(card, task.card, task.options, self.precision)

    def _path(self, record: Record) -> Path:
        return self.store.folder(record.model.name, record.task.name) / f"{record.id}.json"

    def _pictures(self, record: Record) -> Path | None:
        """Where a record's pictures are, if any were asked for and are there."""
        folder = self.store.visuals(record)
        return folder if self.request.options.visuals and folder.is_dir() else None

    def _failed(self, card: ModelCard, task: PlannedTask, error: VlmbenchError, started: datetime) -> PairResult:
        status: Literal["failed", "unsupported"] = "unsupported" if isinstance(error, UnsupportedError) else "failed"
        failure = Failure(
            model=card.name,
            task=task.card.name,
            status=status,
            error=type(error).__name__,
            message=error.message,
            hint=error.hint,
            started=started.isoformat(timespec="seconds"),
            environment=environment(),
        )
        path = self.store.write_failure(failure, self._plan_id(card, task))
        code = error.exit_code if status == "failed" else 0
        return PairResult(card.name, task.card.name, status, failure=failure, path=path, exit_code=code)


def _parquet(table: pa.Table, identifier: str, model: Model, question: Question, content_fingerprint: str) -> bytes:
    """Predictions as a Parquet file that says of itself what they are."""
    described = {
        "run_id": identifier,
        "model": model.card.name,
        "task": question.card.name,
        "dataset_fingerprint": content_fingerprint,
    }
    sink = BytesIO()  # hands its bytes over without a copy
    described_table = table.replace_schema_metadata({"vlmbench": json.dumps(described)})
    repeating = [name for name in table.column_names if name not in UNIQUE_COLUMNS]
    pq.write_table(described_table, sink, compression="zstd", use_dictionary=repeating)
    return sink.getvalue()
