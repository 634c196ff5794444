"""What makes remarks of the images that a transfer method learns from."""

from __future__ import annotations

from pathlib import Path

import pytest
from data.layouts import image_bytes, write_folder
from remarks.trigger import TOY, Arguments, Trigger, task_card


def _three_shots(top: Path, train: dict[str, tuple[int, ...]]) -> Arguments:
    """Two images of each class to score, and three to learn from."""
    for role, classes in (("test", {"cat": (0, 1), "dog": (2, 3)}), ("train", train)):
        own = {f"{name}/{i}.png": image_bytes(i) for name, every in classes.items() for i in every}
        write_folder(top / role, own)
    card = task_card(top, "imagefolder", top / "test", train=[{"kind": "imagefolder", "location": str(top / "train")}])
    return (*TOY, *card, "--transfer", "nearest-mean", "--shots", 3, "--seeds", 1)


def _overlap(top: Path, _: pytest.MonkeyPatch) -> Arguments:
    """A cat to learn from is a scored one."""
    return _three_shots(top, {"cat": (4, 0, 5, 9), "dog": (6, 7, 8)})


def _fewer(top: Path, _: pytest.MonkeyPatch) -> Arguments:
    """Three dogs to learn from, and two cats."""
    return _three_shots(top, {"cat": (4, 5), "dog": (6, 7, 8)})


TRIGGERS = {
    "support-fewer": Trigger(
        _fewer,
        "1 class has fewer than 3 images to learn from, or too few to choose settings with: cat",
        "1 class with fewer images",
    ),
    "support-overlap": Trigger(
        _overlap,
        "1 image of the train or val data is in another role too, and was not drawn: cat/0.png",
        "1 image in another role not drawn",
    ),
}
