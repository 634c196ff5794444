"""The images and texts that the checks of models use. They are few, small and always the same."""

from __future__ import annotations

import numpy as np
import PIL.Image

TEXTS = (
    "a photo of a cat",
    "",
    "a",
    "dog",
    " ".join(f"word{number}" for number in range(90)),
    "фотография кошки, 猫の写真, صورة قطة",
    "A PHOTO, of a dog!! ünï¢ödé 🐈",
    "a photo of a big red dog",
)
"""Texts of one word and of many, an empty text, a text longer than any context, several scripts, and texts with the
same beginning."""
SIZES = ((64, 48), (37, 90), (32, 32), (120, 33))
"""Width and height of the images."""
MODES = ("L", "LA", "P", "RGBA", "CMYK", "1", "I;16")
"""Modes of images other than RGB."""


def images(count: int = 8) -> list[PIL.Image.Image]:
    """RGB images of several sizes. Each shows noise over a gradient and differs from the others."""
    random = np.random.default_rng(0)
    found = []
    for number in range(count):
        width, height = SIZES[number % len(SIZES)]
        slope = np.linspace(0, 255, width)[None, :, None] * np.array([1.0, 0.5, 0.1 * number % 1])
        noise = random.uniform(-60, 60, (height, width, 3))
        found.append(PIL.Image.fromarray((slope + noise).clip(0, 255).astype(np.uint8)))
    return found


def image_of_mode(mode: str) -> PIL.Image.Image:
    """A gradient in this mode."""
    gradient = PIL.Image.linear_gradient("L").resize((60, 44))
    colours = PIL.Image.merge("RGB", (gradient, gradient.rotate(180), gradient.point(lambda value: value // 2)))
    if mode == "LA":
        return PIL.Image.merge("LA", (gradient, gradient.rotate(180)))
    if mode == "RGBA":
        return PIL.Image.merge("RGBA", (*colours.split(), gradient))
    if mode == "I;16":
        return PIL.Image.fromarray(np.asarray(gradient).astype(np.uint16) * 257)
    return colours.convert(mode)
