"""What a predictions frame shows of rare actions: as of classification, with what the data says of each clip."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from vlmbench.answers.frame_columns import FrameColumn
from vlmbench.answers.frame_rows import FrameRows, Values, present
from vlmbench.tasks.classification.frames import CANDIDATES, SAMPLE_COLUMNS, samples

_COLUMNS = (
    *SAMPLE_COLUMNS,
    FrameColumn("annotation", "Int64", "how the clip was annotated: 1 shows the action, other values do not"),
    FrameColumn("video", "string", "the video that the clip is from"),
    FrameColumn("verb", "string", "the verb of the action that the clip was annotated for"),
    FrameColumn("noun", "string", "its noun"),
)


def _clips(table: pa.Table, class_names: Sequence[str]) -> dict[str, Values]:
    """A row a clip. The record's classes are the actions that a clip shows, not all: labels have no names from it."""
    return {**samples(table, ()), **present(table, "annotation", "video", "verb", "noun")}


FRAMES = (
    FrameRows("sample", "one row a clip", _COLUMNS, _clips),
    FrameRows(
        CANDIDATES.each,
        "one row a clip and candidate action: the best five, best first",
        CANDIDATES.columns,
        lambda table, class_names: CANDIDATES.make(table, ()),
    ),
)
