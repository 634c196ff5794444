"""Makes a record from the answer to a pair. Everything that can change a number goes into it. Runs use it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from vlmbench.asked import asked_remarks, happened
from vlmbench.cards import ModelCard, Role
from vlmbench.data.base import READING_RULES, ImageDataset
from vlmbench.features.engine import FeatureEngine
from vlmbench.features.images.batch import ImageTally
from vlmbench.models.base import Model, capability, lacks_encoders
from vlmbench.models.clip_encoder import ClipEncoder
from vlmbench.models.multi_vector import multi_vector
from vlmbench.records import DatasetInfo, GivenFile, ModelInfo, Predictions, Record, RunInfo, TaskInfo
from vlmbench.remarks.base import Remark
from vlmbench.remarks.codes import CHOICES
from vlmbench.run.identity import environment, full_protocol
from vlmbench.run.machine import machine_kind, processor_name
from vlmbench.tasks.base import Outcome, Question, TaskOptions, question_data
from vlmbench.tasks.subset import drawn


def build_record(
    *,
    id: str,
    engine: FeatureEngine,
    question: Question,
    outcome: Outcome,
    version: str,
    fingerprints: Mapping[Role, str],
    remarks: Iterable[Remark],
    options: TaskOptions,
    settings: dict[str, Any],
    started: datetime,
    predictions_sha256: str,
    peak_memory_bytes: int | None,
    answers: GivenFile | None = None,
) -> Record:
    """The record of one pair."""
    card, tally = question.card, engine.tally
    limit = options.limit if len(question.indices) < len(question.dataset.samples) else None
    record = Record(
        id=id,
        model=_model_info(engine.model, answers),
        task=TaskInfo(
            name=card.name,
            plugin=card.plugin,
            version=version,
            dataset=_dataset_info(
                question.dataset,
                len(outcome.contents),
                fingerprints["test"],
                card.samples,
                images_absent=outcome.images_absent,
            ),
            other_data={
                role: _dataset_info(used.dataset, len(outcome.other_contents[role]), fingerprints[role])
                for role, used in question_data(question).items()
                if role != "test"
            },
            prompts_sha256=question.prompts_sha256,
            protocol=full_protocol(engine.model, question, options),
        ),
        metrics=dict(outcome.metrics),
        main_metric=outcome.main_metric or card.main_metric,
        per_class=list(outcome.per_class),
        predictions=Predictions(file=f"{id}.parquet", rows=outcome.predictions.num_rows, sha256=predictions_sha256),
        run=RunInfo(
            started=started.isoformat(timespec="seconds"),
            seconds={stage: round(seconds, 3) for stage, seconds in engine.seconds.items()},
            images_per_second=_speed(tally, engine.seconds.get("images", 0.0)),
            peak_memory_bytes=peak_memory_bytes,
            device=str(engine.device),
            processor=processor_name(str(engine.device)),
            machine=machine_kind(),
            precision=engine.settings.precision,
            batch_size=engine.settings.batch_size,
            workers=engine.settings.decoding_threads,
            limit=limit,
            drawn=drawn(question.dataset.samples, options),
            seed=options.seed,
            settings=settings,
            cache=engine.cache_use(),
        ),
        environment=environment(),
        bad_samples=tally.bad,
        transfer=outcome.transfer,
        support={role: list(ids) for role, ids in outcome.support.items()},
    )
    return _with_remarks(record, remarks)


def _with_remarks(record: Record, said: Iterable[Remark]) -> Record:
    """The record with its remarks: how it was asked, and what happened. ``warnings`` repeat the latter."""
    every = tuple(dict.fromkeys([*asked_remarks(record), *happened(said)]))
    warnings = [remark.sentence for remark in every if remark.code not in CHOICES]
    return record.model_copy(update={"remarks": every, "warnings": warnings})


def _speed(tally: ImageTally, seconds: float) -> float | None:
    """Images a second, to six significant digits; None if some features come from an earlier run, or if there are
    none."""
    known = seconds and tally.computed and not tally.from_earlier
    return float(f"{tally.computed / seconds:.6g}") if known else None


def _dataset_info(
    dataset: ImageDataset,
    used: int,
    fingerprint: str,
    standard_samples: int | None = None,
    *,
    images_absent: bool = False,
) -> DatasetInfo:
    return DatasetInfo(
        source=dataset.info.kind,
        location=dataset.info.location,
        revision=dataset.info.revision,
        split=dataset.info.split,
        samples=used,
        drawn_from=len(dataset.samples),
        standard_samples=standard_samples,
        fingerprint=fingerprint,
        reading_rules=READING_RULES,
        images="absent" if images_absent else None,
    )


def _model_info(model: Model, answers: GivenFile | None) -> ModelInfo:
    card, identity = model.card, model.identity
    encoders = multi_vector(model) or (capability(model, ClipEncoder) if lacks_encoders(model) else None) or model
    return ModelInfo(
        name=card.name,
        adapter=card.adapter,
        spec=card.spec,
        options=card.options,
        weights_sha256=identity.weights_sha256,
        parameters=identity.parameters,
        architecture=identity.architecture,
        preprocess=identity.preprocess,
        tokenizer=identity.tokenizer,
        libraries=dict(identity.libraries),
        capabilities=sorted(model.capabilities),
        embedding_dim=getattr(encoders, "embedding_dim", getattr(model, "embedding_dim", None)),
        logit_scale=getattr(encoders, "logit_scale", None),
        logit_bias=getattr(model, "logit_bias", None),
        revision=identity.revision,
        answers=answers,
        card=described(card) if answers else {},
    )


def described(card: ModelCard) -> dict[str, Any]:
    """What the card beside answers that were made elsewhere says about the system, as their record keeps it."""
    return card.model_dump(mode="json", exclude_defaults=True, exclude={"name", "adapter", "spec", "options"})
