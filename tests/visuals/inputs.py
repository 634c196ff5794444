"""What the pictures must survive."""

from __future__ import annotations

import io

import numpy as np
import PIL.Image

HOSTILE = (
    "x" * 300,
    "\N{DOG FACE} dog",
    "\u732b",
    "\u0643\u0644\u0628 \u062c\u0645\u064a\u0644",
    "\uac15\uc544\uc9c0",
    "",
    "<script>alert(1)</script>",
    "$x_1$ & 50% {}",
    "caf\u00e9\nnew\tline\0",
    "\u05e9\u05dc\u05d5\u05dd",
    "a\u0300\u0301" * 50,
    "\ud800",
)
LARGEST = 4000
"""Pixels that no picture's side exceeds."""


def opened(png: bytes) -> PIL.Image.Image:
    """A PNG, decoded, of bounded size and with something in it."""
    assert png.startswith(b"\x89PNG")
    image = PIL.Image.open(io.BytesIO(png))
    image.load()
    assert image.mode == "RGB" and max(image.size) <= LARGEST and len(png) < 6_000_000
    assert len(image.getcolors(image.width * image.height) or []) > 1
    return image


def near(image: PIL.Image.Image, colour: tuple[int, int, int], tolerance: int = 2) -> int:
    """How many pixels have about this colour."""
    difference = np.abs(np.asarray(image).astype(int) - np.array(colour)).max(axis=2)
    return int((difference <= tolerance).sum())
