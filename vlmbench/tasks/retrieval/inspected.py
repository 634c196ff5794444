"""Measures how wrong the answers of a retrieval are, for the worst samples of ``vlmbench show``.

An image is worse if it ranks its best own caption further down, or if its own captions rank it further down.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from vlmbench.answers.columns import numbers, owners, runs
from vlmbench.answers.inspected import AnswerLine, FoundImage, Inspected, cell, has

_CAPTIONS_SHOWN = 5
_COLUMNS = ("image_to_text_rank", "text_to_image_ranks", "captions")


def inspected(table: pa.Table, class_names: Sequence[str]) -> Inspected | None:
    """How wrong each answer of a table is; None if the table lacks a column. The class names are not used."""
    if not has(table, _COLUMNS):
        return None
    images = numbers(table, "image_to_text_rank").astype(np.int64)
    captions, lengths = runs(table, "text_to_image_ranks")
    owner = owners(lengths)
    each = np.bincount(owner, minlength=len(images))
    late = np.bincount(owner, weights=np.log(captions), minlength=len(images)) / np.maximum(each, 1)
    every_caption = len(captions)

    def order_of(row: int) -> list[int]:
        own = cell(table, "text_to_image_ranks", row)
        return sorted(range(len(own)), key=lambda place: -own[place])

    def truth(row: int) -> list[str]:
        own, found = cell(table, "captions", row), cell(table, "text_to_image_ranks", row)
        lines = [f"{own[place]} (finds this image at rank {found[place]:,})" for place in order_of(row)]
        more = len(lines) - _CAPTIONS_SHOWN
        return [*lines[:_CAPTIONS_SHOWN], *([f"and {more:,} more"] if more > 0 else [])]

    def answer(row: int) -> list[AnswerLine]:
        if not has(table, ("top_captions",)):
            return []
        own = set(cell(table, "captions", row))
        return [AnswerLine(text, right=text in own) for text in cell(table, "top_captions", row)]

    def found(row: int) -> list[FoundImage]:
        own, names, at = (cell(table, name, row) for name in ("captions", "top_image", "text_to_image_ranks"))
        return [FoundImage(own[place], names[place]) for place in order_of(row)[:1] if at[place] > 1]

    return Inspected(
        badness=np.log(images) + late,
        order="The list begins with the images that have the worst ranks, by a sum: the logarithm of the rank of "
        "the image's best own caption, plus the mean logarithm of the image's ranks for its own captions.",
        reason=lambda row: f"the best of its own captions is at rank {images[row]:,} of {every_caption:,}",
        truth=truth,
        answer=answer,
        found=found if has(table, ("top_image",)) else None,
    )
