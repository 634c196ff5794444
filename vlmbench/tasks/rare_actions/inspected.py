"""Measures how wrong the answers of rare actions are, for the worst samples of ``vlmbench show``.

A clip that shows its action is worse if another action scored further above it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from vlmbench.answers.columns import numbers, rows
from vlmbench.answers.inspected import AnswerLine, Inspected, cell, confusions, has

_ACTIONS_SHOWN = 5
_SHOWS_IT = 1
"""The annotation of a clip that shows its action."""


def inspected(table: pa.Table, class_names: Sequence[str]) -> Inspected | None:
    """How wrong each answer of a table is; None if the table lacks a column.

    The record lists only the actions that at least one clip shows, so the names are made from the verbs and nouns of
    the table.
    """
    if not has(table, ("label", "annotation", "verb", "noun", "scores")):
        return None
    labels, scores = numbers(table, "label").astype(np.int64), rows(table, "scores").astype(np.float64)
    shows = numbers(table, "annotation").astype(np.int64) == _SHOWS_IT
    words = zip(*(table[name].to_pylist() for name in ("verb", "noun")), strict=True)
    known = {int(label): f"{verb} {noun}" for label, (verb, noun) in zip(labels, words, strict=True)}
    names = [known.get(label, f"action {label}") for label in range(scores.shape[1])]
    own = scores[np.arange(len(labels)), labels]
    best = scores.argmax(axis=1)
    margin = np.where(shows, scores.max(axis=1, initial=-np.inf) - own, 0.0)

    def answer(row: int) -> list[AnswerLine]:
        order = np.argsort(-scores[row], kind="stable")[:_ACTIONS_SHOWN].tolist()
        return [AnswerLine(names[label], f"{scores[row, label]:.3f}", bool(label == labels[row])) for label in order]

    return Inspected(
        badness=margin,
        order="The list begins with the clips in which another action scored furthest above the action that they show.",
        reason=lambda row: f"another action scored {margin[row]:.3f} above the shown action",
        truth=lambda row: (
            [names[int(labels[row])], f"video {cell(table, 'video', row)}"]
            if has(table, ("video",))
            else [names[int(labels[row])]]
        ),
        answer=answer,
        confusions=confusions(labels[shows], best[shows], names),
    )
