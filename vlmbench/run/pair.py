"""Answers one job: a record with its predictions, or a failure. Executors call it.

It does not depend on its caller, and writes nothing to the results store.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from hashlib import sha256
from io import BytesIO
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from vlmbench.card_files import GIVEN_ANSWERS
from vlmbench.cards import Role
from vlmbench.data.base import Chosen, MayLackImages, content_if_readable, fingerprint, id_sha256, images_absent
from vlmbench.errors import BadSampleError, StrictError, UnsupportedError, VlmbenchError, unexpected
from vlmbench.features.done_elsewhere import DoneElsewhere, take_over
from vlmbench.features.engine import FeatureEngine
from vlmbench.features.images.parts import EncodedPart, encode_part
from vlmbench.features.peak_memory import PeakMemory
from vlmbench.features.saved_answers import SavedAnswers
from vlmbench.models.base import Model
from vlmbench.paths import safe_name
from vlmbench.record_parts.transfer import TransferQuestion
from vlmbench.records import Failure, Record
from vlmbench.remarks.base import Gathered, Remark, gathered_remarks, remark
from vlmbench.remarks.codes import BAD_SAMPLES, NO_VALUE, SETTING_UNUSED, WARNING, is_strict
from vlmbench.run.assemble import build_record
from vlmbench.run.identity import environment, run_id, task_version
from vlmbench.run.job import EarlierRecord, Job
from vlmbench.run.listener import Status
from vlmbench.run.opened import OpenedTask
from vlmbench.run.process_state import ProcessState
from vlmbench.tasks.base import (
    DrawPictures,
    EncodesImages,
    Outcome,
    Question,
    TaskPlugin,
    UsesOtherModels,
    question_data,
    settings_in_use,
)
from vlmbench.tasks.given.base import answered, given_file, given_sha256, made_elsewhere, unsupported
from vlmbench.wording import counted, either

UNIQUE_COLUMNS = ("sample", "content")
"""Columns without a dictionary: their values never repeat, so a dictionary only costs memory."""


@dataclass(frozen=True)
class PairAnswer:
    """The answer to a job.

    Attributes:
        status: done, found among the earlier records, failed, or unsupported.
        record: the record of a job that is done. The driver adds the record that was found.
        predictions: the Parquet file beside the record.
        pictures: draws the requested pictures; None if no pictures were requested.
        found: the id of the earlier record that answers the job.
        failure: the reason, if the job failed or is unsupported.
        exit_code: the exit code of this answer alone.
        log: what workers wrote while they did the job, see :func:`vlmbench.run.pool.log_text.pair_log`.
    """

    number: int
    status: Status
    record: Record | None = None
    predictions: bytes = b""
    pictures: DrawPictures | None = None
    found: str | None = None
    failure: Failure | None = None
    exit_code: int = 0
    log: str = ""


def answer_job(job: Job, state: ProcessState, done: DoneElsewhere | None = None) -> PairAnswer:
    """Carry out one job. Any error becomes a failure of the job and does not stop the run.

    Args:
        state: the models and datasets that this process has loaded.
        done: what other workers have done of it.
    """
    started = datetime.now(timezone.utc)
    try:
        pair = _load(job, state, done)
        earlier = _earlier(pair)
        return PairAnswer(job.number, "found", found=earlier.id) if earlier else _answer(pair, started)
    except Exception as error:  # a bug in a model or plugin too: it fails the pair, not the run
        return failed(job, unexpected(error), started)


@dataclass(frozen=True)
class _Pair:
    """A job with its loaded model and its question.

    Attributes:
        others: the models that the answer uses beside ``model``, by name.
        settings: the fields of the protocol that the user set and the question uses.
        unused: a remark on fields that the question does not use.
        done: what other workers have done of it.
    """

    job: Job
    state: ProcessState
    model: Model
    others: Mapping[str, Model]
    task: OpenedTask
    question: Question
    settings: Mapping[str, Any]
    unused: tuple[Remark, ...]
    done: DoneElsewhere

    @property
    def data(self) -> dict[Role, Chosen]:
        return question_data(self.question)

    @property
    def known_remarks(self) -> tuple[Remark, ...]:
        """The remarks that are known before the question is asked. They hold for a found record too."""
        of_others = [remark for name in self.others for remark in self.state.remarks_of_other(name)]
        return (*self.state.model_remarks, *of_others, *self.task.remarks, *self.unused)

    @property
    def name(self) -> str:
        return f"{self.job.model.name} on {self.job.task.name}"

    def run_id(self, fingerprints: Mapping[Role, str]) -> str:
        return run_id(
            self.model,
            self.question,
            version=task_version(self.task.card, self.task.plugin),
            precision=self.job.settings.precision,
            fingerprint=fingerprints["test"],
            options=self.task.options,
            other_fingerprints={role: found for role, found in fingerprints.items() if role != "test"},
            other_models=self.others,
            answers=given_sha256(self.question, self.model),
        )


def encode_images(job: Job, state: ProcessState, start: int, stop: int, *, carry: bool) -> EncodedPart | None:
    """Encode some of the images of a job into the feature cache.

    Args:
        start: the first of them, as a position among the samples that the question encodes.
        stop: the position after the last.
        carry: whether their features are returned too.

    Returns:
        None if this model is not asked with features of whole images, or if the cache cannot keep them.

    Raises:
        VlmbenchError: as the pair itself will raise it.
    """
    pair = _load(job, state)
    chosen = pair.question.encoded(pair.model) if isinstance(pair.question, EncodesImages) else None
    if chosen is None:
        return None
    engine = state.engine(pair.model)
    with gathered_remarks(WARNING):  # they are kept in the cache, and are made again when the pair is answered
        part = encode_part(engine, chosen.dataset, chosen.indices[start:stop], carry=carry)
    state.count_features(engine)
    return part


def _load(job: Job, state: ProcessState, done: DoneElsewhere | None = None) -> _Pair:
    task = state.task(job.task, job.options, images_optional=job.model.adapter == GIVEN_ANSWERS)
    if task.question is None:
        raise (
            state.model_problem(job.model) or task.problem or AssertionError("a task without a question has a problem")
        )
    model = state.model(job.model)
    if reason := unsupported(task.question, model):
        raise UnsupportedError(f"{job.model.name} cannot be asked {job.task.name}: {reason}")
    dataset = task.question.dataset
    if isinstance(dataset, MayLackImages) and dataset.no_images is not None and not made_elsewhere(model):
        raise dataset.no_images
    settings, unused = _settings_used(job, task.plugin, task.question, model)
    names = task.question.other_models if isinstance(task.question, UsesOtherModels) else ()
    others = {name: state.other_model(name) for name in names}
    pair = _Pair(job, state, model, others, task, task.question, settings, unused, done or DoneElsewhere())
    for said in unused:
        state.listener.remark(pair.name, said)
    _check_strict(pair, pair.known_remarks)
    return pair


def _check_strict(pair: _Pair, remarks: Iterable[Remark]) -> None:
    """Refuse strict remarks under ``--strict``, before any work if they are known by then.

    Raises:
        StrictError: there is a strict remark.
    """
    strict = [remark for remark in remarks if is_strict(remark)] if pair.job.settings.strict else []
    if strict:
        said = "; ".join(f"{remark.sentence} [{remark.code}]" for remark in strict[:5])
        if len(strict) > 5:
            said += f"; and {len(strict) - 5} more"
        count = counted(len(strict), "remark")
        raise StrictError(
            f"{count} under --strict: {said}",
            hint="Fix the causes, or run without --strict and read the record.",
        )


def _earlier(pair: _Pair) -> EarlierRecord | None:
    """The earlier record that this pair would write again.

    Data is read only if there is a record whose id fits everything but the data. Remarks of that reading are in the
    record. If no record fits, the question is asked, which reads the data again.
    """
    if not all(model.identity.answers_again for model in (pair.model, *pair.others.values())):
        return None
    with gathered_remarks(WARNING):
        for earlier in pair.job.earlier:
            fingerprints = _fingerprints_of(earlier, pair.data)
            if fingerprints and earlier.id == pair.run_id(fingerprints) and _same_data(earlier, fingerprints, pair):
                return earlier
    return None


def _fingerprints_of(earlier: EarlierRecord, data: Mapping[Role, Chosen]) -> dict[Role, str] | None:
    found = {"test": earlier.fingerprint, **dict(earlier.other_fingerprints)}
    return {role: found[role] for role in data} if found.keys() == data.keys() else None


def _same_data(earlier: EarlierRecord, fingerprints: Mapping[Role, str], pair: _Pair) -> bool:
    """Whether the data is the same as the record's, and the same samples would be left out again."""
    if earlier.bad_samples and not pair.job.settings.skip_bad:
        return False
    left_out = {bad.id: bad.content for bad in earlier.bad_samples}
    try:
        if earlier.images_absent:
            return _same_ids(fingerprints["test"], pair.question, left_out)
        for role, data in pair.data.items():
            samples = data.dataset.samples
            bad = [index for index in data.indices if samples[index].id in left_out]
            if any(left_out[samples[index].id] != content_if_readable(data.dataset, index) for index in bad):
                return False
            if pair.state.contents.get(data.dataset, data.indices, frozenset(left_out)) != fingerprints[role]:
                return False
    except BadSampleError:  # a sample that the record used can no longer be read
        return False
    return True


