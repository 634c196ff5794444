"""Pictures of a retrieval's answers: images with the captions that were found for them."""

from __future__ import annotations

from collections.abc import Sequence

from vlmbench.data.base import ImageDataset
from vlmbench.tasks.retrieval.ranks import Ranked
from vlmbench.tasks.samples import drawn_samples, sample_picture, sheets
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
    """File names to PNG: ``samples.png``, on as many sheets as it takes.

    Args:
        dataset: where the drawn images are read again.
        scored: I sample indices.
        captions: all M captions, the first image's first.
        spans: (I + 1,) where each image's captions begin.
        by_image: each image's answer over the M captions.
        where: "MODEL on TASK".
    """
    wrong = by_image.ranks > 1
    chosen = drawn_samples(wrong, count, seed)
    note = (
        f"A tick marks an image's own captions. {int(wrong[chosen].sum()):,} of these {len(chosen):,} images have "
        f"another's first, since up to half are chosen to; of all {len(scored):,} images {wrong.mean():.1%} have."
    )

    def query(row: int) -> Query:
        own = range(spans[row], spans[row + 1])
        lines = [Line(captions[place], right=place in own) for place in by_image.top[row].tolist()]
        if not any(line.right for line in lines):
            lines.append(Line(f"its own: {captions[own[0]]}", faint=True))
        heading = f"its best caption is at rank {by_image.ranks[row]:,} of {len(captions):,}"
        return Query(sample_picture(dataset, scored[row]), heading, tuple(lines))

    return sheets(
        chosen,
        SHEET_ROWS,
        lambda rows: retrieval_sheet([query(row) for row in rows], f"{where}: captions found for images", note=note),
    )
