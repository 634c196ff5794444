"""Finds texts that are equal for the model, and makes the remark on classes that it therefore cannot tell apart.

The engine uses it for the prompts of a task.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from vlmbench.features.precision import Precision
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import INDISTINCT_CLASSES

TOLERANCES: dict[Precision, float] = {"fp32": 3e-5, "bf16": 5e-4, "fp16": 5e-4}
"""The largest distance between two unit vectors of the same tokens. It is not 0, because batches of different shapes
add in different orders. A single different token moves the features of trained towers by more than 1e-2."""
_DIRECTIONS = 4
_PASSES = 256
"""The largest number of passes over the rows. Trained models need tens; a model that needs more can hardly tell texts
apart."""
_LONGEST_QUOTED = 48
_ODD_BLANKS = re.compile(r"^ +| +$| {2,}")


def groups_of_equals(features: Tensor, tolerance: float) -> list[list[int]]:
    """Group the rows that are equal to another row. Each group is in the order of the rows.

    Rows that are close are close along every direction. So the rows are sorted along one random direction, and only
    neighbours are compared: O(N log N). Along that direction their distance is a sum of D parts with random signs, and
    five of its standard deviations are allowed.

    Args:
        features: (N, D) float32, on the CPU.
        tolerance: the largest distance between equal rows.
    """
    vectors: NDArray[np.float32] = features.numpy()
    along = tolerance * min(1.0, 5 / max(1, vectors.shape[1]) ** 0.5)
    directions = np.random.default_rng(0).standard_normal((vectors.shape[1], _DIRECTIONS))
    places = vectors @ (directions / np.linalg.norm(directions, axis=0)).astype(np.float32)
    rows = np.argsort(places[:, 0], kind="stable")
    same_as = np.arange(len(vectors))
    step = 1
    for _ in range(_PASSES):
        if step >= len(rows):
            break
        apart = np.abs(places[rows[step:]] - places[rows[:-step]])
        if not (apart[:, 0] <= along).any():
            break
        near = np.flatnonzero((apart <= along).all(axis=1))
        distances = np.linalg.norm(vectors[rows[near + step]] - vectors[rows[near]], axis=1)
        equal = near[distances <= tolerance]
        if len(equal):
            same_as[rows[equal + step]] = rows[equal]
            rows = np.delete(rows, equal + step)
            step = 1  # the remaining rows have new neighbours now
        else:
            step += 1
    while (same_as[same_as] != same_as).any():
        same_as = same_as[same_as]
    groups: dict[int, list[int]] = {}
    for row in np.flatnonzero(np.bincount(same_as, minlength=len(vectors))[same_as] > 1).tolist():
        groups.setdefault(int(same_as[row]), []).append(row)
    return list(groups.values())


def groups_of_same_tokens(ids: Tensor) -> list[list[int]]:
    """Group the rows, (N, L) token ids, that are equal to another row."""
    groups: dict[bytes, list[int]] = {}
    for row, tokens in enumerate(ids.numpy()):
        groups.setdefault(tokens.tobytes(), []).append(row)
    return [rows for rows in groups.values() if len(rows) > 1]


def tell_of_indistinct(
    groups: Iterable[Sequence[int]], names: Sequence[str], owners: Sequence[int] | None = None
) -> None:
    """Remark on classes with different names that are equal for the model. Another remark covers repeated names.

    Args:
        groups: the groups of equal rows.
        names: each row's class name, or word for a class.
        owners: each row's class; None: every row is a class of its own.
    """
    told = []
    for rows in groups:
        words = list(dict.fromkeys(names[row] for row in rows))
        if len(words) > 1 and (owners is None or len({owners[row] for row in rows}) > 1):
            told.append(words)
    if told:
        count = sum(map(len, told))
        say(
            INDISTINCT_CLASSES,
            f"{count:,} of {len(set(names)):,} class names are equal to another one for the model",
            brief=f"{count:,} indistinct class names",
            count=len(told),
            examples=map(_equation, told),
        )


def quoted(text: str) -> str:
    """Quote a text as an example.

    A long text loses its middle, since texts often differ at their ends. Unusual blanks are made visible.
    """
    half = _LONGEST_QUOTED // 2
    short = text if len(text) <= _LONGEST_QUOTED else f"{text[:half]}…{text[-half:]}"
    return repr(_ODD_BLANKS.sub(lambda blanks: "␣" * len(blanks[0]), short))


def _equation(words: Sequence[str]) -> str:
    return " = ".join(map(quoted, words[:2])) + (" = …" if len(words) > 2 else "")
