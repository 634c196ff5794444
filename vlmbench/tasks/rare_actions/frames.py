"""The views of :func:`vlmbench.predictions_frame` for rare actions: those of classification, with annotations."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from vlmbench.answers.frame_columns import FrameColumn
from vlmbench.answers.frame_rows import FrameRows, Values, present
from vlmbench.tasks.classification.frames import CANDIDATES, SAMPLE_COLUMNS, samples

_COLUMNS = (
    *SAMPLE_COLUMNS,
    FrameColumn(
        "annotation",
        "Int64",
        "the annotation of the clip: 1 if it shows the action; 0 if it does not; 2 to 4 if it nearly does",
    ),
    FrameColumn("video", "string", "the video that the clip is from"),
    FrameColumn("verb", "string", "the verb of the action for which the clip was annotated"),
    FrameColumn("noun", "string", "the noun of this action"),
)


def _clips(table: pa.Table, class_names: Sequence[str]) -> dict[str, Values]:
    """A row for each clip, without class names.

    The classes of the record are only the actions that at least one clip shows, so a label gives no name there.
    """
    return {**samples(table, ()), **present(table, "annotation", "video", "verb", "noun")}


FRAMES = (
    FrameRows("sample", "one row for each clip", _COLUMNS, _clips),
    FrameRows(
        CANDIDATES.each,
        "one row for each clip and candidate action: the best five, best first",
        CANDIDATES.columns,
        lambda table, class_names: CANDIDATES.make(table, ()),
    ),
)
