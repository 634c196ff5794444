"""The reader's images with captions of two splits."""

from __future__ import annotations

from pathlib import Path

from data.layouts import image_bytes, write_folder

_CAPTIONS = "image,caption,split\n0.png,a red square,test\n1.png,a blue circle,test\n2.png,a green ring,train\n"


def prepare(folder: Path) -> None:
    images = {f"{number}.png": image_bytes(number) for number in range(3)}
    write_folder(folder / "flickr30k", {**images, "captions.csv": _CAPTIONS.encode()})