def _same_ids(known: str, question: Question, left_out: Collection[str]) -> bool:
    """Whether a fingerprint of ids and labels is that of the question, whose images are absent."""
    dataset, samples = question.dataset, question.dataset.samples
    indices = [index for index in question.indices if samples[index].id not in left_out]
    return images_absent(dataset, indices) and known == fingerprint(
        (id_sha256(dataset, index), samples[index].target) for index in indices
    )


def _answer(pair: _Pair, started: datetime) -> PairAnswer:
    files_before = {role: data.dataset.state() for role, data in pair.data.items()}
    asked = _ask(pair)
    with asked.engine.timed("record"):
        fingerprints = _fingerprints(asked.outcome, pair.data)
        identifier = pair.run_id(fingerprints)
        predictions = _parquet(asked.outcome.predictions, identifier, pair, fingerprints["test"])
    record = build_record(
        id=identifier,
        answers=given_file(pair.question, pair.model),
        engine=asked.engine,
        question=pair.question,
        outcome=asked.outcome,
        version=task_version(pair.task.card, pair.task.plugin),
        fingerprints=fingerprints,
        remarks=[*pair.known_remarks, *asked.said],
        options=pair.task.options,
        settings=dict(pair.settings),
        started=started,
        predictions_sha256=sha256(predictions).hexdigest(),
        peak_memory_bytes=asked.memory.peak() if asked.memory else None,
    )
    for said in record.remarks:
        if said.code in (BAD_SAMPLES.name, NO_VALUE.name):  # known now, but not yet remarked
            pair.state.listener.remark(pair.name, said)
    _check_strict(pair, record.remarks)
    for role, data in pair.data.items():
        if asked.outcome.images_absent:
            continue
        used = sorted(_contents(asked.outcome, role))
        pair.state.contents.put(data.dataset, files_before[role], used, fingerprints[role])
    return PairAnswer(pair.job.number, "done", record, predictions, asked.outcome.visuals)


