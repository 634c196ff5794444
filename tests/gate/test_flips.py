"""The samples that changed most, of each kind of task."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from gate_cases import CLASSES, answers, labels, table

from vlmbench.gate.flips import GAINS, LOSSES, flipped_samples


def test_of_right_and_wrong_answers_the_surest_mistakes_come_first() -> None:
    before, after = table(answers(100, range(10)), labels(100)), table(answers(100, range(5, 40)), labels(100))
    found = flipped_samples(before, after, "classification", CLASSES)
    assert [flip.sample for flip in found if flip.lost] == [f"s{row:05d}" for row in range(39, 39 - LOSSES, -1)]
    assert [flip.sample for flip in found if not flip.lost] == [f"s{row:05d}" for row in (4, 3, 2, 1, 0)]
    assert all(flip.truth in CLASSES and flip.truth in (flip.baseline, flip.candidate) for flip in found)


def test_nothing_flips_between_equal_answers_or_from_wrong_to_wrong() -> None:
    before = table(answers(10, [3]), labels(10))
    other = answers(10)
    other[3] = (other[3] + 2) % len(CLASSES)
    assert flipped_samples(before, before, "classification", CLASSES) == []
    assert flipped_samples(before, table(other, labels(10)), "classification", CLASSES) == []


def test_ranks_move_by_their_ratio() -> None:
    def ranked(*ranks: int) -> pa.Table:
        names = [f"i{row}" for row in range(len(ranks))]
        return pa.table({"sample": names, "image_to_text_rank": pa.array(ranks, pa.int32())})

    found = flipped_samples(ranked(1, 100, 8, 5), ranked(5, 105, 2, 5), "retrieval", ())
    assert [(flip.sample, flip.lost) for flip in found] == [("i0", True), ("i1", True), ("i2", False)]
    assert (found[0].baseline, found[0].candidate) == ("rank 1", "rank 5")


def test_images_of_segmentation_by_their_own_mean_iou() -> None:
    def pixels(*met: tuple[int, int]) -> pa.Table:
        def column(values: list[list[int]]) -> pa.Array:
            return pa.FixedSizeListArray.from_arrays(pa.array(np.array(values, dtype=np.int64).reshape(-1)), 2)

        wrong = [[10 - first, 10 - second] for first, second in met]
        return pa.table(
            {
                "sample": [f"i{row}" for row in range(len(met))],
                "intersection": column([list(pair) for pair in met]),
                "predicted": column([[a + v, b + u] for (a, b), (u, v) in zip(met, wrong, strict=True)]),
                "truth": column([[10, 10] for _ in met]),
            }
        )

    found = flipped_samples(pixels((10, 10), (0, 0), (10, 10)), pixels((5, 5), (10, 10), (10, 10)), "segmentation", ())
    assert [(flip.sample, flip.lost) for flip in found] == [("i0", True), ("i1", False)]
    # Half of each class is met: 5 / (10 + 10 - 5).
    assert (found[0].baseline, found[0].candidate) == ("IoU 100.0", "IoU 33.3")
    assert (found[1].baseline, found[1].candidate) == ("IoU 0.0", "IoU 100.0")


def test_only_so_many_are_shown_and_tables_of_other_tasks_have_none() -> None:
    before, after = table(answers(200), labels(200)), table(answers(200, range(100)), labels(200))
    assert len(flipped_samples(before, after, "classification", CLASSES)) == LOSSES
    assert len(flipped_samples(after, before, "classification", CLASSES)) == GAINS
    boxes = pa.table({"sample": ["a"], "boxes": [[1.0]]})
    assert flipped_samples(boxes, boxes, "detection", ()) == []


def test_a_clip_that_need_not_show_its_action_is_neither_right_nor_wrong() -> None:
    before, after = (
        table(answers(10, wrong), labels(10)).append_column("annotation", [[0] * 10]) for wrong in ([], [3])
    )
    assert flipped_samples(before, after, "rare_actions", CLASSES) == []
