"""Which samples are drawn, and what is drawn of those that cannot be read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlmbench.cards import SourceSpec
from vlmbench.data.base import SourceContext
from vlmbench.data.open import open_dataset
from vlmbench.tasks.classification.pictures import draw_answers
from vlmbench.tasks.classification.scores import Scored
from vlmbench.tasks.contents import Contents
from vlmbench.tasks.samples import drawn_note, drawn_samples, sample_picture, sheets


@given(st.lists(st.booleans(), max_size=40), st.integers(0, 50), st.integers(0, 5))
def test_half_are_errors_where_there_are_enough(wrong: list[bool], count: int, seed: int) -> None:
    flags = np.array(wrong, dtype=bool)
    chosen = drawn_samples(flags, count, seed)
    errors = int(flags[chosen].sum())
    assert len(set(chosen)) == len(chosen) == min(count, len(wrong))
    assert chosen == sorted(chosen, key=lambda row: (not wrong[row], row))
    assert chosen == drawn_samples(flags, count, seed)
    rights = len(chosen) - errors
    if abs(errors - rights) > 1:  # only where one kind is used up
        assert errors == flags.sum() if errors < rights else rights == (~flags).sum()


def test_the_choice_follows_the_seed() -> None:
    flags = np.arange(1000) % 2 == 0
    assert drawn_samples(flags, 10, 0) != drawn_samples(flags, 10, 1)


def test_the_note_counts_the_drawn_answers_and_all_answers() -> None:
    wrong = np.array([True] * 3 + [False] * 97)
    assert drawn_note(wrong, [0, 1, 2, 3, 4, 5, 6, 7]) == (
        "Shown: 3 wrong answers and 5 right answers, half of each if there are enough. "
        "In all, 3.0% of 100 answers are wrong."
    )
    assert drawn_note(wrong[:1], [0]) == (
        "Shown: 1 wrong answer and 0 right answers, half of each if there are enough. "
        "In all, 100.0% of 1 answer is wrong."
    )


def test_sheets_are_numbered_where_one_is_not_enough() -> None:
    assert sheets([3, 1], 2, lambda rows: bytes(rows)) == {"samples.png": b"\3\1"}
    assert sheets([3, 1, 2], 2, lambda rows: bytes(rows)) == {"samples-01.png": b"\3\1", "samples-02.png": b"\2"}


def test_an_image_that_is_gone_is_none_and_the_sheet_is_drawn(make_folder: Callable[..., Path]) -> None:
    folder = make_folder({"cat": 2, "dog": 1})
    dataset = open_dataset([SourceSpec(kind="imagefolder", location=str(folder))], SourceContext())
    picture = sample_picture(dataset, 0)
    assert picture is not None and picture.mode == "RGB" and picture.size == (8, 8)
    (folder / "cat" / "000.png").unlink()
    (folder / "cat" / "001.png").write_bytes(b"broken")
    assert sample_picture(dataset, 0) is None and sample_picture(dataset, 1) is None


@pytest.mark.parametrize("classes", [3, 41])
def test_multi_label_answers_have_samples_and_bars_but_no_confusion(
    make_folder: Callable[..., Path], classes: int
) -> None:
    from vlmbench.tasks.classification.measures import class_results

    dataset = open_dataset(
        [SourceSpec(kind="imagefolder", location=str(make_folder({"cat": 3, "dog": 3})))], SourceContext()
    )
    random = np.random.default_rng(0)
    scores = random.random((6, classes)).astype(np.float32)
    top = np.argsort(-scores, axis=1)[:, :3]
    targets = random.random((6, classes)) < 0.4
    scored = Scored(
        indices=np.arange(6),
        contents=Contents(np.arange(6), np.zeros((6, 32), dtype=np.uint8)),
        labels=None,
        targets=targets,
        top=top,
        top_scores=np.take_along_axis(scores, top, axis=1),
        confidence=np.full(6, 0.5, dtype=np.float32),
        scores=scores,
        num_classes=classes,
        logit_scale=100.0,
    )
    names = [f"class {index}" for index in range(classes)]
    pictures = draw_answers(scored, dataset, names, class_results(scored, names), where="m on t", count=4, seed=0)
    assert set(pictures) == {"per-class.png", "samples.png"}
