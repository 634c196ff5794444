"""Lists the fields that must be equal in two records of one task, how they differ, and what each difference means.

``vlmbench compare`` uses it before it compares answers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, get_args

from vlmbench.errors import UsageError
from vlmbench.gate.outcome import Kind, Mismatch
from vlmbench.records import Record
from vlmbench.registry import did_you_mean

ALLOWABLE: tuple[Kind, ...] = tuple(kind for kind in get_args(Kind) if kind not in ("missing", "answers"))
"""The values of --allow. Missing records and missing answers cannot be allowed: then there is nothing to compare."""
_OF_METRICS = frozenset({"metrics", "main_metric"})
"""Fields of a protocol that describe the measurement, not the question."""
_SIMILARITY = "similarity"
_OF_SEVERAL_VECTORS = frozenset({_SIMILARITY, "image_vectors", "text_vectors", "ensemble", "confidence"})
"""Fields that say how a model with several vectors an image compares. Other models have only the last."""
_SCALE = "logit_scale"
_CONFIDENCE = "confidence"
_IMAGE_IDS, _PROPOSALS = "image_ids_sha256", "proposals_sha256"
_TRANSFORM, _TOKENIZER, _PRECISION = "image transform", "tokenizer", "precision"
_LONGEST = 60

_MEANINGS: dict[Kind, str] = {
    "dataset": "The samples or their labels differ, so the data may cause a difference. "
    "Run both on one copy of the data.",
    "samples": "One side scored samples that the other did not score. Run both with the same --limit, --stratified and "
    "--seed, on one copy of the data (a subset depends on the order of the data), and without --skip-bad.",
    "prompts": "Class names or templates differ, and wording changes scores. Run both with one task card.",
    "protocol": "The protocols differ. Run both with one task card and the same --set.",
    "version": "Numbers of two versions of a task are not comparable. Run the older side again.",
    "metric": "The two have different metrics. Name a common metric in the gate file, or run both with one card.",
    "precision": "Reduced precision changes answers. Run both with the same --precision.",
    "missing": "One side has no record to compare.",
    "answers": "Without the answers to the samples, they cannot be paired.",
}


def check_allowed(kinds: Sequence[str]) -> tuple[Kind, ...]:
    """The kinds of difference that do not prevent a comparison.

    Raises:
        UsageError: a kind is unknown.
    """
    for kind in kinds:
        if kind not in ALLOWABLE:
            raise UsageError(f"unknown --allow {kind!r}", hint=did_you_mean(kind, ALLOWABLE))
    return tuple(kind for kind in ALLOWABLE if kind in kinds)


def mismatches(baseline: Record, candidate: Record, metric: str | None = None) -> list[Mismatch]:
    """The differences of two records of one task in fields that must be equal. Tables of answers are not read.

    Without a metric, the main metric of both is compared.
    """
    return list(_mismatches(baseline, candidate, metric))


def mismatch(kind: Kind, field: str, baseline: object, candidate: object, meaning: str = "") -> Mismatch:
    """A difference of this kind, with what it means."""
    return Mismatch(
        kind=kind,
        field=field,
        baseline=_shown(baseline),
        candidate=_shown(candidate),
        meaning=meaning or _MEANINGS[kind],
    )


def precision_class(precision: str) -> str:
    """The class of a precision. Only precisions of one class are compared: fp32, or the two reduced ones."""
    return "fp32" if precision == "fp32" else "reduced"


def model_parts(baseline: Record, candidate: Record) -> tuple[list[str], list[str]]:
    """The parts of the two models and of their runs that are equal, and those that differ.

    Equal parts are evidence only: the answers show whether the models behave the same. If answers were made elsewhere,
    only their files are known.
    """
    files = [record.model.answers for record in (baseline, candidate)]
    if any(files):
        same = files[0] is not None and files[1] is not None and files[0].sha256 == files[1].sha256
        return (["answers"], []) if same else ([], [])
    parts: dict[str, tuple[str, str]] = {
        "weights": (baseline.model.weights_sha256, candidate.model.weights_sha256),
        "architecture": (baseline.model.architecture, candidate.model.architecture),
        _TRANSFORM: (baseline.model.preprocess, candidate.model.preprocess),
        _TOKENIZER: (baseline.model.tokenizer, candidate.model.tokenizer),
        _PRECISION: (baseline.run.precision, candidate.run.precision),
    }
    equal = [name for name, (before, after) in parts.items() if before == after]
    return equal, [name for name in parts if name not in equal]


def covered_alike(baseline: Record, candidate: Record) -> bool:
    """Whether the fingerprints of both cover the images, or of both only ids and labels, so that they are comparable.

    If not, the tables of answers show whether ids and labels are equal. The content of the images cannot be compared.
    """
    return baseline.task.dataset.images == candidate.task.dataset.images


def asked_alike(unlike: Sequence[str]) -> bool:
    """Whether transform, tokenizer and precision are equal.

    If one differs, even a small difference of answers is real. Weights do not matter here: scores show their effect.
    """
    return not {_TRANSFORM, _TOKENIZER, _PRECISION} & set(unlike)


def _mismatches(baseline: Record, candidate: Record, metric: str | None) -> Iterator[Mismatch]:
    before, after = baseline.task, candidate.task
    if (before.plugin, before.version) != (after.plugin, after.version):
        yield mismatch(
            "version",
            "task.version",
            f"{before.plugin} {before.version}",
            f"{after.plugin} {after.version}",
        )
    if covered_alike(baseline, candidate) and before.dataset.fingerprint != after.dataset.fingerprint:
        yield mismatch("dataset", "task.dataset.fingerprint", _data(baseline), _data(candidate))
    if before.prompts_sha256 != after.prompts_sha256:
        yield mismatch("prompts", "task.prompts_sha256", before.prompts_sha256, after.prompts_sha256)
    old, new = _protocol(baseline, candidate)
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            yield mismatch("protocol", f"task.protocol.{name}", old.get(name, "–"), new.get(name, "–"))
    older, newer = (record.transfer.version if record.transfer else None for record in (baseline, candidate))
    if older != newer:
        meaning = "Numbers of two versions of a method are not comparable. Run the older side again."
        yield mismatch("version", "transfer.version", older, newer, meaning)
    beside, others = (record.transfer.other_weights if record.transfer else {} for record in (baseline, candidate))
    if beside != others:
        meaning = "The method used a second model, whose weights differ. Run both with the same second model."
        yield mismatch("protocol", "transfer.other_weights", beside, others, meaning)
    given = any(record.model.answers is not None for record in (baseline, candidate))  # their precision is not known
    if not given and precision_class(baseline.run.precision) != precision_class(candidate.run.precision):
        yield mismatch("precision", "run.precision", baseline.run.precision, candidate.run.precision)
    if metric is None and baseline.main_metric != candidate.main_metric:
        yield mismatch("metric", "main_metric", baseline.main_metric, candidate.main_metric)


def _protocol(baseline: Record, candidate: Record) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields of the protocols that must be equal.

    The scale belongs to the model, unless a user set it, and so does a similarity of several vectors. Names of images
    matter only if proposals are matched by them.
    """
    left_out = _OF_METRICS
    if not any(_SCALE in record.run.settings for record in (baseline, candidate)):
        left_out = left_out | {_SCALE}
    if any(_SIMILARITY in record.task.protocol for record in (baseline, candidate)):
        left_out = left_out | _OF_SEVERAL_VECTORS
    if not any(_PROPOSALS in record.task.protocol for record in (baseline, candidate)):
        left_out = left_out | {_IMAGE_IDS}

    if any(record.model.answers is not None for record in (baseline, candidate)):
        left_out = left_out | {_CONFIDENCE}

    def kept(record: Record) -> dict[str, Any]:
        # In the form of JSON: a new record may have a tuple where a record from a file has a list.
        plain = json.loads(json.dumps(record.task.protocol, default=str))
        return {name: value for name, value in plain.items() if name not in left_out}

    old, new = kept(baseline), kept(candidate)
    if any(record.model.answers is not None for record in (baseline, candidate)):
        both = old.keys() & new.keys()  # how the other system was asked is not known
        return {name: old[name] for name in both}, {name: new[name] for name in both}
    return old, new


def _data(record: Record) -> str:
    data = record.task.dataset
    limited = f", --limit {record.run.limit} --seed {record.run.seed}" if record.run.limit else ""
    return f"{data.samples:,} samples of {data.source} {data.location} ({data.fingerprint[:12]}{limited})"


def _shown(value: object) -> str:
    """A value in a few words. A long value is cut, and its length is added."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 2 * _LONGEST else f"{text[:_LONGEST]}… ({len(text):,} characters)"
