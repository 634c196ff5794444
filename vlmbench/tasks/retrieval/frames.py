"""The views of :func:`vlmbench.predictions_frame` for retrieval: a row for each image, or a row for each caption."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from vlmbench.answers.frame_columns import FrameColumn
from vlmbench.answers.frame_rows import CONTENT, SAMPLE, FrameRows, Values, flat, has, items_of, present

_IMAGE_COLUMNS = (
    SAMPLE,
    CONTENT,
    FrameColumn("captions", "Int64", "the number of captions of the image"),
    FrameColumn("rank", "Int64", "the rank of the image's best own caption among all captions, from 1"),
    FrameColumn("best_caption", "string", "the caption with the highest similarity to the image"),
)
_CAPTION_COLUMNS = (
    SAMPLE,
    FrameColumn("caption", "Int64", "the index of the caption in the image's list of captions, from 0"),
    FrameColumn("text", "string", "the text of the caption"),
    FrameColumn("rank", "Int64", "the rank of the caption's own image among all images, from 1"),
    FrameColumn("best_image", "string", "the sample id of the image with the highest similarity to the caption"),
)


def _images(table: pa.Table, class_names: Sequence[str]) -> dict[str, Values]:
    made = present(table, "sample", "content")
    if has(table, "captions"):
        made["captions"] = pc.list_value_length(table["captions"])
    if has(table, "image_to_text_rank"):
        made["rank"] = table["image_to_text_rank"]
    if has(table, "top_captions"):
        made["best_caption"] = pc.list_element(table["top_captions"], 0)
    return made


def _captions(table: pa.Table, class_names: Sequence[str]) -> dict[str, Values]:
    items = items_of(table, "text_to_image_ranks")
    names = {"captions": "text", "text_to_image_ranks": "rank", "top_image": "best_image"}
    made = {names[name]: values for name, values in flat(table, *names).items()}
    return {**items.repeated(table, "sample"), "caption": items.places, **made}


FRAMES = (
    FrameRows("sample", "one row for each image", _IMAGE_COLUMNS, _images),
    FrameRows("caption", "one row for each caption of each image", _CAPTION_COLUMNS, _captions),
)
