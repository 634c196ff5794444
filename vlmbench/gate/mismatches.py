"""All in which two records of one task differ that must be equal, and what each difference means."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, get_args

from vlmbench.errors import UsageError
from vlmbench.gate.outcome import Kind, Mismatch
from vlmbench.records import Record
from vlmbench.registry import did_you_mean

ALLOWABLE: tuple[Kind, ...] = tuple(kind for kind in get_args(Kind) if kind not in ("missing", "answers"))
"""What --allow takes: without records and answers of both sides there is nothing to compare."""
_OF_METRICS = frozenset({"metrics", "main_metric"})
"""Fields of a protocol that say what is measured, not how it is asked."""
_SCALE = "logit_scale"
_IMAGE_IDS, _PROPOSALS = "image_ids_sha256", "proposals_sha256"
_TRANSFORM, _TOKENIZER, _PRECISION = "image transform", "tokenizer", "precision"
_LONGEST = 60

_MEANINGS: dict[Kind, str] = {
    "dataset": "The samples or their labels are not the same, so that a difference may be the data's. "
    "Run both on one copy of the data.",
    "samples": "One side scored samples that the other did not. Run both with the same --limit, --stratified and "
    "--seed, on one copy of the data (a subset is drawn by place in it), and without --skip-bad.",
    "prompts": "Class names or templates differ, and another wording is worth points. Run both with one task card.",
    "protocol": "The question was asked another way. Run both with one task card and the same --set.",
    "version": "Numbers of two versions of a task are not comparable. Run the older side again.",
    "metric": "They answer with another metric. Name one that both have in the gate file, or run both with one card.",
    "precision": "Reduced precision changes answers. Run both with the same --precision.",
    "missing": "There is nothing to compare with.",
    "answers": "Without every sample's answer nothing can be paired.",
}


def check_allowed(kinds: Sequence[str]) -> tuple[Kind, ...]:
    """The kinds of difference that may be let pass.

    Raises:
        UsageError: there is no such kind.
    """
    for kind in kinds:
        if kind not in ALLOWABLE:
            raise UsageError(f"unknown --allow {kind!r}", hint=did_you_mean(kind, ALLOWABLE))
    return tuple(kind for kind in ALLOWABLE if kind in kinds)


def mismatches(baseline: Record, candidate: Record, metric: str | None = None) -> list[Mismatch]:
    """All in which two records of one task differ that must be equal, the tables of their answers aside.

    Without a metric, the main one of both is compared.
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
    """Precisions within a class are compared: fp32, and the two reduced ones."""
    return "fp32" if precision == "fp32" else "reduced"


def model_parts(baseline: Record, candidate: Record) -> tuple[list[str], list[str]]:
    """Which parts of the two models, and of how they were run, are the same, and which are not.

    Parts that are the same are evidence; whether the models behave alike is for the answers to say.
    """
    parts: dict[str, tuple[str, str]] = {
        "weights": (baseline.model.weights_sha256, candidate.model.weights_sha256),
        "architecture": (baseline.model.architecture, candidate.model.architecture),
        _TRANSFORM: (baseline.model.preprocess, candidate.model.preprocess),
        _TOKENIZER: (baseline.model.tokenizer, candidate.model.tokenizer),
        _PRECISION: (baseline.run.precision, candidate.run.precision),
    }
    equal = [name for name, (before, after) in parts.items() if before == after]
    return equal, [name for name in parts if name not in equal]


def asked_alike(unlike: Sequence[str]) -> bool:
    """Whether no part differs that turns the same images and words into other numbers: a difference in one of these is
    real, however small it is. Of other weights the scores tell.
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
    if before.dataset.fingerprint != after.dataset.fingerprint:
        yield mismatch("dataset", "task.dataset.fingerprint", _data(baseline), _data(candidate))
    if before.prompts_sha256 != after.prompts_sha256:
        yield mismatch("prompts", "task.prompts_sha256", before.prompts_sha256, after.prompts_sha256)
    old, new = _protocol(baseline, candidate)
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            yield mismatch("protocol", f"task.protocol.{name}", old.get(name, "–"), new.get(name, "–"))
    if precision_class(baseline.run.precision) != precision_class(candidate.run.precision):
        yield mismatch("precision", "run.precision", baseline.run.precision, candidate.run.precision)
    if metric is None and baseline.main_metric != candidate.main_metric:
        yield mismatch("metric", "main_metric", baseline.main_metric, candidate.main_metric)


def _protocol(baseline: Record, candidate: Record) -> tuple[dict[str, Any], dict[str, Any]]:
    """What of the protocols must be equal.

    The scale is the model's own, unless a user set it. Names of images matter only where proposals are found by them.
    """
    left_out = _OF_METRICS
    if not any(_SCALE in record.run.settings for record in (baseline, candidate)):
        left_out = left_out | {_SCALE}
    if not any(_PROPOSALS in record.task.protocol for record in (baseline, candidate)):
        left_out = left_out | {_IMAGE_IDS}

    def kept(record: Record) -> dict[str, Any]:
        # As JSON has it: a record just made may hold a tuple where one that was read has a list.
        plain = json.loads(json.dumps(record.task.protocol, default=str))
        return {name: value for name, value in plain.items() if name not in left_out}

    return kept(baseline), kept(candidate)


def _data(record: Record) -> str:
    data = record.task.dataset
    limited = f", --limit {record.run.limit} --seed {record.run.seed}" if record.run.limit else ""
    return f"{data.samples:,} samples of {data.source} {data.location} ({data.fingerprint[:12]}{limited})"


def _shown(value: object) -> str:
    """A value in a few words; of a long one its beginning and its length."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 2 * _LONGEST else f"{text[:_LONGEST]}… ({len(text):,} characters)"
