"""Draws detections: the true boxes on the left; on the right the predicted boxes over the true ones in dashes.

Runs with ``--save-visuals`` and ``vlmbench show`` use it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import PIL.Image
import PIL.ImageChops
import PIL.ImageDraw
import PIL.ImageFilter
from numpy.typing import NDArray

from vlmbench.visuals.canvas import (
    BODY,
    PANEL_THINNEST,
    SMALL,
    Draw,
    Image,
    below,
    beside,
    blank,
    framed,
    line_height,
    shown,
)
from vlmbench.visuals.colours import FAINT, INK, PAPER, Colour, class_colour
from vlmbench.visuals.text import class_label, fitting, font
from vlmbench.visuals.text_labels import Rectangle, TextLabel, place_labels
from vlmbench.wording import counted

MOST_PREDICTIONS = 12
"""The most predictions that are drawn. A detector gives hundreds, most of them with very low scores."""
_MOST_TRUE = 60
_SIDE, _STACKED_WIDTH = 720, 1200
_WIDE = 2.2
"""From this ratio of width to height, panels are stacked instead of placed side by side."""
_TINT_PERCENT = 45
"""The share of the class's colour in the pixels of a mask."""
_DASH, _SPACE = 7, 5
_STEPS_OFF = 4
"""How many lines above or below its box a label may be if there is no free place nearer."""


@dataclass(frozen=True)
class BoxSet:
    """Boxes of one image.

    Attributes:
        corners: (N, 4) left, top, right, bottom in pixels.
        labels: (N,) class indices.
        scores: (N,) higher is more certain; None for true boxes.
        masks: the mask of each of the first boxes, (H, W) of the image, or None if there are no masks.
    """

    corners: NDArray[np.floating]
    labels: NDArray[np.integer]
    scores: NDArray[np.floating] | None = None
    masks: Sequence[NDArray[np.bool_]] | None = None

    def __post_init__(self) -> None:
        count = len(self.labels)
        if self.corners.shape != (count, 4) or (self.scores is not None and self.scores.shape != (count,)):
            scores = "" if self.scores is None else f", scores {self.scores.shape}"
            raise ValueError(f"corners {self.corners.shape}, labels {self.labels.shape}{scores} do not fit together")


@dataclass(frozen=True)
class _Drawn:
    """One box in a panel's pixels."""

    rectangle: Rectangle
    label: int
    text: str
    mask: NDArray[np.bool_] | None = None


def draw_boxes(image: Image, predicted: BoxSet, true: BoxSet, class_names: Sequence[str], *, title: str = "") -> bytes:
    """Draw the true boxes, and beside them the predictions in solid lines over the true boxes in dashes, as PNG.

    Args:
        image: (H, W) in any mode.
        predicted: boxes with scores; NaN counts as the lowest. At most :data:`MOST_PREDICTIONS` are drawn: those
            with the highest scores.
        true: boxes without scores.
        class_names: C names.
        title: the heading of the picture.

    Raises:
        ValueError: predictions have no scores, or a label is not a class.
    """
    if predicted.scores is None:
        raise ValueError("predictions need scores")
    for boxes in (predicted, true):
        if len(boxes.labels) and not 0 <= boxes.labels.min() <= boxes.labels.max() < len(class_names):
            raise ValueError(f"the label of a box is outside of the {counted(len(class_names), 'class', 'classes')}")
    wide = image.width > _WIDE * image.height
    small = shown(image, (_STACKED_WIDTH, _SIDE) if wide else (_SIDE, _SIDE), PANEL_THINNEST)
    scale = small.width / image.width, small.height / image.height
    truths = _within(true, range(len(true.labels)), class_names, small.size, scale)
    order = np.argsort(-np.nan_to_num(predicted.scores, nan=-np.inf), kind="stable").tolist()
    found = _within(predicted, order, class_names, small.size, scale)
    left = _panel(small, [], truths[:_MOST_TRUE], _heading("truth", truths, true, _MOST_TRUE))
    heading = _heading("predictions", found, predicted, MOST_PREDICTIONS)
    right = _panel(small, truths[:_MOST_TRUE], found[:MOST_PREDICTIONS], heading)
    return framed(below([left, right]) if wide else beside([left, right]), title)


def _heading(what: str, inside: Sequence[_Drawn], boxes: BoxSet, most: int) -> str:
    """How many boxes there are, and which of them are drawn if not all."""
    count, outside = len(boxes.labels), len(boxes.labels) - len(inside)
    reasons = [f"the {most} surest" if boxes.scores is not None else f"the first {most}"] if len(inside) > most else []
    reasons += [f"{outside:,} not in the picture"] if outside else []
    return f"{what}: {count:,}" + (f" ({'; '.join(reasons)})" if reasons else "")


