"""What makes remarks of detectors that read image and labels together: tiny checkpoints of their families."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from remarks.trigger import TOY, Arguments, Trigger, boxes, model_card


def asked(family: str, classes: Sequence[str], template: str = "{}") -> Callable[[Path, pytest.MonkeyPatch], Arguments]:
    """A detector of a family finds its own boxes of two classes."""

    def write(top: Path, _: pytest.MonkeyPatch) -> Arguments:
        pytest.importorskip("transformers", reason="the transformers extra is not installed")
        from models.transformers.grounded import detectors

        make: Any = getattr(detectors, family)
        task = boxes(top, protocol={"regions": "native"}, templates=[template])[len(TOY) :]
        instances = top / "set" / "instances.json"
        content = json.loads(instances.read_text())
        for category, name in zip(content["categories"], classes, strict=True):
            category["name"] = name
        instances.write_text(json.dumps(content))
        return (*model_card(top, "transformers", make(top / family)), *task)

    return write


LONG = ["red bus", " ".join(["cat"] * 74)]
"""Each fits in 77 tokens, and both together do not."""
TRIGGERS = {
    "split-labels": Trigger(
        asked("grounding_dino", ["cat", "dr. pepper"]),
        "1 label has a full stop or a question mark inside, where the model splits phrases, so the parts do not see "
        "each other: dr. pepper",
        "1 split label",
    ),
    "template-in-labels": Trigger(
        asked("grounding_dino", ["cat", "dog"], "a photo of a {}"),
        "all labels begin with 'a photo of a'; the model's authors use bare class names, so if this is from a "
        "template, give a file with the line {} to --templates",
        "template in labels",
    ),
    "task-cut": Trigger(
        asked("omdet", LONG),
        "the text of the task names 2 labels and has more than 77 tokens, so the model reads only its beginning; each "
        "label is still read by itself",
        "task text cut",
    ),
    "no-confidence": Trigger(
        asked("florence", ["cat", "dog"]),
        "the model gives no confidences, so all scores are 1, and average precision depends on the order of the boxes "
        "alone",
        "no confidences",
    ),
}
