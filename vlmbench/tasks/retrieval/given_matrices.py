"""Matrices of scores of images and captions that were made elsewhere. :mod:`.given` reads files with it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vlmbench.class_names import listing
from vlmbench.data.base import ImageDataset
from vlmbench.errors import ModelError
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import ANSWERS_IN_ORDER, ANSWERS_UNMATCHED
from vlmbench.tasks.given.matching import Matcher
from vlmbench.tasks.given.tables import NAMES, GivenTable
from vlmbench.tasks.retrieval.ranks import ScoreRows
from vlmbench.tasks.retrieval.saved import IMAGE_TO_TEXT, TEXT_TO_IMAGE
from vlmbench.wording import counted

SCORES = ("scores", "similarity", "similarities", IMAGE_TO_TEXT)
CAPTION = ("caption", "text", "captions", "texts", "sentence")
Places = NDArray[np.int64]


@dataclass
class Matrices:
    """Scores of all images with all captions.

    Attributes:
        where: the file, for messages.
        row_of: (S,) for each sample of the dataset, its row; -1 if it has none.
        columns: the columns of each caption text.
        image_to_text: (F, G) the scores.
        text_to_image: (G, F) the scores again; None: those of ``image_to_text``.
    """

    where: str
    row_of: Places
    columns: Mapping[str, list[int]]
    image_to_text: NDArray[Any]
    text_to_image: NDArray[Any] | None

    def __post_init__(self) -> None:
        self.images = np.flatnonzero(self.row_of >= 0)

    def rows(self, indices: Places, captions: Sequence[str]) -> tuple[ScoreRows, ScoreRows]:
        rows, columns = self.row_of[indices], self._columns_of(captions)

        def of_images(block: slice) -> Tensor:
            return self._checked(_part(self.image_to_text, rows[block], columns))

        def of_captions(block: slice) -> Tensor:
            if self.text_to_image is not None:
                return self._checked(_part(self.text_to_image, columns[block], rows))
            return self._checked(_part(self.image_to_text.T, columns[block], rows))

        return of_images, of_captions

    def _columns_of(self, captions: Sequence[str]) -> Places:
        """(M,) the column of each caption. Equal captions get the columns of their text in turn, or share one."""
        used: dict[str, int] = defaultdict(int)
        found = np.empty(len(captions), dtype=np.int64)
        lost = []
        for place, caption in enumerate(captions):
            own = self.columns.get(caption)
            if own is None:
                lost.append(caption)
                continue
            found[place] = own[used[caption] % len(own)]
            used[caption] += 1
        if lost:
            raise ModelError(
                f"{self.where}: {len(lost):,} of {counted(len(captions), 'caption')} of the data "
                f"{'has' if len(lost) == 1 else 'have'} no scores: {listing(map(repr, lost[:3]))}",
                hint="Write the captions as they are in the data, each as a whole.",
            )
        return found

    def _checked(self, scores: NDArray[Any]) -> Tensor:
        if not np.isfinite(scores).all():
            raise ModelError(
                f"{self.where}: a score is NaN or infinite", hint="Leave pairs without a score out of a table instead."
            )
        return torch.from_numpy(scores)


def _part(matrix: NDArray[Any], rows: Places, columns: Places) -> NDArray[Any]:
    """Some rows and columns of a matrix, in float32 if that holds all its numbers, else in float64."""
    part = matrix[rows] if len(rows) < matrix.shape[0] or (np.diff(rows) != 1).any() else matrix
    if len(columns) != matrix.shape[1] or (columns != np.arange(len(columns))).any():
        part = part[:, columns]
    short = np.can_cast(matrix.dtype, np.float32)
    return np.array(part, dtype=np.float32 if short else np.float64, order="C")  # the file's part may be read-only


def matrices(path: Path, arrays: Mapping[str, Any], dataset: ImageDataset, flat: Sequence[str]) -> Matrices:
    """Scores of all images with all captions.

    Args:
        arrays: the arrays of the file by name. Images and captions without names are those of the data, in its order.
        flat: all captions of the data that count.

    Raises:
        ModelError: there is no matrix, or its shape does not fit.
    """
    name = next((name for name in SCORES if name in arrays), None)
    if name is None:
        raise ModelError(
            f"{path}: no array of scores; it has {listing(map(repr, arrays)) or 'nothing'}",
            hint="Name the matrix of images × captions 'image_to_text'.",
        )
    matrix, back = arrays[name], arrays.get(TEXT_TO_IMAGE)
    for each, what in ((matrix, name), (back, TEXT_TO_IMAGE)):
        if each is None:
            continue
        if not isinstance(each, np.ndarray):
            raise ModelError(f"{path}: {what!r} must be a matrix of numbers, not {type(each).__name__}")
        if each.ndim != 2 or each.dtype.kind not in "fiu":
            raise ModelError(f"{path}: {what!r} must be a matrix of numbers, not {each.dtype} of shape {each.shape}")
    if back is not None and back.shape != matrix.shape[::-1]:
        raise ModelError(
            f"{path}: {TEXT_TO_IMAGE!r} has shape {back.shape}, but {name!r} has {matrix.shape}: captions × images and "
            "images × captions"
        )
    ids, captions = _texts(path, arrays, "images", *NAMES), _texts(path, arrays, "captions", *CAPTION)
    in_order = [what for what, names in (("images", ids), ("captions", captions)) if names is None]
    expected = len(dataset.samples) if ids is None else len(ids), len(flat) if captions is None else len(captions)
    if tuple(matrix.shape) != expected:
        raise ModelError(
            f"{path}: {name!r} has {matrix.shape[0]:,} × {matrix.shape[1]:,} scores, but there are "
            f"{counted(expected[0], 'image')} and {counted(expected[1], 'caption')}"
        )
    if in_order:
        say(
            ANSWERS_IN_ORDER,
            f"{path} does not name its {' and '.join(in_order)}, which were taken in the order of the data",
            brief="answers in the order of the data",
        )
    rows = np.arange(len(dataset.samples)) if ids is None else Matcher(dataset, str(path)).rows(ids)
    columns: dict[str, list[int]] = defaultdict(list)
    for column, caption in enumerate(flat if captions is None else captions):
        columns[caption].append(column)
    tell_of_captions(set(columns) - set(flat), path)
    return Matrices(str(path), rows, dict(columns), matrix, back)


def _texts(path: Path, arrays: Mapping[str, Any], *names: str) -> list[str] | None:
    name = next((name for name in names if name in arrays), None)
    if name is None:
        return None
    found = arrays[name]
    if isinstance(found, np.ndarray):
        return GivenTable(str(path), {name: np.asarray(found)}).texts(name)
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        raise ModelError(f"{path}: {name!r} must be a list of texts")
    return found


def tell_of_captions(unknown: Iterable[str], path: Path) -> None:
    """Make a remark about captions in a file of answers that the data does not have."""
    if texts := list(unknown):
        say(
            ANSWERS_UNMATCHED,
            f"{counted(len(texts), 'caption')} in {path} {'is' if len(texts) == 1 else 'are'} not in the data",
            brief=f"{counted(len(texts), 'caption')} not in the data",
            count=len(texts),
            examples=texts,
        )
