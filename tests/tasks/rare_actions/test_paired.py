"""Differences of rare actions against scikit-learn on every draw of videos."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from answers.draws import RESAMPLES, check, class_differences, difference, shuffled
from answers.made import answers, classified
from sklearn.metrics import average_precision_score

from vlmbench.answers.paired_metric import measured
from vlmbench.errors import UnpairableError


def test_rare_actions_draws_videos() -> None:
    """Against scikit-learn: actions with a word in common and one without; the first three videos have two clips."""
    random = np.random.default_rng(12)
    words = [("cut", "phone"), ("wash", "phone"), ("drop", "egg"), ("open", "tree")]
    labels = random.integers(0, 3, 24)  # nobody opens a tree
    marks = np.where(random.random(24) < 0.5, 1, random.integers(0, 5, 24))
    marks[:3], labels[:3] = 1, [0, 1, 2]
    videos = np.r_[np.arange(21), :3]
    scores = [random.random((24, 4)).round(1).astype(np.float32) for _ in range(2)]

    def of_videos(model: int, drawn: np.ndarray) -> float:
        values = []
        for action in range(3):
            rows = np.flatnonzero((labels == action) | (marks == 1))
            related = np.array([bool(set(words[action]) & set(words[labels[row]])) for row in rows])
            positive = (labels[rows] == action) & (marks[rows] == 1)
            hard = ~positive & np.where(labels[rows] == action, marks[rows] > 1, related)
            groups = list(zip(positive.tolist(), hard.tolist(), videos[rows].tolist(), strict=True))
            weights = np.array([(drawn == video).sum() / groups.count((p, h, video)) for p, h, video in groups])
            if (weights * positive).any():
                own = scores[model][rows, action]
                values.append(average_precision_score(positive, own, sample_weight=weights))
        return float(np.mean(values))

    ranked = np.unique(videos[(marks == 1) | (labels < 3)])
    tables = []
    for own in scores:
        table = classified(labels, own)
        table = table.append_column("annotation", pa.array(marks, pa.int8()))
        table = table.append_column("video", pa.array([f"v{video}" for video in videos]))
        table = table.append_column("verb", pa.array([words[label][0] for label in labels]))
        tables.append(table.append_column("noun", pa.array([words[label][1] for label in labels])))
    sides = [answers(table, {"mwap": of_videos(model, ranked)}, "rare_actions") for model, table in enumerate(tables)]
    found = difference(sides[0], shuffled(sides[1]), "mwap", resamples=RESAMPLES)
    assert (found.n, found.method) == (21, "bootstrap")
    check(found, of_videos, 21)
    assert difference(sides[0], shuffled(sides[0]), "mwap").identical
    few = tables[0].to_pydict()
    few["scores"] = [
        [0.05] * 4 if video == "v2" else own for own, video in zip(few["scores"], few["video"], strict=True)
    ]
    other = answers(
        tables[0].set_column(5, "scores", pa.array(few["scores"], pa.list_(pa.float32()))), {}, "rare_actions"
    )
    other = answers(other.table, {"mwap": measured(other, "mwap").value}, "rare_actions")
    assert difference(sides[0], other, "mwap", resamples=5).differing == 1
    classes = class_differences(sides[0], sides[1], "mwap", resamples=5)
    assert [row.index for row in classes] == [0, 1, 2]
    assert np.mean([row.difference.value for row in classes]) == pytest.approx(found.value)
    with pytest.raises(UnpairableError, match="the candidate lacks 1"):
        difference(
            sides[0],
            answers(
                tables[1].slice(1),
                {"mwap": measured(answers(tables[1].slice(1), {}, "rare_actions"), "mwap").value},
                "rare_actions",
            ),
            "mwap",
        )
