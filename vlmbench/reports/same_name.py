"""Gives different names to different models that share a name, so that no table row mixes their numbers.

Models share a name, for example, after a checkpoint was replaced. Every reader of a results folder gets these names.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from hashlib import sha256
from typing import TypeVar

from vlmbench.records import Summary
from vlmbench.remarks.base import Remark, remark
from vlmbench.remarks.codes import SEVERAL_MODELS

SummaryT = TypeVar("SummaryT", bound=Summary)
ModelKey = tuple[str, ...]
_PARTS = ("weights", "architecture", "transform", "tokenizer")
"""The parts of a model's key, in its order."""
_DIGITS = 8


def told_apart(records: Sequence[SummaryT], question: Callable[[Summary], Hashable]) -> list[SummaryT]:
    """The records, renamed so that each name belongs to one model.

    A name belongs to the model of its newest record. An older model gets a name that says what is different
    (``NAME (weights 0123abcd)``). If the newest model has answered all questions of an older one, the older one is left
    out. Records with such names get a remark. Imported records do not state their weights, and keep the name.

    Args:
        question: everything that makes the question of a record, without the model.
    """
    by_name: dict[str, dict[ModelKey, list[SummaryT]]] = {}
    for record in records:
        if record.imported is None:
            by_name.setdefault(record.model.name, {}).setdefault(record.model.key, []).append(record)
    labels = {name: _labels(models, question) for name, models in by_name.items() if len(models) > 1}
    found = []
    for record in records:
        names = labels.get(record.model.name) if record.imported is None else None
        if names is None:
            found.append(record)
        elif (label := names.get(record.model.key)) is not None:
            found.append(_labelled(record, label, len(by_name[record.model.name])))
    return found


def _labels(
    models: Mapping[ModelKey, Sequence[Summary]], question: Callable[[Summary], Hashable]
) -> dict[ModelKey, str]:
    """The name of each model. A model that the newest has replaced everywhere has no name."""
    newest = max(models, key=lambda key: max(record.run.started for record in models[key]))
    answered = {question(record) for record in models[newest]}
    kept = [key for key, own in models.items() if key == newest or not {question(record) for record in own} <= answered]
    name = models[newest][0].model.name
    return {key: name if key == newest else f"{name} ({_difference(key, newest)})" for key in kept}


def _difference(key: ModelKey, newest: ModelKey) -> str:
    """The parts in which a model differs from the newest, so that no two models have the same name."""
    parts = [(part, value) for part, value, other in zip(_PARTS, key, newest, strict=True) if value != other]
    return ", ".join(f"{part} {_short(part, value)}" for part, value in parts)


def _short(part: str, value: str) -> str:
    return (value if part == "weights" else sha256(value.encode()).hexdigest())[:_DIGITS]


def _labelled(record: SummaryT, label: str, models: int) -> SummaryT:
    model = record.model.renamed(label)
    said = (*record.remarks, _remark(record, models))
    return record.model_copy(update={"model": model, "remarks": said})


def _remark(record: Summary, models: int) -> Remark:
    weights = record.model.weights_sha256[:_DIGITS]
    return remark(
        SEVERAL_MODELS,
        f"the records under the name {record.model.name} are of {models} different models, and this one's weights are "
        f"{weights}",
        brief=f"1 of {models} models of this name, weights {weights}",
        count=models,
    )
