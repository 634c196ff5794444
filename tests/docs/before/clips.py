"""What the reader has: folders of frames, and frames of two cameras."""

from pathlib import Path

from data.layouts import image_bytes, write_folder


def prepare(folder: Path) -> None:
    classes = ("archery", "diving")
    films = {f"{name}/clip/frame{number}.jpg": number for name in classes for number in range(1, 4)}
    write_folder(folder / "films", {path: image_bytes(number, "JPEG") for path, number in films.items()})
    sides = {
        f"{name}/clip/{side}_{number}.jpg": number
        for name in classes
        for side in ("left", "right")
        for number in (1, 2)
    }
    write_folder(folder / "stereo", {path: image_bytes(number, "JPEG") for path, number in sides.items()})
