"""Draws the parts of every picture: scaled images, rows and columns of panels, headings, ticks, crosses, PNG bytes.

All modules of this room use it.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import PIL.Image
import PIL.ImageDraw

from vlmbench.visuals.colours import FAINT, INK, PAPER, RIGHT, WRONG, Colour
from vlmbench.visuals.text import Font, font, legible, wrapped

Image = PIL.Image.Image
Draw = PIL.ImageDraw.ImageDraw

MARGIN = 16
HEADING, BODY, SMALL = 20, 15, 13
"""Font sizes in pixels."""
THINNEST = 8
"""The least pixels of an image's shorter side. A thin strip is stretched to it."""
_COMPRESSION = 6
"""zlib's level. The highest level takes four times as long, for files that are a twentieth smaller."""
PANEL_THINNEST = 40
"""The same for images with names on them."""


def blank(width: int, height: int) -> tuple[Image, Draw]:
    """An empty picture, and the object that draws on it."""
    image = PIL.Image.new("RGB", (max(1, width), max(1, height)), PAPER)
    return image, PIL.ImageDraw.Draw(image)


def png(image: Image) -> bytes:
    """A picture as a PNG file. Equal pixels give equal bytes."""
    sink = io.BytesIO()
    image.save(sink, "PNG", compress_level=_COMPRESSION)
    return sink.getvalue()


def shown_size(size: tuple[int, int], box: tuple[int, int], thinnest: int = THINNEST) -> tuple[int, int]:
    """The largest (width, height) that fits into ``box`` with the same proportions; the image may be enlarged.

    Very thin images are made thicker.
    """
    scale = min(box[0] / size[0], box[1] / size[1])
    width, height = (min(bound, max(thinnest, round(side * scale))) for side, bound in zip(size, box, strict=True))
    return width, height


def shown(image: Image, box: tuple[int, int], thinnest: int = THINNEST) -> Image:
    """An image in RGB, as large as fits into ``box``."""
    size = shown_size(image.size, box, thinnest)
    image = image.convert("RGB")
    smaller = size[0] * size[1] < image.width * image.height
    if smaller:  # a first reduction by a whole number makes huge scans fast
        image = image.reduce((max(1, image.width // (3 * size[0])), max(1, image.height // (3 * size[1]))))
    resampling = PIL.Image.Resampling.LANCZOS if smaller else PIL.Image.Resampling.BICUBIC
    return image.resize(size, resampling)


def beside(panels: Sequence[Image], gap: int = MARGIN) -> Image:
    """Panels in a row, aligned at the top."""
    width = sum(panel.width for panel in panels) + gap * (len(panels) - 1)
    row, _ = blank(width, max(panel.height for panel in panels))
    left = 0
    for panel in panels:
        row.paste(panel, (left, 0))
        left += panel.width + gap
    return row


def below(panels: Sequence[Image], gap: int = MARGIN) -> Image:
    """Panels in a column, aligned at the left."""
    column, _ = blank(max(panel.width for panel in panels), sum(p.height for p in panels) + gap * (len(panels) - 1))
    top = 0
    for panel in panels:
        column.paste(panel, (0, top))
        top += panel.height + gap
    return column


def framed(content: Image, title: str, *, note: str = "") -> bytes:
    """The whole picture as PNG: a title, a note under it, the content, and a margin around them."""
    width = max(content.width, 240)
    lines: list[tuple[str, Font, Colour]] = []
    for text, size, colour in ((title, HEADING, INK), (note, SMALL, FAINT)):
        if text:
            lines += [(line, font(size), colour) for line in wrapped(legible(text), width, font(size), lines=2)]
    top = MARGIN + sum(line_height(face) for _, face, _ in lines) + (MARGIN // 2 if lines else 0)
    picture, draw = blank(width + 2 * MARGIN, top + content.height + MARGIN)
    y = MARGIN
    for text, face, colour in lines:
        draw.text((MARGIN, y), text, fill=colour, font=face)
        y += line_height(face)
    picture.paste(content, (MARGIN, top))
    return png(picture)


def line_height(face: Font) -> int:
    """Pixels from one line to the next."""
    return round(1.35 * face.size)


def draw_mark(draw: Draw, place: tuple[int, int], size: int, right: bool) -> None:
    """Draw a tick if ``right``, or else a cross, in a square of ``size`` pixels; ``place`` is its top left corner.

    It is drawn as lines, because not every font has these characters.
    """
    x, y = place
    width = max(2, round(size / 6))
    if right:
        points = [
            (x + 0.1 * size, y + 0.55 * size),
            (x + 0.4 * size, y + 0.85 * size),
            (x + 0.92 * size, y + 0.2 * size),
        ]
        draw.line(points, fill=RIGHT, width=width, joint="curve")
    else:
        near, far = 0.17 * size, 0.83 * size
        draw.line([(x + near, y + near), (x + far, y + far)], fill=WRONG, width=width)
        draw.line([(x + near, y + far), (x + far, y + near)], fill=WRONG, width=width)
