"""Draws images, each with the captions that the model found for it. The retrieval plugin calls it."""

from __future__ import annotations

from collections.abc import Sequence

from vlmbench.data.base import ImageDataset
from vlmbench.tasks.retrieval.ranks import Ranked
from vlmbench.tasks.samples import drawn_note, drawn_samples, sample_picture, sheets
from vlmbench.visuals.sheets import SHEET_ROWS, Line, Query, retrieval_sheet


def draw_answers(
    dataset: ImageDataset,
    scored: Sequence[int],
    captions: Sequence[str],
    spans: Sequence[int],
    by_image: Ranked,
    *,
    where: str,
    count: int,
    seed: int,
) -> dict[str, bytes]:
    """Draw images with the captions that were found for them, on one sheet or several.

    Args:
        dataset: the drawn images are read from it again.
        scored: the indices of the I images.
        captions: all M captions; those of the first image come first.
        spans: (I + 1,) the place of each image's first caption, and M at the end.
        by_image: the answer to each image, over the M captions.
        where: "MODEL on TASK", the beginning of each title.
        count: the number of images to draw.
        seed: the seed of their choice.

    Returns:
        File names and PNG contents; see :func:`~vlmbench.tasks.samples.sheets`.
    """
    wrong = by_image.ranks > 1
    chosen = drawn_samples(wrong, count, seed)
    note = (
        f"{drawn_note(wrong, chosen)} Wrong: another image's caption is first. A tick marks the image's own captions."
    )

    def query(row: int) -> Query:
        own = range(spans[row], spans[row + 1])
        lines = [Line(captions[place], right=place in own) for place in by_image.top[row].tolist() if place >= 0]
        if not any(line.right for line in lines):
            lines.append(Line(f"its own: {captions[own[0]]}", faint=True))
        heading = f"the best of its own captions is at rank {by_image.ranks[row]:,} of {len(captions):,}"
        return Query(sample_picture(dataset, scored[row]), heading, tuple(lines))

    return sheets(
        chosen,
        SHEET_ROWS,
        lambda rows: retrieval_sheet([query(row) for row in rows], f"{where}: captions found for images", note=note),
    )
