"""Differences from tables, and plain loops over the same resampled rows to compare them with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from answers.made import answers

from vlmbench.answers.paired_metric import ClassDifference, pair
from vlmbench.answers.tables import Answers
from vlmbench.metrics.difference import Difference

OfRows = Callable[[int, np.ndarray], float]
"""A model and the rows that were drawn to a value."""
N, RESAMPLES = 60, 12


def difference(baseline: Answers, candidate: Answers, metric: str, **bootstrap: int) -> Difference:
    return pair(baseline, candidate, metric).difference(**bootstrap)


def class_differences(baseline: Answers, candidate: Answers, metric: str, **bootstrap: int) -> list[ClassDifference]:
    return pair(baseline, candidate, metric).class_differences(**bootstrap)


def drawn(n: int) -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    return [generator.integers(0, n, size=n) for _ in range(RESAMPLES)]


def check(found: Difference, of_rows: OfRows, n: int, tolerance: float = 1e-12) -> None:
    every = np.arange(n)
    assert found.baseline == pytest.approx(of_rows(0, every), abs=tolerance)
    assert found.candidate == pytest.approx(of_rows(1, every), abs=tolerance)
    assert found.value == pytest.approx(of_rows(1, every) - of_rows(0, every), abs=tolerance)
    differences = [of_rows(1, rows) - of_rows(0, rows) for rows in drawn(n)]
    assert found.error == pytest.approx(np.std(differences, ddof=1), abs=tolerance)


def shuffled(side: Answers) -> Answers:
    return replace(side, table=side.table.take(np.random.default_rng(9).permutation(side.table.num_rows)))


def compared(tables: list[pa.Table], metric: str, of_rows: OfRows, plugin: str = "classification") -> Difference:
    """The difference of two tables, the second one's rows in another order."""
    n = tables[0].num_rows
    sides = [
        answers(table, {metric: of_rows(model, np.arange(n))}, plugin=plugin) for model, table in enumerate(tables)
    ]
    return difference(sides[0], shuffled(sides[1]), metric, resamples=RESAMPLES)


def by_name(rows: list[ClassDifference]) -> dict[str, ClassDifference]:
    return {row.name: row for row in rows}


def single_labels() -> tuple[np.ndarray, list[np.ndarray]]:
    """Labels, and the scores of two models that agree in part."""
    random = np.random.default_rng(1)
    labels = random.integers(0, 4, N)
    common = random.normal(size=(N, 4)) + 1.5 * np.eye(4)[labels]
    return labels, [(common + random.normal(0, 0.7, (N, 4))).astype(np.float32) for _ in range(2)]
