"""What the reader of ``docs/training_loop.md`` has: a checkpoint of open_clip."""

from __future__ import annotations

import shutil
from pathlib import Path

from repository import REPOSITORY


def prepare(folder: Path) -> None:
    """The demo's checkpoint, under the name of the page."""
    shutil.copytree(REPOSITORY / "vlmbench/demo/checkpoint", folder / "checkpoint")
