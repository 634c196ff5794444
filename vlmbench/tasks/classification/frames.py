"""The views of :func:`vlmbench.predictions_frame` for classification. Rare actions use them too.

One view has a row for each sample, the other a row for each sample and candidate class.
"""

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
    FrameColumn("label", "Int64", "the index of the true class; missing in multi-label data"),
    FrameColumn("class_name", "string", "the name of the true class"),
    FrameColumn("predicted", "Int64", "the index of the class with the highest score"),
    FrameColumn("predicted_name", "string", "the name of the predicted class"),
    FrameColumn("correct", "boolean", "whether the predicted class is a true class of the sample"),
    FrameColumn(
        "rank",
        "Int64",
        "the rank of the best true class among the candidates, from 1; missing if no candidate is true",
    ),
    FrameColumn("score", "float64", "the score of the predicted class: a cosine similarity, or a logit"),
    FrameColumn("confidence", "float64", "the probability of the predicted class: a softmax of the scaled scores"),
)
_CANDIDATE_COLUMNS = (
    SAMPLE,
    FrameColumn("rank", "Int64", "the rank of the candidate, from 1"),
    FrameColumn("candidate", "Int64", "the index of the class"),
    FrameColumn("candidate_name", "string", "the name of the class"),
    FrameColumn("score", "float64", "the score of the class"),
    FrameColumn("correct", "boolean", "whether the class is a true class of the sample"),
)


def samples(table: pa.Table, class_names: Sequence[str]) -> dict[str, Values]:
    """A row for each sample: the truth, the answer, and the answer's confidence."""
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
    """A row for each sample and candidate: the classes with the highest scores, highest first."""
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
    """(N, K) whether each candidate is a true class; None if the table does not contain the truth."""
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
    "candidate",
    "one row for each sample and candidate class: the best five, best first",
    _CANDIDATE_COLUMNS,
    _candidates,
)
FRAMES = (FrameRows("sample", "one row for each sample", SAMPLE_COLUMNS, samples), CANDIDATES)
