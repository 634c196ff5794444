"""The PNG writer: readable by Pillow, lossless, and the same bytes for the same pixels."""

from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from vlmbench.demo.png import encode_png


@pytest.mark.parametrize("shape", [(1, 1), (8, 8), (25, 31, 3), (200, 160, 3)])
def test_pillow_reads_back_the_pixels(shape: tuple[int, ...]) -> None:
    # The largest shape needs more than one stored block.
    pixels = np.random.Generator(np.random.PCG64(1)).integers(0, 256, shape, dtype=np.uint8)
    with Image.open(io.BytesIO(encode_png(pixels))) as image:
        assert image.format == "PNG"
        assert image.mode == ("L" if len(shape) == 2 else "RGB")
        assert np.array_equal(np.asarray(image), pixels)


@pytest.mark.parametrize("pixels", [np.zeros((4, 4)), np.zeros((4, 4, 4), np.uint8), np.zeros(4, np.uint8)])
def test_other_arrays_are_refused(pixels: NDArray[np.uint8]) -> None:
    with pytest.raises(ValueError, match="pixels must be uint8"):
        encode_png(pixels)
