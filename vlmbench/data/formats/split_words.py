"""Lists the words that name a split in names of folders and files and in columns of tables.

The readers of boxes, captions, masks and class folders use it.
"""

from __future__ import annotations

from collections.abc import Mapping

SPLIT_OF: Mapping[str, str] = {
    **dict.fromkeys(("test", "testing", "tests", "tst"), "test"),
    **dict.fromkeys(("val", "valid", "validation", "validate", "dev", "eval", "evaluation", "holdout"), "val"),
    **dict.fromkeys(("train", "training", "trn", "trainval", "learn"), "train"),
}
"""Each word, in lower case, with the split that it names."""
