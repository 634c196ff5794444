"""Draws of adapted models joined: the mean gain, its interval, and that the verdict does not change."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from adapted_records import hits, make_adapted, put
from scipy.stats import ttest_rel

from vlmbench import compare
from vlmbench.gate import sentences
from vlmbench.gate.baselines.store import newest_of_pairs, save_baseline
from vlmbench.gate.formats.md import to_markdown
from vlmbench.gate.sides import side_at
from vlmbench.paths import safe_name
from vlmbench.records import Record
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


def of_lr(lr: int, texts: tuple[str, ...], *, version: int = 1) -> list[tuple[Record, bytes]]:
    """The draws of a method with one setting."""
    made = []
    for draw, text in enumerate(texts):
        record, predictions = make_adapted("coop", draw, hits(text), hits(START), options={"lr": lr})
        assert record.transfer is not None
        protocol = {**record.task.protocol, "method_options": {"lr": lr}}
        changed = {
            "task": record.task.model_copy(update={"protocol": protocol}),
            "transfer": record.transfer.model_copy(update={"version": version}),
        }
        made.append((record.model_copy(update=changed), predictions))
    return made


def test_two_settings_of_a_method_are_pairs_of_their_own_and_are_joined_apart(tmp_path: Path) -> None:
    put(ResultStore(tmp_path / "x"), *of_lr(1, BEFORE), *of_lr(2, BEFORE[:2]))
    put(ResultStore(tmp_path / "y"), *of_lr(1, BEFORE), *of_lr(2, AFTER[:2]))
    found = compare(tmp_path / "x", tmp_path / "y")
    assert len(found.tasks) == 5 and len({task.task for task in found.tasks}) == 5
    assert "few with coop, 4-shot, draw 0, no-validation (lr=1)" in {task.task for task in found.tasks}
    said = [(each.detail, each.draws, round(each.gain, 6)) for each in found.over_draws]
    assert said == [("lr=1", 3, 0.0), ("lr=2", 2, 0.1)]
    assert "few with coop (lr=2), 4-shot, no-validation: over 2 draws +10.00" in sentences.of_draws(found)[1]


def test_sides_that_share_no_setting_are_compared_and_say_how_they_differ(tmp_path: Path) -> None:
    put(ResultStore(tmp_path / "x"), *of_lr(1, BEFORE[:1]))
    put(ResultStore(tmp_path / "y"), *of_lr(2, BEFORE[:1]))
    (task,) = compare(tmp_path / "x", tmp_path / "y").tasks
    assert task.task == "few with coop, 4-shot, draw 0, no-validation"
    assert [each.field for each in task.mismatches] == ["task.protocol.method_options"]


def test_two_versions_of_a_method_are_not_compared(tmp_path: Path) -> None:
    put(ResultStore(tmp_path / "x"), *of_lr(1, BEFORE[:1]))
    put(ResultStore(tmp_path / "y"), *of_lr(1, BEFORE[:1], version=2))
    (task,) = compare(tmp_path / "x", tmp_path / "y").tasks
    assert [(each.kind, each.field) for each in task.mismatches] == [("version", "transfer.version")]


def test_a_setting_that_the_candidate_lacks_is_missing(tmp_path: Path) -> None:
    put(ResultStore(tmp_path / "x"), *of_lr(1, BEFORE[:1]), *of_lr(2, BEFORE[:1]))
    put(ResultStore(tmp_path / "y"), *of_lr(1, BEFORE[:1]))
    tasks = {task.task: task.verdict for task in compare(tmp_path / "x", tmp_path / "y").tasks}
    name = "few with coop, 4-shot, draw 0, no-validation"
    assert tasks[f"{name} (lr=2)"] == "not comparable" != tasks[f"{name} (lr=1)"]


def test_a_baseline_keeps_every_draw_and_setting_in_files_of_their_own(tmp_path: Path) -> None:
    results = tmp_path / "x"
    put(ResultStore(results), *of_lr(1, BEFORE[:2]), *of_lr(2, BEFORE[:1]))
    entries, left_out = newest_of_pairs(side_at(results).entries)
    assert len(entries) == 3 and not left_out
    saved = save_baseline("main", entries, tmp_path / "baselines")
    names = [Path(name).stem for name in saved.sizes if name.endswith(".json")]
    assert len(set(names)) == 3
    alone = "few with coop, 4-shot, draw 1, no-validation"
    assert safe_name(alone) in names, "a question with one setting keeps its name"
    for path in sorted((tmp_path / "baselines" / "main").glob("*.json")):
        assert side_at(path).of_baseline
    found = compare(tmp_path / "baselines" / "main", results)
    assert len(found.tasks) == 3 and {task.verdict for task in found.tasks} == {"unchanged"}


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
