"""What makes remarks of metrics."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from remarks.trigger import Arguments, Trigger, boxes


def crowds(top: Path, _: pytest.MonkeyPatch) -> Arguments:
    """Boxes of which each is a crowd, so that nothing is to be found."""
    arguments = boxes(top, [(2, 3, 10, 8), (4, 5, 6, 7)])
    file = top / "set" / "instances.json"
    content = json.loads(file.read_text())
    for entry in content["annotations"]:
        entry["iscrowd"] = 1
    file.write_text(json.dumps(content))
    return arguments


TRIGGERS = {
    "no-value": Trigger(
        crowds, "ap has no value: the 2 objects are all crowds", "no value: the 2 objects are all crowds"
    ),
}
