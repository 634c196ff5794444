"""Describes the answers of one table sample by sample: how wrong each answer is, and what it was.

A kind of task makes it in ``tasks/<kind>/inspected.py``; ``vlmbench show`` puts the worst samples on its page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


@dataclass(frozen=True)
class AnswerLine:
    """One line of an answer.

    Attributes:
        text: a class, a caption, a number of pixels.
        score: the model's score of it, or another number, as text; "" where there is no number.
        right: whether this line is true of the sample; None where that is not a question.
    """

    text: str
    score: str = ""
    right: bool | None = None


@dataclass(frozen=True)
class FoundImage:
    """Another sample that the model gave as the answer to a text of this one.

    Attributes:
        text: the text that was asked.
        sample: the id of the sample that was found.
    """

    text: str
    sample: str


@dataclass(frozen=True)
class SampleBoxes:
    """The boxes of one image, as (left, top, right, bottom) in pixels.

    Attributes:
        corners: (D, 4) predicted boxes.
        labels: (D,) their classes.
        scores: (D,) their scores.
        true_corners: (G, 4) the objects' boxes.
        true_labels: (G,) their classes.
    """

    corners: NDArray[np.float64]
    labels: NDArray[np.int64]
    scores: NDArray[np.float64]
    true_corners: NDArray[np.float64]
    true_labels: NDArray[np.int64]


@dataclass(frozen=True)
class Confusion:
    """How often the model took one class for another.

    Attributes:
        true: the right class.
        predicted: the class that the model gave.
        count: samples.
    """

    true: str
    predicted: str
    count: int


@dataclass(frozen=True)
class Inspected:
    """How wrong each of N answers is.

    Attributes:
        badness: (N,) higher is worse; 0, a negative number or NaN: nothing is wrong with the answer.
        order: a sentence that says what ``badness`` measures.
        reason: why a row is in the list, in a few words.
        truth: what was right, one line each.
        answer: what the model answered, the best first.
        boxes: a row's boxes; None where the task has no boxes.
        found: samples that the model found for the row's texts; None where the task looks for no images.
        confusions: pairs of classes, the most confused first; empty where the table does not tell.
    """

    badness: NDArray[np.float64]
    order: str
    reason: Callable[[int], str]
    truth: Callable[[int], Sequence[str]]
    answer: Callable[[int], Sequence[AnswerLine]]
    boxes: Callable[[int], SampleBoxes] | None = None
    found: Callable[[int], Sequence[FoundImage]] | None = None
    confusions: Sequence[Confusion] = ()

    def worst(self, count: int) -> list[int]:
        """The rows of at most ``count`` wrong answers, the worst first; equally bad ones in the table's order."""
        badness = np.nan_to_num(self.badness, nan=0.0, posinf=np.inf)
        order = np.argsort(-badness, kind="stable")[:count]
        return [int(row) for row in order if badness[row] > 0]


CONFUSIONS = 20
"""Pairs of classes that are kept."""


def class_name(names: Sequence[str], label: int) -> str:
    """A class in words; one without a name has its number."""
    return names[label] if 0 <= label < len(names) else f"class {label}"


def confusions(true: NDArray[Any], predicted: NDArray[Any], names: Sequence[str]) -> list[Confusion]:
    """The pairs of classes that were confused most often.

    Args:
        true: (N,) the right classes.
        predicted: (N,) the answers.
        names: of the classes, in label order.
    """
    wrong = true != predicted
    counts = Counter(zip(true[wrong].tolist(), predicted[wrong].tolist(), strict=True))
    most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:CONFUSIONS]
    return [Confusion(class_name(names, one), class_name(names, other), count) for (one, other), count in most]


def cell(table: pa.Table, column: str, row: int) -> Any:
    """One value of a table."""
    return table[column][row].as_py()


def has(table: pa.Table, columns: Iterable[str]) -> bool:
    """Whether a table has these columns: one of an older version, or of a baseline, may lack some."""
    return set(columns) <= set(table.column_names)
