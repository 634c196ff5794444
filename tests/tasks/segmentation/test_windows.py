"""Windows and resizing against literal loops and the authors' arithmetic."""

from __future__ import annotations

import doctest
from collections.abc import Sequence

import numpy as np
import PIL.Image
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tasks.segmentation.literal import bilinear as literal_bilinear
from tasks.segmentation.literal import sliding
from torch import Tensor

import vlmbench.tasks.segmentation.resize as resize
import vlmbench.tasks.segmentation.windows as windows_module
from vlmbench.tasks.segmentation.resize import bilinear, rescale, rescaled_size
from vlmbench.tasks.segmentation.windows import Tiling, pixel_scores, windows
from vlmbench.testing.toy_parts import PATCH, ToyPatches

QUERIES = 3


def head() -> Tensor:
    return torch.nn.functional.normalize(torch.randn(QUERIES, 16, generator=torch.Generator().manual_seed(2)), dim=1)


def image_of(height: int, width: int, seed: int = 0) -> Tensor:
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed))


def encode(crops: Sequence[Tensor]) -> Tensor:
    return ToyPatches().encode_patches(torch.stack(list(crops)), "plain")


def scored(pixels: Tensor, tiling: Tiling, size: tuple[int, int], batch_size: int = 3) -> np.ndarray:
    return pixel_scores(pixels, head(), encode, tiling, size=size, batch_size=batch_size).numpy()


def patch_scores(crop: np.ndarray) -> np.ndarray:
    features = encode([torch.from_numpy(np.ascontiguousarray(crop)).float()])[0]
    return np.einsum("dhw,qd->qhw", features.numpy(), head().numpy())


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 12), st.data())
def test_windows_cover_every_pixel_and_lie_inside(height: int, width: int, side: int, data: st.DataObject) -> None:
    stride = data.draw(st.integers(1, side))
    seen = np.zeros((height, width))
    for rows, columns in windows(height, width, side, stride):
        assert 0 <= rows.start < rows.stop <= height and 0 <= columns.start < columns.stop <= width
        assert (rows.stop - rows.start, columns.stop - columns.start) == (min(side, height), min(side, width))
        seen[rows, columns] += 1
    assert seen.min() >= 1


@pytest.mark.parametrize("batch_size", [1, 2, 100])
@pytest.mark.parametrize(("height", "width"), [(16, 24), (17, 30), (12, 12)])
def test_sliding_windows_are_those_of_a_literal_loop(height: int, width: int, batch_size: int) -> None:
    pixels, size = image_of(height, width), (21, 33)
    found = scored(pixels, Tiling(12, 8, PATCH, "crop"), size, batch_size)
    expected = sliding(pixels.numpy(), 12, 8, patch_scores, QUERIES, size)
    assert np.abs(found - expected).max() < 1e-5


def test_an_image_smaller_than_the_window_is_one_window() -> None:
    pixels = image_of(8, 8)
    found = scored(pixels, Tiling(224, 112, PATCH, "crop"), (10, 9))
    assert (
        np.abs(found - literal_bilinear(literal_bilinear(patch_scores(pixels.numpy()), (8, 8)), (10, 9))).max() < 1e-5
    )


def test_whole_images_go_straight_to_their_own_size() -> None:
    pixels = image_of(12, 20)
    found = scored(pixels, Tiling(None, None, PATCH, "crop"), (50, 31))
    assert np.abs(found - literal_bilinear(patch_scores(pixels.numpy()), (50, 31))).max() < 1e-5


def test_what_is_over_is_cropped_and_scores_are_stretched_over_all() -> None:
    """SCLIP and NACLIP: the convolution leaves out the last columns, the grid is laid over the whole image."""
    pixels = image_of(13, 19)
    expected = literal_bilinear(patch_scores(pixels.numpy()[:, :12, :16]), (13, 19))
    assert np.abs(scored(pixels, Tiling(None, None, PATCH, "crop"), (13, 19)) - expected).max() < 1e-5


@pytest.mark.parametrize("window", [None, 64])
def test_what_is_missing_is_padded_on_both_sides_and_cut_off(window: int | None) -> None:
    """ClearCLIP's compute_padsize: half of it, rounded down, at the left and the top."""
    pixels = image_of(13, 17)
    padded = np.zeros((3, 16, 20))
    padded[:, 1:14, 1:18] = pixels.numpy()
    expected = literal_bilinear(patch_scores(padded), (16, 20))[:, 1:14, 1:18]
    found = scored(pixels, Tiling(window, window, PATCH, "pad"), (13, 17))
    assert np.abs(found - expected).max() < 1e-5


def test_an_image_narrower_than_a_patch_is_padded_even_where_the_rest_is_cropped() -> None:
    assert scored(image_of(3, 9), Tiling(None, None, PATCH, "crop"), (3, 9)).shape == (QUERIES, 3, 9)


@pytest.mark.parametrize(
    ("size", "scale", "expected"),
    [
        ((500, 375), (336, 2048), (448, 336)),  # VOC
        ((500, 333), (336, 2048), (505, 336)),
        ((640, 480), (448, 2048), (597, 448)),  # COCO
        ((2048, 1024), (560, 2048), (1120, 560)),  # Cityscapes
        ((100, 3000), (336, 2048), (68, 2048)),  # the long side decides
        ((333, 500), (336, None), (336, 505)),
        ((33, 50), (None, None), (33, 50)),
        ((33, 50), (None, 20), (33, 50)),
        ((3000, 1), (336, 2048), (2048, 1)),
    ],
)
def test_sizes_are_mmcvs(
    size: tuple[int, int], scale: tuple[int | None, int | None], expected: tuple[int, int]
) -> None:
    """rescale_size: min(long / max(h, w), short / min(h, w)), then int(side * scale + 0.5)."""
    assert rescaled_size(size, *scale) == expected


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 12), st.integers(1, 12))
@settings(deadline=None, max_examples=40)
def test_bilinear_is_a_literal_one(height: int, width: int, new_height: int, new_width: int) -> None:
    maps = torch.rand(2, height, width, generator=torch.Generator().manual_seed(height * width))
    expected = literal_bilinear(maps.numpy().astype(float), (new_height, new_width))
    assert np.abs(bilinear(maps, (new_height, new_width)).numpy() - expected).max() < 1e-5


def test_images_shrink_without_smoothing() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    found = np.asarray(rescale(PIL.Image.fromarray(pixels), (10, 7)))
    expected = literal_bilinear(pixels.transpose(2, 0, 1).astype(float), (7, 10)).transpose(1, 2, 0)
    assert np.abs(found - expected).max() <= 0.5 + 1e-3
    image = PIL.Image.fromarray(pixels)
    assert rescale(image, image.size) is image
    smooth = np.asarray(image.resize((10, 7), PIL.Image.Resampling.BILINEAR), dtype=float)
    assert np.abs(found - smooth).mean() > 10, "Pillow's would be another image"


def test_examples() -> None:
    for module in (resize, windows_module):
        failed, tried = doctest.testmod(module)
        assert tried > 0 and failed == 0
