"""Scores of classes that were made elsewhere: reads them, matches them with samples and classes, and writes our own.

Classification and rare actions use it. The answers take the same way to metrics as those of a model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from vlmbench.class_names import listing, normalise
from vlmbench.data.base import ImageDataset
from vlmbench.errors import ModelError
from vlmbench.features.engine import FeatureEngine
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import OTHER_CATEGORIES
from vlmbench.tasks.classification.scores import TOP, Needed, Scored, no_temperature, truth
from vlmbench.tasks.columns import fixed_lists, strings
from vlmbench.tasks.given.base import GivenAnswers
from vlmbench.tasks.given.contents import given_contents
from vlmbench.tasks.given.matching import Matcher, refuse_or_leave_out
from vlmbench.tasks.given.tables import METADATA, NAMES, GivenTable, checked, read_table
from vlmbench.wording import counted, either

SUFFIXES = (".parquet", ".csv", ".tsv", ".npz")
"""The files of answers. Runs write the first."""
_SCORES = ("scores", "logits", "probabilities", "probs", "similarities")
_BEST = ("prediction", "predicted", "pred", "predictions", "preds", "label", "class", "labels")
"""The columns that may hold the best class. Files that also hold the truth call that one a label or a class."""
_CONFIDENCE = ("confidence", "score", "probability", "confidences")
_SUM = 1e-3
"""How far the sum of probabilities in a file may be from 1, for rounding of printed numbers."""
_BLOCK = 4096
UNKNOWN_KIND = (
    "the answers do not say whether their scores are probabilities or logits; write `options: {scores: …}` in the card "
    "beside them"
)
ONLY_BEST = "the answers have only the best class of each sample"
ONLY_LABELS = "the answers have no confidences"


@dataclass(frozen=True)
class ClassAnswers:
    """The answers in a file, N rows for C classes.

    Attributes:
        names: the name of the sample of each row.
        scores: (N, C); None if only the best class is known.
        best: (N,) the best class; None if the scores tell it.
        confidence: (N,) the probability of the best class; None if the scores tell it, or if it is not known.
        kind: what the scores are: "logits", "probabilities", "similarities"; None: not known.
        logit_scale: the factor of the scores before a softmax; None: not known.
    """

    names: Sequence[str]
    scores: npt.NDArray[np.float32] | None
    best: npt.NDArray[np.int64] | None = None
    confidence: npt.NDArray[np.float64] | None = None
    kind: str | None = None
    logit_scale: float | None = None

    @property
    def scale(self) -> float | None:
        """The factor before a softmax; 0 if the scores are probabilities; None if it is not known."""
        if self.kind == "probabilities":
            return 0.0
        return self.logit_scale or (1.0 if self.kind == "logits" else None)


def scored_answers(
    engine: FeatureEngine,
    given: GivenAnswers,
    dataset: ImageDataset,
    indices: Sequence[int],
    class_names: Sequence[str],
    *,
    multi_label: bool,
    keep_scores: bool,
) -> Scored:
    """Read the answers to some samples.

    Raises:
        ModelError: the file cannot be used, or lacks answers.
        BadSampleError: an image cannot be read, and ``skip_bad`` is off.
    """
    with engine.timed("answers"):
        answers = read_answers(given, class_names)
        if multi_label and answers.scores is None:
            raise ModelError(f"{given.path}: an image may have several classes, so each class needs a score")
        rows = Matcher(dataset, str(given.path)).rows(answers.names)
    contents = given_contents(engine, dataset, indices, given)
    asked = contents.indices
    missing = [dataset.samples[index].id for index in asked[rows[asked] < 0]]
    refuse_or_leave_out(missing, len(asked), given.missing, str(given.path), str(given.path.parent))
    contents = contents.only(rows[asked] >= 0)
    own = rows[contents.indices]
    labels, targets = truth(dataset, contents.indices, len(class_names), multi_label)
    common: dict[str, Any] = {
        "indices": contents.indices,
        "contents": contents,
        "labels": labels,
        "targets": targets,
        "num_classes": len(class_names),
    }
    if answers.scores is None:
        assert answers.best is not None  # the file has one of the two
        known = answers.confidence is not None
        return Scored(
            **common,
            top=answers.best[own].astype(np.int32)[:, None],
            top_scores=None,
            confidence=None if answers.confidence is None else answers.confidence[own].astype(np.float32),
            scores=None,
            logit_scale=0.0,
            lacks={"order": ONLY_BEST, "scores": ONLY_BEST, **({} if known else {"confidence": ONLY_LABELS})},
        )
    scores = answers.scores[own]
    top, top_scores, confidence = _best(scores, answers.scale)
    lacks: dict[Needed, str] = {}
    if answers.scale is None:
        lacks = {"confidence": UNKNOWN_KIND, "probabilities": UNKNOWN_KIND}
    elif answers.kind == "similarities":
        lacks = no_temperature(answers.scale)
    return Scored(
        **common,
        top=top,
        top_scores=top_scores,
        confidence=confidence,
        scores=scores if keep_scores else None,
        logit_scale=1.0 if answers.scale is None else answers.scale,
        lacks=lacks,
    )


def _best(
    scores: npt.NDArray[np.float32], scale: float | None
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32], npt.NDArray[np.float32] | None]:
    """The best classes, their scores, and the probability of the best, as :func:`.scores.score` computes them."""
    kept = min(TOP, scores.shape[1])
    top, best = np.empty((len(scores), kept), np.int32), np.empty((len(scores), kept), np.float32)
    confidence = np.empty(len(scores), np.float32)
    for start in range(0, len(scores), _BLOCK):
        rows = slice(start, start + _BLOCK)
        block = torch.from_numpy(np.ascontiguousarray(scores[rows]))
        values, classes = block.topk(kept, dim=1)
        top[rows], best[rows] = classes.numpy(), values.numpy()
        if scale is not None:
            chances = (scale * block).softmax(dim=1) if scale else block
            confidence[rows] = chances.amax(dim=1).numpy()
    return top, best, None if scale is None else confidence


def read_answers(given: GivenAnswers, class_names: Sequence[str]) -> ClassAnswers:
    """Read the scores or the best class of each sample.

    Raises:
        ModelError: the file is no table, has no names of samples, or its classes are not those of the task.
    """
    table = read_table(given.path, texts=(*_BEST, *_SCORES))
    columns = _class_columns(table, class_names)
    named = [name for name in table.columns if name not in columns]
    rest = GivenTable(table.where, {name: table.columns[name] for name in named}, table.facts)
    names = rest.named(NAMES)
    if names is None:
        raise ModelError(
            f"{given.path}: no column names the samples; it has {listing(map(repr, table.columns))}",
            hint="Name the column of ids or file names 'sample'.",
        )
    samples = table.texts(names)
    if columns:
        _tell_of_other_columns(rest)
        with np.errstate(over="ignore"):
            scores = np.stack([table.numbers(name) for name in columns], axis=1).astype(np.float32)
        return _with_kind(given, table, samples, checked(scores, table.where), None)
    if (name := rest.named(_SCORES)) is not None:
        return _with_kind(given, table, samples, _in_order(table, table.lists(name), class_names), name.casefold())
    if (name := rest.named([each for each in _BEST if each != names])) is not None:
        best = _labels(table, name, class_names)
        sure = rest.named(_CONFIDENCE)
        confidence = None if sure is None else table.numbers(sure)
        if confidence is not None and not ((confidence >= 0) & (confidence <= 1)).all():
            row = int(np.flatnonzero((confidence < 0) | (confidence > 1))[0])
            raise ModelError(f"{given.path}: row {row + 1:,}: a confidence is from 0 to 1, not {confidence[row]:g}")
        _same_rows(given.path, len(samples), best=len(best), confidence=None if confidence is None else len(confidence))
        return ClassAnswers(samples, None, best, confidence)
    raise ModelError(
        f"{given.path}: it has no column for each of the {counted(len(class_names), 'class', 'classes')}, no "
        f"'scores' and no 'prediction'; it has {listing(map(repr, table.columns))}",
        hint=f"Columns of classes are named after them, such as {class_names[0]!r}, or by their index from 0.",
    )


def _with_kind(
    given: GivenAnswers,
    table: GivenTable,
    names: Sequence[str],
    scores: npt.NDArray[np.float32],
    column: str | None,
) -> ClassAnswers:
    """Scores with what they are: as the card says, or the file, or as their sums tell."""
    _same_rows(given.path, len(names), scores=len(scores))
    said = {"logits": "logits", "probabilities": "probabilities", "probs": "probabilities"}
    kind = given.scores or table.facts.get("scores") or said.get(column or "")
    scale = given.logit_scale if given.logit_scale is not None else table.facts.get("logit_scale")
    sums_to_one = bool((scores >= 0).all()) and bool(np.abs(scores.sum(axis=1, dtype=np.float64) - 1).max() <= _SUM)
    if kind is None and scale is None and sums_to_one:
        kind = "probabilities"
    if kind == "probabilities" and not ((scores >= 0) & (scores <= 1 + _SUM)).all():
        row = int(np.flatnonzero(~((scores >= 0) & (scores <= 1 + _SUM)).all(axis=1))[0])
        raise ModelError(f"{given.path}: row {row + 1:,}: a probability is from 0 to 1")
    if kind == "probabilities":
        scale = None
    if scale is not None:
        if not isinstance(scale, int | float) or not 0 < scale < float("inf"):
            raise ModelError(f"{given.path}: its logit_scale is {scale!r}, not a number above 0")
        kind = kind or "similarities"
    return ClassAnswers(names, scores, kind=kind, logit_scale=scale)


def _tell_of_other_columns(rest: GivenTable) -> None:
    """Make a remark about columns that seem to be scores of classes that the task does not have."""
    known = {*NAMES, *_BEST, *_SCORES, *_CONFIDENCE}
    others = [
        name
        for name, column in rest.columns.items()
        if name.casefold() not in known and isinstance(column, pa.Array) and pa.types.is_floating(column.type)
    ]
    if others:
        count = len(others)
        say(
            OTHER_CATEGORIES,
            f"{counted(count, 'column')} of {rest.where} {either(count, 'is not a class', 'are not classes')} of the "
            f"task, and {either(count, 'was', 'were')} not used",
            brief=f"{counted(count, 'other column')}",
            count=count,
            examples=others,
        )


def _same_rows(path: Path, names: int, **others: int | None) -> None:
    for what, count in others.items():
        if count is not None and count != names:
            raise ModelError(f"{path}: it has {counted(names, 'name')} of samples, but {count:,} rows of {what}")


def _class_columns(table: GivenTable, class_names: Sequence[str]) -> list[str]:
    """The columns of the C classes in label order: by name, or by index. Empty if no class has a column.

    Raises:
        ModelError: some classes have a column and others have none.
    """
    there = {name: name for name in table.columns}
    folded = {normalise(name): name for name in reversed(list(table.columns))}
    keys = [normalise(name) for name in class_names]
    if len(set(keys)) < len(keys):  # two classes of one name: only indices tell them apart
        by_name = []
    else:
        by_name = [there.get(name) or folded.get(key) for name, key in zip(class_names, keys, strict=True)]
    if by_name and all(by_name) and len(set(by_name)) == len(by_name):
        return [name for name in by_name if name]
    numbers = [there.get(str(index)) for index in range(len(class_names))]
    if all(numbers):
        if str(len(class_names)) in there:
            count = sum(name.isdecimal() for name in there)
            raise ModelError(
                f"{table.where}: it has columns of {count:,} classes, but the task has {len(class_names):,}"
            )
        return [name for name in numbers if name]
    for found, what in ((by_name, "named after"), (numbers, "numbered as")):
        some = [name for name in found if name and name.casefold() not in {*NAMES, *_BEST, *_SCORES, *_CONFIDENCE}]
        if some:
            lost = [name for name, own in zip(class_names, found, strict=True) if own is None]
            raise ModelError(
                f"{table.where}: {counted(len(some), 'column')} {'is' if len(some) == 1 else 'are'} {what} classes, "
                f"but {counted(len(lost), 'class', 'classes')} of the task "
                f"{'has' if len(lost) == 1 else 'have'} no column: {listing(map(repr, lost))}"
            )
    return []


def _in_order(
    table: GivenTable, scores: npt.NDArray[np.float32], class_names: Sequence[str]
) -> npt.NDArray[np.float32]:
    """Scores in lists, in the order of the task's classes.

    Raises:
        ModelError: their number or their names are not those of the task.
    """
    if scores.shape[1] != len(class_names):
        raise ModelError(
            f"{table.where}: it has scores of {scores.shape[1]:,} classes, but the task has {len(class_names):,}"
        )
    stated = table.facts.get("classes")
    if stated is None or stated == list(class_names):
        return scores
    if not isinstance(stated, list):
        raise ModelError(f"{table.where}: 'classes' must be a list of names, not {stated!r}")
    places: dict[str, int] = {}
    for place, name in enumerate(map(str, stated)):
        places.setdefault(normalise(name), place)
    if len(places) == len(stated) == len(class_names) and {*places} == {normalise(name) for name in class_names}:
        return scores[:, [places[normalise(name)] for name in class_names]]
    known = {normalise(name) for name in class_names}
    others = [str(name) for name in stated if normalise(str(name)) not in known]
    raise ModelError(
        f"{table.where}: its classes are not those of the task: "
        + (listing(map(repr, others)) if others else f"{len(stated):,} names for {len(class_names):,} classes")
    )


def _labels(table: GivenTable, name: str, class_names: Sequence[str]) -> npt.NDArray[np.int64]:
    """The best class of each row, from names or indices of classes.

    Raises:
        ModelError: a row has something else.
    """
    exact, folded = _by_name(class_names), _by_name([normalise(own) for own in class_names])
    indices = {str(index): [index] for index in range(len(class_names))}
    found = np.empty(len(table.columns[name]), dtype=np.int64)
    for row, text in enumerate(table.texts(name)):
        labels = exact.get(text) or folded.get(normalise(text)) or indices.get(text.strip().lstrip("0") or "0", [])
        if len(labels) != 1:
            what = f"the name of {len(labels):,} classes" if labels else "not a class"
            raise ModelError(
                f"{table.where}: row {row + 1:,}: {text!r} is {what} of the task",
                hint=f"A class is its name, such as {class_names[0]!r}, or its index from 0 to {len(class_names) - 1}.",
            )
        found[row] = labels[0]
    return found


def _by_name(names: Sequence[str]) -> Mapping[str, list[int]]:
    found: dict[str, list[int]] = {}
    for label, name in enumerate(names):
        found.setdefault(name, []).append(label)
    return found


def save_scores(engine: FeatureEngine, scored: Scored, dataset: ImageDataset, class_names: Sequence[str]) -> None:
    """Write all scores of an answer to the place of the engine's answers, if it has one."""
    if engine.saving is None:
        return
    assert scored.scores is not None  # kept because the answers are saved
    facts: Mapping[str, Any] = {
        "scores": "similarities",
        "logit_scale": scored.logit_scale,
        "classes": list(class_names),
    }
    table = pa.table(
        {
            "sample": strings(dataset.samples[index].id for index in scored.indices),
            "scores": fixed_lists(scored.scores),
        }
    ).replace_schema_metadata({METADATA: json.dumps(facts).encode()})
    with engine.saving.new(SUFFIXES[0]) as path:
        pq.write_table(table, path, compression="zstd", use_dictionary=False)
