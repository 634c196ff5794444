"""What makes remarks of clips and of captions."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
from data.layouts import image_bytes, write_folder
from data.odd_videos import asks, film, two_streams
from data.videos import frame
from remarks.trigger import TOY, Arguments, Trigger

ONE = 1 << 16


def _clips(make: Callable[[Path], Path]) -> Callable[[Path, pytest.MonkeyPatch], Arguments]:
    """A folder of two clips of which one is this one."""

    def write(top: Path, _: pytest.MonkeyPatch) -> Arguments:
        pytest.importorskip("av", reason="the video extra is not installed")
        film(top / "clips" / "run" / "b.mp4", frame(1))
        make(top / "clips" / "walk" / "a.mp4")
        return (*TOY, "-t", f"frames:{top / 'clips'}")

    return write


def _captions(table: str) -> Callable[[Path, pytest.MonkeyPatch], Arguments]:
    """Two images, and a table of captions."""

    def write(top: Path, _: pytest.MonkeyPatch) -> Arguments:
        pictures = {f"images/{name}": image_bytes(i) for i, name in enumerate(("a.png", "b.png"))}
        write_folder(top / "set", {"captions.csv": table.encode(), **pictures})
        return (*TOY, "-t", f"captions:{top / 'set'}")

    return write


TRIGGERS = {
    "first-stream": Trigger(
        _clips(two_streams),
        "1 clip has several video streams, and the first one was read: walk/a.mp4",
        "first stream of 1 clip",
    ),
    "turned-videos": Trigger(
        _clips(lambda path: asks(film(path, frame(2)), 0, ONE, -ONE, 0)),
        "1 video was turned as its file asks, and as players do: walk/a.mp4",
        "1 video turned",
    ),
    "oblong-pixels": Trigger(
        _clips(lambda path: film(path, frame(2), aspect=Fraction(16, 11))),
        "1 video has pixels that are not square, and its frames were not stretched: walk/a.mp4",
        "1 video with pixels that are not square",
    ),
    "image-names": Trigger(
        _captions("image,caption\nA.PNG,one\nb.png,two\n"),
        "1 image of {top}/set/captions.csv was found under another name than that in the file: A.PNG (a.png)",
        "1 image under another name",
    ),
    "repeated-captions": Trigger(
        _captions("image,caption\na.png,one\na.png,one\nb.png,two\n"),
        "1 image in {top}/set/captions.csv has the same caption more than once, and every copy counts: a.png",
        "1 image with repeated captions",
    ),
}
