"""Draws segmentations: the image, the truth and the prediction side by side, with names on the regions.

Runs with ``--save-visuals`` and ``vlmbench show`` use it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import PIL.Image
import PIL.ImageDraw
from numpy.typing import NDArray

from vlmbench.visuals.canvas import (
    BODY,
    HEADING,
    PANEL_THINNEST,
    SMALL,
    Image,
    below,
    beside,
    blank,
    framed,
    line_height,
    shown,
)
from vlmbench.visuals.colours import FAINT, INK, PAPER, class_colour, palette
from vlmbench.visuals.text import class_label, fitting, font
from vlmbench.visuals.text_labels import TextLabel, place_labels

TINT = 0.62
"""The share of the class's colour in a pixel. The rest is the image in grey, so that equal classes look equal."""
BACKGROUND = "background"
"""A class of this name gets no colour."""

_SIDE, _STACKED_WIDTH = 440, 900
_WIDE = 2.2
"""From this ratio of width to height, panels are stacked instead of placed side by side."""
_LEGEND_ENTRIES = 12
_NAMED_SHARE = 0.004
"""Smaller regions (as a share of the picture) have their name only in the legend."""
_SCAN = 96
"""The longer side, in pixels, of the small mask in which regions are searched."""

Labels = NDArray[np.int64]


def draw_masks(
    image: Image,
    predicted: NDArray[np.integer] | None,
    true: NDArray[np.integer],
    class_names: Sequence[str],
    *,
    ignore_label: int,
    title: str = "",
) -> bytes:
    """Draw the image, the truth over it, and the prediction over it, each with the names of its classes, as PNG.

    Args:
        image: (H, W) in any mode.
        predicted: (H, W) class indices, or ``ignore_label``; None: the prediction is not known, and is not drawn.
        true: (H, W) the same for the truth.
        class_names: C names. "background" gets no colour.
        ignore_label: pixels of this value are hatched in grey.
        title: the heading of the picture.

    Raises:
        ValueError: a mask has another size than the image, or an index is neither a class nor ``ignore_label``.
    """
    for name, mask in (("predicted", predicted), ("true", true)):
        if mask is None:
            continue
        if mask.shape != (image.height, image.width):
            raise ValueError(f"the {name} mask is {mask.shape}, the image {(image.height, image.width)}")
        outside = (mask != ignore_label) & ((mask < 0) | (mask >= len(class_names)))
        if outside.any():
            raise ValueError(f"the {name} mask has {int(mask[outside][0])}, of {len(class_names)} classes")
    wide = image.width > _WIDE * image.height
    small = shown(image, (_STACKED_WIDTH, _SIDE) if wide else (_SIDE, _SIDE), PANEL_THINNEST)
    width = max(small.width, 220)
    panels = [_panel("image", small, _caption_row(width, small))]
    for name, mask in (("truth", true), ("prediction", predicted)):
        if mask is None:
            continue
        own = mask.astype(np.int64)
        overlay = _overlay(small, _resized(own, small.size), class_names, ignore_label)
        panels.append(_panel(name, overlay, _legend(own, class_names, ignore_label, width)))
    return framed(below(panels) if wide else beside(panels), title)


def _resized(mask: Labels, size: tuple[int, int]) -> Labels:
    """A mask at a panel's size, by the nearest pixel."""
    rows = (np.arange(size[1]) + 0.5) * mask.shape[0] // size[1]
    columns = (np.arange(size[0]) + 0.5) * mask.shape[1] // size[0]
    resized: Labels = mask[rows.astype(np.int64)[:, None], columns.astype(np.int64)]
    return resized


