"""Measures how wrong the answers of a classification are, for the worst samples of ``vlmbench show``.

An answer is worse if a wrong class scored further above the true class.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vlmbench.answers.columns import numbers, rows
from vlmbench.answers.inspected import AnswerLine, Inspected, cell, class_name, confusions, has

_CLASSES_SHOWN = 5


def inspected(table: pa.Table, class_names: Sequence[str]) -> Inspected | None:
    """How wrong each answer of a table is, for one label or several per sample; None if the table lacks a column."""
    if has(table, ("label", "top")):
        return _single(table, class_names)
    return _multi(table, class_names) if has(table, ("labels", "scores")) else None


def _single(table: pa.Table, class_names: Sequence[str]) -> Inspected:
    labels, top = numbers(table, "label").astype(np.int64), rows(table, "top").astype(np.int64)
    top_scores = rows(table, "top_scores").astype(np.float64) if has(table, ("top_scores",)) else None
    scores = rows(table, "scores").astype(np.float64) if has(table, ("scores",)) else None
    is_true = top == labels[:, None]
    wrong = ~is_true[:, :1].any(axis=1)
    true_scores = _true_scores(labels, is_true, top_scores, scores)
    if top_scores is not None and true_scores is not None:
        margin = top_scores[:, 0] - true_scores
        order = "The list begins with the answers in which a wrong class scored furthest above the true class."
        badness = np.where(wrong, np.maximum(margin, np.finfo(np.float64).tiny), 0.0)
    elif has(table, ("confidence",)):
        badness = np.where(wrong, np.maximum(numbers(table, "confidence"), np.finfo(np.float64).tiny), 0.0)
        order = "The list begins with the wrong answers in which the model had the highest confidence."
        margin = None
    else:
        badness, margin = wrong.astype(np.float64), None
        order = "The record keeps no scores, so the wrong answers are in the order of the data."

    def reason(row: int) -> str:
        if margin is None:
            return f"confidence {100 * badness[row]:.1f}%" if has(table, ("confidence",)) else ""
        least = "" if scores is not None or is_true[row].any() else "at least "
        return f"scored {least}{margin[row]:.3f} above the true class"

    def answer(row: int) -> list[AnswerLine]:
        shown = [] if top_scores is None else [f"{score:.3f}" for score in top_scores[row]]
        return [
            AnswerLine(class_name(class_names, int(label)), score, bool(label == labels[row]))
            for label, score in zip(top[row], shown or [""] * top.shape[1], strict=True)
        ]

    return Inspected(
        badness=badness,
        order=order,
        reason=reason,
        truth=lambda row: [class_name(class_names, int(labels[row]))],
        answer=answer,
        confusions=confusions(labels, top[:, 0], class_names) if top.shape[1] else (),
    )


def _true_scores(
    labels: NDArray[np.int64],
    is_true: NDArray[np.bool_],
    top_scores: NDArray[np.float64] | None,
    scores: NDArray[np.float64] | None,
) -> NDArray[np.float64] | None:
    """(N,) the score of the true class; None if the table has no scores.

    If the table has scores of the best classes only, and the true class is not among them, it is the lowest of these
    scores: the true class did not score higher.
    """
    if scores is not None:
        return scores[np.arange(len(labels)), labels]
    if top_scores is None or not top_scores.shape[1]:
        return None
    return np.where(
        is_true.any(axis=1), np.take_along_axis(top_scores, is_true.argmax(axis=1)[:, None], 1)[:, 0], top_scores[:, -1]
    )


def _multi(table: pa.Table, class_names: Sequence[str]) -> Inspected:
    scores = rows(table, "scores").astype(np.float64)
    present = np.zeros(scores.shape, dtype=bool)
    for row, labels in enumerate(table["labels"].to_pylist()):
        present[row, labels] = True
    best_wrong = np.where(present, -np.inf, scores).max(axis=1, initial=-np.inf)
    worst_true = np.where(present, scores, np.inf).min(axis=1, initial=np.inf)
    known = np.isfinite(best_wrong) & np.isfinite(worst_true)
    margin = np.where(known, best_wrong - worst_true, 0.0) if known.any() else np.zeros(len(scores))

    def rank(row: int, label: int) -> int:
        return int((scores[row] >= scores[row, label]).sum())

    def truth(row: int) -> list[str]:
        labels = sorted(cell(table, "labels", row), key=lambda label: rank(row, label))
        return [f"{class_name(class_names, label)}: rank {rank(row, label):,}" for label in labels] or ["no class"]

    def answer(row: int) -> list[AnswerLine]:
        best = np.argsort(-scores[row], kind="stable")[:_CLASSES_SHOWN].tolist()
        return [
            AnswerLine(class_name(class_names, label), f"{scores[row, label]:.3f}", bool(present[row, label]))
            for label in best
        ]

    return Inspected(
        badness=margin,
        order="The list begins with the samples in which an absent class scored furthest above a present class.",
        reason=lambda row: f"an absent class scored {margin[row]:.3f} above a present class",
        truth=truth,
        answer=answer,
    )
