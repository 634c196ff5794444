"""What makes remarks of images' pixels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from remarks.trigger import TOY, Arguments, Trigger, boxes, images

GREY16 = PIL.Image.fromarray(np.arange(64, dtype=np.uint16).reshape(8, 8) * 1000)
PICTURE = PIL.Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3))


def _one(image: PIL.Image.Image, suffix: str, **saved: Any) -> Callable[[Path, pytest.MonkeyPatch], Arguments]:
    """A folder of images of which one is this one."""

    def write(top: Path, _: pytest.MonkeyPatch) -> Arguments:
        arguments = images(top)
        (top / "images" / "cat" / "0.png").unlink()
        image.save(top / "images" / "cat" / f"0{suffix}", **saved)
        return (*TOY, *arguments)

    return write


def _turned() -> PIL.Image.Exif:
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    return exif


def _turned_with_boxes(top: Path, _: pytest.MonkeyPatch) -> Arguments:
    """A picture with a box, stored as a camera stores one that was held on its side."""
    arguments = boxes(top)
    path = top / "set" / "images" / "1.png"
    with PIL.Image.open(path) as image:
        stored = image.transpose(PIL.Image.Transpose.ROTATE_90)
    stored.save(path, exif=_turned())
    return arguments


TRIGGERS = {
    "scaled-values": Trigger(
        _one(GREY16, ".png"),
        "1 image has more than 8 bits a channel, and its values were scaled to 8 bits from 0 to 65,535, as the values "
        "suggest: cat/0.png",
        "1 image scaled from 0 to 65,535",
    ),
    "transparency": Trigger(
        _one(PIL.Image.new("RGBA", (8, 8), (200, 0, 0, 9)), ".png"),
        "1 image is transparent in places, and white was put behind it: cat/0.png",
        "1 transparent image",
    ),
    "orientation-kept": Trigger(
        _one(PICTURE, ".jpg", exif=_turned()),
        "1 image has an EXIF tag that asks to turn it, and was read as it is stored: cat/0.jpg",
        "1 image not turned",
    ),
    "orientation-applied": Trigger(
        _turned_with_boxes,
        "1 image was turned as its EXIF tag asks, as annotation tools show it: 1.png",
        "1 image turned",
    ),
    "first-frame": Trigger(
        _one(PICTURE, ".gif", save_all=True, append_images=[PICTURE.rotate(90)]),
        "1 image file holds several pictures, and the first was read: cat/0.gif",
        "1 first picture of a file",
    ),
}