def _overlay(image: Image, mask: Labels, class_names: Sequence[str], ignore_label: int) -> Image:
    """Classes as tints of the grey image, with light edges between them, and their names if there is room."""
    ignored = mask == ignore_label
    colours = palette(len(class_names))[np.where(ignored, 0, mask)].astype(np.float32)
    clear = np.isin(mask, [index for index, name in enumerate(class_names) if name.casefold() == BACKGROUND]) & ~ignored
    grey = np.asarray(image.convert("L"), dtype=np.float32)[..., None].repeat(3, axis=2)
    pixels = TINT * colours + (1 - TINT) * grey
    pixels[clear] = 0.75 * grey[clear] + 0.25 * 255
    pixels[ignored] = _hatching(mask.shape)[ignored]
    edges = np.zeros(mask.shape, dtype=bool)
    edges[:, 1:] |= mask[:, 1:] != mask[:, :-1]
    edges[1:] |= mask[1:] != mask[:-1]
    pixels[edges] = PAPER
    picture = PIL.Image.fromarray(np.round(pixels).astype(np.uint8))
    labels = [
        TextLabel(class_label(class_names, index), class_colour(index), [(x, y)], centred=True, may_overlap=False)
        for index, (x, y) in _largest_regions(mask, clear | ignored)
    ]
    place_labels(picture, labels, font(SMALL))
    return picture


def _hatching(shape: tuple[int, ...]) -> NDArray[np.float32]:
    rows, columns = np.indices(shape)
    stripes = np.where((rows + columns) % 8 < 3, 120, 176)
    return stripes.astype(np.float32)[..., None].repeat(3, axis=2)


def _largest_regions(mask: Labels, unnamed: NDArray[np.bool_]) -> list[tuple[int, tuple[int, int]]]:
    """Each class with a large enough share, the largest first, and the pixel (x, y) deepest inside it."""
    found = []
    step = max(1, max(mask.shape) // _SCAN)
    coarse, skipped = mask[::step, ::step], unnamed[::step, ::step]
    for index, count in zip(*np.unique(coarse[~skipped], return_counts=True), strict=True):
        if count >= _NAMED_SHARE * coarse.size:
            y, x = _deepest(coarse == index)
            found.append((int(count), int(index), (int(x) * step, int(y) * step)))
    return [(index, place) for _, index, place in sorted(found, reverse=True)]


def _deepest(region: NDArray[np.bool_]) -> tuple[int, int]:
    """(row, column) of a pixel that remains longest under erosion."""
    last = region
    while region.any():
        last = region
        padded = np.pad(region, 1)
        region = region & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    rows, columns = np.nonzero(last)
    middle = len(rows) // 2
    return int(rows[middle]), int(columns[middle])


def _panel(heading: str, picture: Image, foot: Image) -> Image:
    face = font(BODY)
    head, draw = blank(max(picture.width, foot.width), line_height(face))
    draw.text((0, 0), heading, fill=INK, font=face)
    return below([head, picture, foot], gap=6)


def _caption_row(width: int, picture: Image) -> Image:
    return blank(max(width, picture.width), 1)[0]


def _legend(mask: Labels, class_names: Sequence[str], ignore_label: int, width: int) -> Image:
    """One line for each class in the mask, most pixels first: its colour, name and share of the picture."""
    values, counts = np.unique(mask, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    entries = [(int(values[place]), counts[place] / mask.size) for place in order]
    face = font(SMALL)
    step = line_height(font(HEADING)) - 6
    listed = entries[:_LEGEND_ENTRIES]
    legend, draw = blank(width, step * (len(listed) + (len(entries) > len(listed))))
    for row, (index, share) in enumerate(listed):
        top = row * step
        text = f"{share:.1%}" if share >= 0.001 else "< 0.1%"
        draw.text((width, top + 2), text, fill=FAINT, font=face, anchor="ra")
        _swatch(legend, (0, top + 3), index, class_names, ignore_label)
        name = "not scored" if index == ignore_label else class_label(class_names, index)
        draw.text((30, top + 2), fitting(name, width - 96, face), fill=INK, font=face)
    if len(entries) > len(listed):
        draw.text((30, len(listed) * step + 2), f"and {len(entries) - len(listed)} more", fill=FAINT, font=face)
    return legend


def _swatch(legend: Image, place: tuple[int, int], index: int, class_names: Sequence[str], ignore_label: int) -> None:
    width, height = 22, SMALL + 1
    swatch = PIL.Image.new("RGB", (width, height), PAPER)
    if index == ignore_label:
        swatch = PIL.Image.fromarray(_hatching((height, width)).astype(np.uint8))
    elif class_names[index].casefold() != BACKGROUND:
        swatch.paste(class_colour(index), (0, 0, width, height))
    PIL.ImageDraw.Draw(swatch).rectangle((0, 0, width - 1, height - 1), outline=FAINT)
    legend.paste(swatch, place)
