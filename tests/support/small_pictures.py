"""Datasets in memory to draw support sets from: small pictures, of which two can have the same content."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import numpy as np
import PIL.Image

from vlmbench.data.base import Sample
from vlmbench.testing.toy_data import ToyImages


def picture(number: int, colour: tuple[int, int, int] = (128, 128, 128), size: tuple[int, int] = (8, 6)) -> bytes:
    """A PNG of noise around a colour; the same number and colour give the same bytes."""
    random = np.random.default_rng(number)
    pixels = np.clip(np.array(colour) + random.integers(-60, 60, (size[1], size[0], 3)), 0, 255).astype(np.uint8)
    sink = io.BytesIO()
    PIL.Image.fromarray(pixels).save(sink, "PNG")
    return sink.getvalue()


def pictures(classes: Mapping[str, Sequence[int]], colours: Sequence[tuple[int, int, int]] = ()) -> ToyImages:
    """Images of each class by the numbers of their content, in the reverse order of their names."""
    found = [
        (f"{name}/{number:03}.png", label, picture(number, colours[label] if colours else (128, 128, 128)))
        for label, (name, numbers) in enumerate(classes.items())
        for number in numbers
    ][::-1]
    samples = [Sample(name, label) for name, label, _ in found]
    return ToyImages(samples, [data for _, _, data in found], tuple(classes))
