"""Defines a result of another program, and makes a record from it. The importers use it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from hashlib import sha256
from pathlib import Path
from reprlib import Repr
from typing import Any

from vlmbench._version import __version__
from vlmbench.cards import TaskCard
from vlmbench.errors import RecordError
from vlmbench.files import read_bytes
from vlmbench.interchange.files import MOST_BYTES
from vlmbench.records import (
    CacheUse,
    DatasetInfo,
    Environment,
    Imported,
    MetricValue,
    ModelInfo,
    Record,
    RunInfo,
    TaskInfo,
)

UNKNOWN = "unknown"
AS_IMPORTED = "as imported"
"""The precision of an imported record: the file does not state it. Tables show it, because it is not fp32."""
_shown = Repr()
"""Shortens long values in messages."""


@dataclass(frozen=True)
class ResultFile:
    """The file that a result was read from.

    Attributes:
        program: the program that wrote it.
        name: its name, without the folder.
        sha256: of its content.
        written: when it was last changed.
    """

    program: str
    name: str
    sha256: str
    written: str


@dataclass(frozen=True)
class Result:
    """One (model, task) pair that another program measured.

    Attributes:
        model: the model's name in vlmbench.
        task: the task's name in vlmbench.
        plugin: the kind of task, for a task without a card.
        metrics: metric names of vlmbench to values, which are fractions.
        spec: what open_clip would load.
        protocol: what the file says about how the question was asked.
        left_out: metrics of the file that have no number.
    """

    model: str
    task: str
    plugin: str
    metrics: Mapping[str, float]
    spec: str = ""
    protocol: Mapping[str, Any] = field(default_factory=dict)
    left_out: Sequence[str] = ()


def is_missing(value: object) -> bool:
    """Whether a metric has no number. Programs write NaN, in several spellings, if the data does not define it."""
    if isinstance(value, str):
        return value.strip().casefold() in _MISSING
    return value is None or (isinstance(value, float) and math.isnan(value))


_MISSING = frozenset(("", "nan", "-nan", "na", "n/a", "<na>", "null", "none"))


def fraction(value: object, where: str) -> float:
    """A metric's value, checked.

    Raises:
        RecordError: it is not a number in [0, 1].
    """
    try:
        number = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not 0 <= number <= 1:
        percent = "Percent must be divided by 100." if 1 < number <= 100 else None
        raise RecordError(f"{where} is {_shown.repr(value)}, which is not a fraction in [0, 1]", hint=percent)
    return number


def result_file(program: str, path: Path) -> ResultFile:
    """The facts of a file that its records keep.

    Raises:
        RecordError: it cannot be read.
    """
    try:
        content, changed = read_bytes(path, most=MOST_BYTES), path.stat().st_mtime
    except OSError as error:
        raise RecordError(f"{path}: cannot be read: {error.strerror or error}") from error
    written = datetime.fromtimestamp(changed, tz=timezone.utc).isoformat(timespec="seconds")
    return ResultFile(program, path.name, sha256(content).hexdigest(), written)


def to_record(result: Result, file: ResultFile, card: TaskCard | None) -> Record:
    """The record of an imported result. The same result always has the same id."""
    metrics = {
        name: MetricValue(value=value, n=card.samples or 0 if card else 0) for name, value in result.metrics.items()
    }
    identity = json.dumps(
        [file.program, result.model, result.task, dict(result.metrics), dict(result.protocol)], sort_keys=True
    )
    return Record(
        id=sha256(identity.encode()).hexdigest()[:16],
        model=_model(result),
        task=_task(result, card),
        metrics=metrics,
        main_metric=card.main_metric if card and card.main_metric in metrics else next(iter(metrics)),
        predictions=None,
        imported=Imported.model_validate({"from": file.program, "file": file.name, "sha256": file.sha256}),
        run=_run(file),
        environment=Environment(vlmbench=__version__, python="", platform="", packages={}),
        warnings=[
            f"imported from {file.program}: {file.name}; that program chose data, prompts and precision",
            *([left_out_note(result)] if result.left_out else []),
        ],
    )


def left_out_note(result: Result) -> str:
    """A note on the metrics that the record lacks."""
    names = ", ".join(result.left_out)
    return f"{result.model} on {result.task}: {names}: the file has no number (NaN), so the record lacks it"


def _model(result: Result) -> ModelInfo:
    return ModelInfo(
        name=result.model,
        adapter="open_clip",
        spec=result.spec,
        weights_sha256="",
        parameters=0,
        architecture="",
        preprocess="",
        tokenizer="",
        capabilities=[],
        embedding_dim=0,
        logit_scale=1.0,
        logit_bias=0.0,
    )


def _task(result: Result, card: TaskCard | None) -> TaskInfo:
    samples = card.samples if card else None
    return TaskInfo(
        name=result.task,
        plugin=card.plugin if card else result.plugin,
        version=f"{card.version if card else 0}.imported",
        dataset=DatasetInfo(
            source=UNKNOWN, location="", samples=samples or 0, standard_samples=samples, fingerprint=""
        ),
        prompts_sha256="",
        protocol=dict(result.protocol),
    )


def _run(file: ResultFile) -> RunInfo:
    return RunInfo(
        started=file.written,
        seconds={},
        images_per_second=None,
        device=UNKNOWN,
        precision=AS_IMPORTED,
        batch_size=0,
        seed=0,
        cache=CacheUse(),
    )
