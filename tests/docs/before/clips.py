"""The reader's clips: folders of frames of two cameras."""

from __future__ import annotations

from pathlib import Path

from data.layouts import image_bytes, write_folder


def prepare(folder: Path) -> None:
    write_folder(
        folder / "clips",
        {
            f"{action}/clip/{side}_{number}.jpg": image_bytes(number)
            for action in ("walk", "run")
            for side in ("left", "right")
            for number in (1, 2, 3)
        },
    )
