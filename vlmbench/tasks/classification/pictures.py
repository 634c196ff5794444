"""Draws the answers of a classification: confused classes, a bar for each class, and samples.

The classification plugin (``plugin.py``) calls it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from vlmbench.data.base import ImageDataset
from vlmbench.records import ClassResult
from vlmbench.tasks.classification.scores import Scored
from vlmbench.tasks.samples import drawn_note, drawn_samples, sample_picture, sheets
from vlmbench.visuals.charts import MATRIX_CLASSES, confused_pairs, confusion_matrix, per_class_bars
from vlmbench.visuals.sheets import SHEET_TILES, Line, Tile, contact_sheet
from vlmbench.visuals.text import class_label

_TOP_SHOWN = 3
"""The number of classes that are shown of a multi-label answer, best first."""


def draw_answers(
    scored: Scored,
    dataset: ImageDataset,
    class_names: Sequence[str],
    per_class: Sequence[ClassResult],
    *,
    where: str,
    count: int,
    seed: int,
) -> dict[str, bytes]:
    """Draw ``per-class.png``, ``samples.png`` and, for single-label data, ``confusion-matrix.png``.

    Args:
        dataset: the drawn samples are read from it again.
        per_class: the results of each class. The first value is drawn.
        where: "MODEL on TASK", the beginning of each title.
        count: the number of samples to draw.
        seed: the seed of their choice.

    Returns:
        File names and PNG contents.
    """
    pictures = {"per-class.png": _bars(scored, per_class, where)}
    if scored.labels is not None:
        pictures["confusion-matrix.png"] = _confusion(scored.labels, scored.top[:, 0], class_names, where)
    return pictures | _samples(scored, dataset, class_names, where=where, count=count, seed=seed)


def _bars(scored: Scored, per_class: Sequence[ClassResult], where: str) -> bytes:
    measure = next(iter(per_class[0].values))
    return per_class_bars(
        [row.name for row in per_class],
        [row.values[measure] for row in per_class],
        [row.ci95 for row in per_class],
        None if scored.labels is None else 1 / scored.num_classes,
        title=f"{where}: {measure.replace('_', ' ')} of each class",
        measure=measure.replace("_", " "),
    )


def _confusion(
    labels: npt.NDArray[np.int64], predicted: npt.NDArray[np.int32], class_names: Sequence[str], where: str
) -> bytes:
    classes = len(class_names)
    pairs, counts = np.unique(labels * classes + predicted, return_counts=True)
    true, said = np.divmod(pairs, classes)
    if classes > MATRIX_CLASSES:  # a matrix of classes × classes would be too large
        return confused_pairs(true, said, counts, class_names, title=f"{where}: most confused classes")
    matrix = np.zeros((classes, classes), dtype=np.int64)
    matrix[true, said] = counts
    return confusion_matrix(matrix, class_names, title=f"{where}: confusion")


def _samples(
    scored: Scored, dataset: ImageDataset, class_names: Sequence[str], *, where: str, count: int, seed: int
) -> dict[str, bytes]:
    right = _right(scored)
    chosen = drawn_samples(~right, count, seed)
    note = drawn_note(~right, chosen)
    if scored.targets is not None:
        note += " Wrong: the best class is not in the image."

    def draw(rows: Sequence[int]) -> bytes:
        tiles = [_tile(scored, row, dataset, class_names, bool(right[row])) for row in rows]
        return contact_sheet(tiles, f"{where}: samples", note=note)

    return sheets(chosen, SHEET_TILES, draw)


def _right(scored: Scored) -> npt.NDArray[np.bool_]:
    """(N,) whether the class with the highest score is the true class of the sample, or one of its true classes."""
    best = scored.top[:, 0]
    if scored.targets is not None:
        return scored.targets[np.arange(len(best)), best]
    right: npt.NDArray[np.bool_] = best == scored.labels
    return right


def _tile(scored: Scored, row: int, dataset: ImageDataset, class_names: Sequence[str], right: bool) -> Tile:
    image = sample_picture(dataset, int(scored.indices[row]))
    if scored.targets is not None:
        targets = scored.targets[row]
        present = ", ".join(class_label(class_names, index) for index in np.flatnonzero(targets).tolist()) or "none"
        best = scored.top[row, :_TOP_SHOWN].tolist()
        said = [Line(class_label(class_names, index), right=bool(targets[index])) for index in best]
        return Tile(image, (Line(f"true: {present}", faint=True), *said), right)
    assert scored.labels is not None  # a sample has either labels or targets
    true = Line(f"true: {class_label(class_names, int(scored.labels[row]))}", faint=True)
    unsure = scored.confidence is None or "confidence" in scored.lacks  # see the metric ece
    share = None if unsure or scored.confidence is None else float(scored.confidence[row])
    return Tile(image, (true, Line(class_label(class_names, int(scored.top[row, 0])), right=right, share=share)), right)