@dataclass(frozen=True)
class _Asked:
    """An answer with its costs: the engine, the memory, and the remarks made on the way."""

    engine: FeatureEngine
    memory: PeakMemory | None
    outcome: Outcome
    said: list[Remark] = field(default_factory=list)


def _ask(pair: _Pair) -> _Asked:
    """The plugin's answer. The listener gets the remarks even if the plugin fails."""
    said = Gathered()
    try:
        with gathered_remarks(WARNING, said):
            engine = pair.state.engine(pair.model)
            take_over(pair.done, engine)
            if pair.job.save_answers is not None:
                engine.saving = SavedAnswers(pair.job.save_answers, safe_name(pair.job.task.name))
            memory = PeakMemory(str(pair.model.device)) if pair.job.settings.measure_memory else None
            with engine.timed("total"):
                outcome = answered(pair.question, engine, pair.state.hashes)
            pair.state.count_features(engine)
            if engine.saving is not None and not engine.saving.written:
                pair.state.listener.note(f"{pair.name}: there is no file of its answers: {_not_saved(pair)}")
    finally:
        for remark in said.remarks:
            pair.state.listener.remark(pair.name, remark)
    return _Asked(engine, memory, outcome, said.remarks)


def _not_saved(pair: _Pair) -> str:
    if made_elsewhere(pair.model):
        return "they were read from a file"
    return f"the kind of task {pair.question.card.plugin!r} cannot save answers"


def _settings_used(
    job: Job, plugin: TaskPlugin, question: Question, model: Model
) -> tuple[Mapping[str, Any], tuple[Remark, ...]]:
    """The fields of the protocol that the user set and the question uses, and a remark on the unused ones."""
    in_use = settings_in_use(question, model)
    chosen = {name: value for name, value in job.options.protocol.items() if name in plugin.protocol_fields}
    used = {name: value for name, value in chosen.items() if name in in_use}
    unused = sorted(chosen.keys() - used.keys())
    if not unused:
        return used, ()
    count = len(unused)
    text = f"{counted(count, 'setting')} {either(count, 'plays', 'play')} no part in {job.task.name}"
    return used, (remark(SETTING_UNUSED, text, count=count, examples=unused),)


def _contents(outcome: Outcome, role: Role) -> Mapping[int, str]:
    return outcome.contents if role == "test" else outcome.other_contents[role]


def _fingerprints(outcome: Outcome, data: Mapping[Role, Chosen]) -> dict[Role, str]:
    return {
        role: fingerprint(
            (content, used.dataset.samples[index].target) for index, content in _contents(outcome, role).items()
        )
        for role, used in data.items()
    }


def _parquet(table: pa.Table, identifier: str, pair: _Pair, content_fingerprint: str) -> bytes:
    """Predictions as a Parquet file whose metadata describes them."""
    described = {
        "run_id": identifier,
        "model": pair.model.card.name,
        "task": pair.question.card.name,
        "dataset_fingerprint": content_fingerprint,
    }
    sink = BytesIO()  # returns its bytes without a copy
    described_table = table.replace_schema_metadata({"vlmbench": json.dumps(described)})
    repeating = [name for name in table.column_names if name not in UNIQUE_COLUMNS]
    pq.write_table(described_table, sink, compression="zstd", use_dictionary=repeating)
    return sink.getvalue()


def failed(job: Job, error: VlmbenchError, started: datetime) -> PairAnswer:
    """The answer to a job that failed."""
    unsupported = isinstance(error, UnsupportedError)
    transfer = job.options.transfer
    failure = Failure(
        model=job.model.name,
        task=job.task.name,
        transfer=TransferQuestion.of(transfer.protocol) if transfer.adapts else None,
        status="unsupported" if unsupported else "failed",
        error=type(error).__name__,
        message=error.message,
        hint=error.hint,
        started=started.isoformat(timespec="seconds"),
        environment=environment(),
    )
    return PairAnswer(job.number, failure.status, failure=failure, exit_code=0 if unsupported else error.exit_code)
