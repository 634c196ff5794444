"""Finds the images with missed objects and with high scores of boxes that match no object, for ``vlmbench show``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vlmbench.answers.columns import boxes, owners, runs
from vlmbench.answers.inspected import AnswerLine, Confusion, Inspected, SampleBoxes, class_name, confusions, has
from vlmbench.metrics.detection.matching import LVIS_PER_IMAGE
from vlmbench.wording import counted

_IOU = 0.5
"""A box of the right class finds an object if their IoU is at least this, as in AP50."""
_BOXES_COMPARED = LVIS_PER_IMAGE
"""Only this number of boxes of an image counts, those with the highest scores. COCO's AP counts 100 of each class, and
records rarely keep more."""
_BOXES_SHOWN = 6
_COLUMNS = ("boxes", "scores", "labels", "truth_boxes", "truth_labels", "truth_crowds")


@dataclass(frozen=True)
class _Judged:
    """The D boxes of one image, compared with its G objects.

    Attributes:
        order: (D,) the places of the compared boxes in the image's list, the highest score first.
        state: (D,) for each compared box: 1 if it finds an object, 0 if it does not count, -1 if it is false.
        found_by: (G,) the score of the box that finds each object; NaN if the object is missed or is a crowd.
        missed: (G,) whether no box finds the object. A crowd is never missed.
    """

    order: NDArray[np.int64]
    state: NDArray[np.int64]
    found_by: NDArray[np.float64]
    missed: NDArray[np.bool_]


def inspected(table: pa.Table, class_names: Sequence[str]) -> Inspected | None:
    """How wrong the answer to each image of a table is; None if the table lacks a column."""
    if not has(table, _COLUMNS):
        return None
    scores = runs(table, "scores")[0].astype(np.float64)
    surest = float(scores.max(initial=0.0)) or 1.0
    images = _Images(table, scores)
    badness = np.array([images.badness(row, surest) for row in range(table.num_rows)], dtype=np.float64)

    def reason(row: int) -> str:
        judged = images.judged(row)
        count, missed = len(judged.missed), int(judged.missed.sum())
        false = images.false_scores(row)
        words = [f"{missed:,} of {counted(count, 'object')} missed"] if missed else []
        words += [f"a false box with score {false[0]:.3f}"] if len(false) else []
        return ", ".join(words) or "objects found with low scores"

    def truth(row: int) -> list[str]:
        judged, labels = images.judged(row), images.true_labels[row]
        return [
            f"{class_name(class_names, int(label))}: "
            + (
                "missed"
                if missed
                else "a crowd, which does not count"
                if np.isnan(score)
                else f"found with score {score:.3f}"
            )
            for label, missed, score in zip(labels, judged.missed, judged.found_by, strict=True)
        ] or ["no object"]

    def answer(row: int) -> list[AnswerLine]:
        judged, labels, own = images.judged(row), images.labels[row], images.scores[row]
        marks = {1: True, 0: None, -1: False}
        return [
            AnswerLine(class_name(class_names, int(labels[place])), f"{own[place]:.3f}", marks[int(state)])
            for place, state in zip(judged.order[:_BOXES_SHOWN], judged.state[:_BOXES_SHOWN], strict=True)
        ]

    return Inspected(
        badness=badness,
        order="The images with the most errors come first. A missed object counts 1. A found object counts 1 minus its "
        "score divided by the highest score of the record. A false box counts its score divided by that highest score; "
        "in an image with N objects, only the N false boxes with the highest scores count, or 1 if N is 0. "
        f"A box finds an object of its class if their IoU is at least {_IOU}.",
        reason=reason,
        truth=truth,
        answer=answer,
        boxes=images.boxes,
        confusions=_region_confusions(table, class_names),
    )


class _Images:
    """The boxes of a table, image by image."""

    def __init__(self, table: pa.Table, scores: NDArray[np.float64]) -> None:
        labels, lengths = runs(table, "labels")
        true_labels, true_lengths = runs(table, "truth_labels")
        ends, true_ends = np.cumsum(lengths)[:-1], np.cumsum(true_lengths)[:-1]
        self.corners = np.split(_corners(boxes(table, "boxes")), ends)
        self.labels = np.split(labels.astype(np.int64), ends)
        self.scores = np.split(scores, ends)
        self.true_corners = np.split(_corners(boxes(table, "truth_boxes")), true_ends)
        self.true_labels = np.split(true_labels.astype(np.int64), true_ends)
        self.crowds = np.split(runs(table, "truth_crowds")[0].astype(bool), true_ends)
        self._federated = has(table, ("absent", "partial"))
        names = ("absent", "partial") if self._federated else ()
        self._stated = {name: [frozenset(row) for row in table[name].to_pylist()] for name in names}

    def boxes(self, row: int) -> SampleBoxes:
        """The boxes of an image, for a picture."""
        return SampleBoxes(
            self.corners[row], self.labels[row], self.scores[row], self.true_corners[row], self.true_labels[row]
        )

    def judged(self, row: int) -> _Judged:
        """The boxes of an image matched with objects of their class, the box with the highest score first."""
        order = np.argsort(-self.scores[row], kind="stable")[:_BOXES_COMPARED]
        labels, true_labels, crowds = self.labels[row], self.true_labels[row], self.crowds[row]
        overlaps = _ious(self.corners[row][order], self.true_corners[row], crowds)
        overlaps[labels[order][:, None] != true_labels[None, :]] = 0.0
        found_by = np.full(len(true_labels), np.nan)
        state = np.full(len(order), -1)
        for place in np.flatnonzero((overlaps >= _IOU).any(axis=1)).tolist():
            free = np.where(crowds | ~np.isnan(found_by), 0.0, overlaps[place])
            if free.max() >= _IOU:
                found_by[int(free.argmax())], state[place] = self.scores[row][order[place]], 1
            elif (overlaps[place][crowds] >= _IOU).any():
                state[place] = 0
        if self._federated:
            complete = self._complete(row)
            state[(state < 0) & [label not in complete for label in labels[order].tolist()]] = 0
        return _Judged(order, state, found_by, np.isnan(found_by) & ~crowds)

    def false_scores(self, row: int) -> NDArray[np.float64]:
        """The scores of the false boxes of an image, the highest first."""
        judged = self.judged(row)
        return self.scores[row][judged.order[judged.state < 0]]

    def badness(self, row: int, surest: float) -> float:
        judged = self.judged(row)
        found = judged.found_by[~np.isnan(judged.found_by)]
        false = self.scores[row][judged.order[judged.state < 0]][: max(1, len(judged.missed))]
        return float(judged.missed.sum() + (1 - found / surest).sum() + np.maximum(false / surest, 0.0).sum())

    def _complete(self, row: int) -> set[int]:
        """The classes of which a box that matches no object is false. In LVIS, not every image shows this."""
        return {*self.true_labels[row].tolist(), *self._stated["absent"][row]} - self._stated["partial"][row]


def _corners(xywh: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)


def _ious(one: NDArray[np.float64], other: NDArray[np.float64], crowds: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(D, G) IoUs. For a crowd it is the share of the predicted box that lies inside the crowd's box."""
    low, high = np.maximum(one[:, None, :2], other[None, :, :2]), np.minimum(one[:, None, 2:], other[None, :, 2:])
    met = np.clip(high - low, 0, None).prod(axis=2)
    areas, others = ((box[:, 2:] - box[:, :2]).prod(axis=1) for box in (one, other))
    union = np.where(crowds[None, :], areas[:, None], areas[:, None] + others[None, :] - met)
    ious: NDArray[np.float64] = np.divide(met, union, out=np.zeros_like(met), where=union > 0)
    return ious


def _region_confusions(table: pa.Table, class_names: Sequence[str]) -> Sequence[Confusion]:
    """The classes that the model confused, if it classified the data's own boxes."""
    if not has(table, ("region_labels", "region_top")):
        return ()
    labels, lengths = runs(table, "region_labels")
    best = [top[0] if top else -1 for row in table["region_top"].to_pylist() for top in row]
    if len(owners(lengths)) != len(best):
        return ()
    return confusions(labels.astype(np.int64), np.array(best, dtype=np.int64), class_names)