def _within(
    boxes: BoxSet, order: Sequence[int], class_names: Sequence[str], size: tuple[int, int], scale: tuple[float, float]
) -> list[_Drawn]:
    """The boxes that are at least partly in the picture, cut to it. Boxes outside, and ones that are not finite, are
    left out."""
    drawn = []
    for place in order:
        box = boxes.corners[place].astype(np.float64) * np.array(scale * 2)
        if not np.isfinite(box).all() or box[2] < 0 or box[3] < 0 or box[0] > size[0] or box[1] > size[1]:
            continue
        x0, x1 = sorted(np.clip(box[[0, 2]], 0, size[0] - 1).tolist())
        y0, y1 = sorted(np.clip(box[[1, 3]], 0, size[1] - 1).tolist())
        label = int(boxes.labels[place])
        name = class_label(class_names, label)
        text = name if boxes.scores is None else _scored(name, boxes, place)
        masked = boxes.masks is not None and place < len(boxes.masks)
        drawn.append(_Drawn((x0, y0, x1, y1), label, text, boxes.masks[place] if boxes.masks and masked else None))
    return drawn


def _scored(name: str, boxes: BoxSet, place: int) -> str:
    assert boxes.scores is not None
    score = float(boxes.scores[place])
    return f"{fitting(name, 180, font(SMALL))} {'?' if np.isnan(score) else f'{score:.2f}'}"


def _panel(image: Image, dashed: Sequence[_Drawn], solid: Sequence[_Drawn], heading: str) -> Image:
    picture = image.copy()
    for box in reversed(solid):
        if box.mask is not None:
            _tint(picture, box.mask, class_colour(box.label))
    draw = PIL.ImageDraw.Draw(picture)
    face = font(SMALL)
    for box in dashed:
        _dashes(draw, box.rectangle)
    for box in reversed(solid):  # the one with the highest score is on top
        _outline(draw, box.rectangle, class_colour(box.label), picture.size)
    place_labels(picture, [TextLabel(b.text, class_colour(b.label), _spots(b, face.size)) for b in solid], face)
    heading_face = font(BODY)
    head, pen = blank(max(picture.width, 220), line_height(heading_face))
    pen.text((0, 0), heading, fill=INK, font=heading_face)
    foot = [_dash_legend(head.width)] if dashed else []
    return below([head, picture, *foot], gap=6)


def _tint(picture: Image, mask: NDArray[np.bool_], colour: Colour) -> None:
    """Colour the pixels of a mask, and draw a line around them. The mask may have another size than the picture."""
    shape = PIL.Image.fromarray(mask.astype(np.uint8) * 255).resize(picture.size, PIL.Image.Resampling.NEAREST)
    edge = PIL.ImageChops.difference(shape, shape.filter(PIL.ImageFilter.MinFilter(3)))
    picture.paste(colour, (0, 0), shape.point(lambda value: value * _TINT_PERCENT // 100))
    picture.paste(colour, (0, 0), edge)


def _dash_legend(width: int) -> Image:
    foot, draw = blank(width, line_height(font(SMALL)))
    draw.rectangle((0, 2, 30, foot.height - 2), fill=FAINT)
    _dashes(draw, (0, foot.height / 2, 30, foot.height / 2))
    draw.text((38, 0), "dashed: the truth", fill=FAINT, font=font(SMALL))
    return foot


def _spots(box: _Drawn, height: float) -> list[tuple[float, float]]:
    """The places for a box's label: above, inside, below, then further down inside, then further away."""
    (left, top, right, bottom), room = box.rectangle, height + 7
    flush = right - font(SMALL).getlength(box.text) - 6
    spots = [(x, y) for y in (top - room, top, bottom, bottom - room) for x in (left, flush)]
    spots += [(left, top + step * room) for step in range(1, max(1, int((bottom - top) // room)))]
    for step in range(1, _STEPS_OFF):
        spots += [(x, y) for y in (top - (1 + step) * room, bottom + step * room) for x in (left, flush)]
    return spots


def _outline(draw: Draw, rectangle: Rectangle, colour: Colour, size: tuple[int, int]) -> None:
    """Three pixels of colour between two white ones, visible on any background."""
    x0, y0, x1, y1 = rectangle
    for grow, edge, width in ((2, PAPER, 1), (1, colour, 3), (-2, PAPER, 1)):
        left, top = max(0, x0 - grow), max(0, y0 - grow)
        right, bottom = min(size[0] - 1, x1 + grow), min(size[1] - 1, y1 + grow)
        if right > left and bottom > top:
            draw.rectangle((left, top, right, bottom), outline=edge, width=width)


def _dashes(draw: Draw, rectangle: Rectangle) -> None:
    """White dashes on a dark line."""
    x0, y0, x1, y1 = rectangle
    for start, end in (((x0, y0), (x1, y0)), ((x0, y1), (x1, y1)), ((x0, y0), (x0, y1)), ((x1, y0), (x1, y1))):
        draw.line((start, end), fill=INK, width=3)
        length = max(end[0] - start[0], end[1] - start[1])
        along = (float(end[0] > start[0]), float(end[1] > start[1]))
        at = 0.0
        while at < length:
            stop = min(at + _DASH, length)
            draw.line([(start[0] + t * along[0], start[1] + t * along[1]) for t in (at, stop)], fill=PAPER, width=1)
            at += _DASH + _SPACE
