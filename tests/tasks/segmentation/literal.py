"""The steps of dense prediction written out pixel by pixel, to compare with."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Maps = NDArray[np.float64]


def bilinear(maps: Maps, size: tuple[int, int]) -> Maps:
    """(C, h, w) to (C, *size): pixel centres at halves, values beyond the border repeated."""

    def place(index: int, old: int, new: int) -> tuple[int, int, float]:
        at = min(max((index + 0.5) * old / new - 0.5, 0), old - 1)
        low = int(at)
        return low, min(low + 1, old - 1), at - low

    out = np.zeros((len(maps), *size))
    for row in range(size[0]):
        top, bottom, down = place(row, maps.shape[1], size[0])
        for column in range(size[1]):
            left, right, across = place(column, maps.shape[2], size[1])
            upper = maps[:, top, left] * (1 - across) + maps[:, top, right] * across
            lower = maps[:, bottom, left] * (1 - across) + maps[:, bottom, right] * across
            out[:, row, column] = upper * (1 - down) + lower * down
    return out


def sliding(
    pixels: Maps, side: int, stride: int, score: Callable[[Maps], Maps], queries: int, size: tuple[int, int]
) -> Maps:
    """mmseg's slide_inference, loop for loop: crops moved back at the end, scores added, divided by how many saw them.

    Args:
        pixels: (3, H, W).
        side: of a window.
        stride: between windows.
        score: a crop to its patch scores, (Q, h, w).
        queries: Q.
        size: what all is brought to in the end.
    """
    height, width = pixels.shape[1:]
    sums, seen = np.zeros((queries, height, width)), np.zeros((height, width))
    for down in range(max(height - side + stride - 1, 0) // stride + 1):
        for across in range(max(width - side + stride - 1, 0) // stride + 1):
            bottom, right = min(down * stride + side, height), min(across * stride + side, width)
            top, left = max(bottom - side, 0), max(right - side, 0)
            scores = bilinear(score(pixels[:, top:bottom, left:right]), (bottom - top, right - left))
            for row in range(top, bottom):
                for column in range(left, right):
                    sums[:, row, column] += scores[:, row - top, column - left]
                    seen[row, column] += 1
    assert seen.min() > 0
    return bilinear(sums / seen, size)


def pamr(scores: Maps, image: Maps, steps: int, dilations: Sequence[int]) -> Maps:
    """Araslanov and Roth's refinement, neighbour by neighbour."""
    height, width = image.shape[1:]
    offsets = [(d * r, d * c) for d in dilations for r in (-1, 0, 1) for c in (-1, 0, 1)]

    def at(maps: Maps, row: int, column: int) -> Maps:
        return maps[:, min(max(row, 0), height - 1), min(max(column, 0), width - 1)]

    weights = {}
    for row in range(height):
        for column in range(width):
            here = image[:, row, column]
            around = np.stack([at(image, row + r, column + c) for r, c in offsets])
            deviation = around.std(axis=0, ddof=1)
            unlike = [
                float(np.mean(-np.abs(here - at(image, row + r, column + c)) / (1e-8 + 0.1 * deviation)))
                for r, c in offsets
                if (r, c) != (0, 0)
            ]
            exponents = np.exp(np.asarray(unlike) - max(unlike))
            weights[row, column] = exponents / exponents.sum()
    neighbours = [offset for offset in offsets if offset != (0, 0)]
    for _ in range(steps):
        new = np.zeros_like(scores)
        for (row, column), own in weights.items():
            new[:, row, column] = sum(
                weight * at(scores, row + r, column + c) for weight, (r, c) in zip(own, neighbours, strict=True)
            )
        scores = new
    return scores
