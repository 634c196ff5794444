"""What a predictions frame shows of classification: a row a sample, or a row a sample and candidate class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vlmbench.answers.columns import numbers, rows, runs
from vlmbench.answers.frame_columns import FrameColumn
from vlmbench.answers.frame_rows import CONTENT, SAMPLE, FrameRows, Values, class_names_of, has, items_of, present

SAMPLE_COLUMNS = (
    SAMPLE,
    CONTENT,
    FrameColumn("label", "Int64", "the true class, by its place in the classes' order; missing if it has several"),
    FrameColumn("class_name", "string", "the name of the true class"),
    FrameColumn("predicted", "Int64", "the class with the highest score"),
    FrameColumn("predicted_name", "string", "its name"),
    FrameColumn("correct", "boolean", "the predicted class is the true class, or one of them"),
    FrameColumn("rank", "Int64", "the place of the (best) true class among the candidates, from 1; missing if behind"),
    FrameColumn("score", "float64", "the predicted class's score: the cosine similarity, or the model's own logit"),
    FrameColumn("confidence", "float64", "the predicted class's probability, from the softmax of scaled scores"),
)
_CANDIDATE_COLUMNS = (
    SAMPLE,
    FrameColumn("rank", "Int64", "the candidate's place, from 1"),
    FrameColumn("candidate", "Int64", "the class, by its place in the classes' order"),
    FrameColumn("candidate_name", "string", "its name"),
    FrameColumn("score", "float64", "its score"),
    FrameColumn("correct", "boolean", "it is the true class, or one of them"),
)


def samples(table: pa.Table, class_names: Sequence[str]) -> dict[str, Values]:
    """A row a sample: what was true, what was answered, and how surely."""
    made = present(table, "sample", "content", "label", "confidence")
    if has(table, "label"):
        made["class_name"] = class_names_of(numbers(table, "label").astype(np.int64), class_names)
    if not has(table, "top"):
        return made
    top = rows(table, "top").astype(np.int64)
    made["predicted"] = top[:, 0]
    made["predicted_name"] = class_names_of(top[:, 0], class_names)
    if has(table, "top_scores"):
        made["score"] = rows(table, "top_scores")[:, 0].astype(np.float64)
    right = _right(table, top)
    if right is not None:
        made["correct"] = right[:, 0]
        made["rank"] = pa.array(right.argmax(axis=1) + 1, pa.int64(), mask=~right.any(axis=1))
    return made


def _candidates(table: pa.Table, class_names: Sequence[str]) -> dict[str, Values]:
    """A row a sample and candidate: the best classes, best first."""
    items, top = items_of(table, "top"), rows(table, "top").astype(np.int64)
    made = items.repeated(table, "sample")
    made["rank"] = items.places + 1
    made["candidate"] = top.ravel()
    made["candidate_name"] = class_names_of(top.ravel(), class_names)
    if has(table, "top_scores"):
        made["score"] = rows(table, "top_scores").ravel().astype(np.float64)
    right = _right(table, top)
    if right is not None:
        made["correct"] = right.ravel()
    return made


def _right(table: pa.Table, top: NDArray[np.int64]) -> NDArray[np.bool_] | None:
    """(N, K) whether each candidate is a true class; None where the table does not say what is true."""
    if has(table, "label"):
        right: NDArray[np.bool_] = top == numbers(table, "label").astype(np.int64)[:, None]
        return right
    if not has(table, "labels"):
        return None
    labels, lengths = runs(table, "labels")
    classes = int(max(top.max(initial=0), labels.max(initial=0))) + 1
    true = np.repeat(np.arange(len(top)), lengths) * classes + labels
    return np.isin(np.arange(len(top))[:, None] * classes + top, true)


CANDIDATES = FrameRows(
    "candidate", "one row a sample and candidate class: the best five, best first", _CANDIDATE_COLUMNS, _candidates
)
FRAMES = (FrameRows("sample", "one row a sample", SAMPLE_COLUMNS, samples), CANDIDATES)
