"""What makes remarks of metrics."""

from __future__ import annotations

from pathlib import Path

import pytest
from remarks.trigger import TOY, Arguments, Trigger, boxes, task_card


def nothing_large(top: Path, _: pytest.MonkeyPatch) -> Arguments:
    """A task of large objects, and data of small ones."""
    boxes(top, [(2, 3, 10, 8), (4, 5, 6, 7)])
    return (*TOY, *task_card(top, "coco", top / "set", plugin="detection", metrics=["ap_large"]))


TRIGGERS = {
    "no-value": Trigger(
        nothing_large,
        "ap_large has no value: the data has no large object to find",
        "no value: the data has no large object to find",
    ),
}
