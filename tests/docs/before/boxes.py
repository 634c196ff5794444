"""The reader's images with boxes, in YOLO's form."""

from __future__ import annotations

from pathlib import Path

from data.box_layouts import write_layout


def prepare(folder: Path) -> None:
    write_layout("Label Studio, YOLO", folder / "my-boxes")
