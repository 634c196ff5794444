"""Draws of adapted models joined: the mean gain, its interval, and that the verdict does not change."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from adapted_records import hits, make_adapted, put
from scipy.stats import ttest_rel

from vlmbench import compare
from vlmbench.gate import sentences
from vlmbench.gate.formats.md import to_markdown
from vlmbench.store import ResultStore

BEFORE = ("1111100000", "1111000000", "1110000000")
AFTER = ("1111110000", "1111100000", "1110000000")
START = "1100000000"


def sides(tmp_path: Path, before: tuple[str, ...] = BEFORE, after: tuple[str, ...] = AFTER) -> tuple[Path, Path]:
    for name, texts in (("before", before), ("after", after)):
        for method in ("gda", "knn"):
            put(
                ResultStore(tmp_path / name),
                *(make_adapted(method, draw, hits(text), hits(START)) for draw, text in enumerate(texts)),
            )
    return tmp_path / "before", tmp_path / "after"


def test_draws_of_each_method_are_joined(tmp_path: Path) -> None:
    found = compare(*sides(tmp_path))
    assert [(each.method, each.shots, each.track, each.draws) for each in found.over_draws] == [
        ("gda", 4, "no-validation", 3),
        ("knn", 4, "no-validation", 3),
    ]
    each = found.over_draws[0]
    assert each.gain == pytest.approx(0.2 / 3) and each.worse == 0
    values = [[np.mean(hits(text)) for text in texts] for texts in (AFTER, BEFORE)]
    paired = ttest_rel(*values).confidence_interval(0.95)
    assert each.ci95 is not None and each.ci95[0] < paired.low and each.ci95[1] > paired.high, "samples widen it"
    halves = [task.gain.ci95 for task in found.tasks if task.gain and "gda" in task.task]
    widths = [max(0.1 * (place < 2) - low, high - 0.1 * (place < 2)) for place, (low, high) in enumerate(halves)]  # type: ignore[misc]
    half = np.hypot((paired.high - paired.low) / 2, np.mean(widths))
    assert each.ci95 == pytest.approx((each.gain - half, each.gain + half))


def test_what_was_learnt_from_another_task_is_joined_apart(tmp_path: Path) -> None:
    for name, texts in (("before", BEFORE), ("after", AFTER)):
        made = [
            make_adapted("gda", draw, hits(text), hits(START), **fields)
            for fields in ({}, {"source": "other"})
            for draw, text in enumerate(texts)
        ]
        put(ResultStore(tmp_path / name), *made)
    found = compare(tmp_path / "before", tmp_path / "after")
    assert [(each.learnt, each.draws) for each in found.over_draws] == [("", 3), ("learnt from other", 3)]
    assert "with gda, 4-shot, no-validation, learnt from other: over 3 draws" in sentences.of_draws(found)[1]


def test_people_read_one_sentence_for_each_method(tmp_path: Path) -> None:
    found = compare(*sides(tmp_path))
    said = sentences.of_draws(found)
    assert len(said) == 2
    assert said[0].startswith("m on few with gda, 4-shot, no-validation: over 3 draws +6.67 points of acc1 [")
    assert said[0].endswith("worse in 0") and said[0].split("[")[1].split("]")[0] in to_markdown(found).replace(
        "\\", ""
    )


def test_one_draw_and_zero_shot_have_no_sentence(tmp_path: Path) -> None:
    found = compare(*sides(tmp_path, BEFORE[:1], AFTER[:1]))
    assert [each.draws for each in found.over_draws] == [1, 1] and found.over_draws[0].ci95 is None
    assert sentences.of_draws(found) == []
