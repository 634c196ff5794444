"""The files that a reader of the pages already has: photographs, a trained checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import open_clip
import torch
from data.layouts import image_bytes, write_folder


def photographs(folder: Path, *classes: str, each: int = 2) -> None:
    """A folder of images for each class."""
    files = {
        f"{name}/{number}.jpg": image_bytes(index * each + number, "JPEG", (64, 48))
        for index, name in enumerate(classes)
        for number in range(each)
    }
    write_folder(folder, files)


def weights(architecture: str) -> dict[str, Any]:
    """The weights of a network of open_clip, in half precision; they are drawn at random."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return open_clip.create_model(architecture, precision="fp16").state_dict()


def save(path: Path, content: object) -> None:
    """A checkpoint file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, path)
