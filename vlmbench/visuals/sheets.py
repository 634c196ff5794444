"""Draws sheets of samples with their answers: tiles for classification, rows of captions for retrieval.

Runs of these tasks with ``--save-visuals`` save them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import PIL.ImageDraw

from vlmbench.visuals.canvas import BODY, MARGIN, SMALL, Image, blank, draw_mark, framed, line_height, shown
from vlmbench.visuals.colours import FAINT, INK, PALE, RIGHT, WRONG
from vlmbench.visuals.text import fitting, font, legible, wrapped

SHEET_TILES, SHEET_ROWS = 48, 12
"""The most tiles and rows of one sheet."""
_TILE = 208
_PICTURE = 192
_COLUMNS = 6
_CAPTION_WIDTH = 700


@dataclass(frozen=True)
class Line:
    """One line under a picture.

    Attributes:
        text: cut where it does not fit.
        right: a tick before it, a cross, or None for neither.
        share: a percentage at the line's end, such as a confidence.
        faint: in grey.
    """

    text: str
    right: bool | None = None
    share: float | None = None
    faint: bool = False


@dataclass(frozen=True)
class Tile:
    """One sample of a contact sheet.

    Attributes:
        image: None if it could not be read.
        lines: the right answer and the model's answer.
        right: decides the frame's colour and the mark in the corner; None if an answer is neither right nor wrong.
    """

    image: Image | None
    lines: tuple[Line, ...]
    right: bool | None = None


@dataclass(frozen=True)
class Query:
    """One row of a retrieval sheet.

    Attributes:
        image: None if it could not be read.
        heading: such as the rank of the best true caption.
        captions: best first; ``right`` marks the image's own.
    """

    image: Image | None
    heading: str
    captions: tuple[Line, ...]


def contact_sheet(tiles: Sequence[Tile], title: str, *, note: str = "") -> bytes:
    """Pictures in rows. A right answer has a blue frame and a tick, a wrong answer an orange frame and a cross.

    Raises:
        ValueError: no tiles, or more than :data:`SHEET_TILES`.
    """
    _check(tiles, SHEET_TILES)
    columns = min(_COLUMNS, len(tiles))
    lines = max(len(tile.lines) for tile in tiles)
    height = _TILE + 8 + lines * line_height(font(SMALL))
    rows = -(-len(tiles) // columns)
    sheet, _ = blank(columns * (_TILE + MARGIN) - MARGIN, rows * (height + MARGIN) - MARGIN)
    for place, tile in enumerate(tiles):
        row, column = divmod(place, columns)
        sheet.paste(_drawn(tile, height), (column * (_TILE + MARGIN), row * (height + MARGIN)))
    return framed(sheet, title, note=note)


def _drawn(tile: Tile, height: int) -> Image:
    picture, draw = blank(_TILE, height)
    edge = {True: RIGHT, False: WRONG, None: FAINT}[tile.right]
    frame = (_TILE - _PICTURE) // 2
    draw.rectangle((0, 0, _TILE - 1, _TILE - 1), fill=PALE, outline=edge, width=4)
    _paste_centred(picture, tile.image, (frame, frame), _PICTURE)
    if tile.right is not None:
        badge = 26
        draw.rectangle((_TILE - badge, 0, _TILE - 1, badge - 1), fill="white", outline=edge, width=2)
        draw_mark(draw, (_TILE - badge + 5, 5), badge - 10, tile.right)
    y = _TILE + 3
    for line in tile.lines:
        y = _write(picture, line, (2, y), _TILE - 4)
    return picture


def _write(picture: Image, line: Line, place: tuple[int, int], width: int, lines: int = 1) -> int:
    """Draw a line of text, with its mark before and its percentage behind; returns where the next begins."""
    face = font(SMALL)
    draw = PIL.ImageDraw.Draw(picture)
    (x, y), colour = place, FAINT if line.faint else INK
    if line.right is not None:
        draw_mark(draw, (x, y + 1), SMALL, line.right)
        x, width = x + SMALL + 4, width - SMALL - 4
    if line.share is not None:
        text = f"{line.share:.0%}" if line.share == line.share else "?"
        length = face.getlength(text)
        draw.text((x + width - length, y), text, fill=colour, font=face)
        width -= round(length) + 6
    for text in wrapped(legible(line.text), width, face, lines=lines):
        draw.text((x, y), text, fill=colour, font=face)
        y += line_height(face)
    return y


def _paste_centred(picture: Image, image: Image | None, place: tuple[int, int], side: int) -> None:
    if image is None:
        draw = PIL.ImageDraw.Draw(picture)
        text = "cannot be read"
        draw.text((place[0] + side / 2, place[1] + side / 2), text, fill=FAINT, font=font(SMALL), anchor="mm")
        return
    small = shown(image, (side, side))
    picture.paste(small, (place[0] + (side - small.width) // 2, place[1] + (side - small.height) // 2))


def retrieval_sheet(queries: Sequence[Query], title: str, *, note: str = "") -> bytes:
    """Each image with the captions that were found for it. A tick marks its own captions.

    Raises:
        ValueError: no queries, or more than :data:`SHEET_ROWS`.
    """
    _check(queries, SHEET_ROWS)
    rows = [_row(query) for query in queries]
    height = sum(row.height + MARGIN for row in rows) - MARGIN
    sheet, draw = blank(rows[0].width, height)
    y = 0
    for row in rows:
        if y:
            draw.line((0, y - MARGIN // 2, sheet.width, y - MARGIN // 2), fill=PALE, width=1)
        sheet.paste(row, (0, y))
        y += row.height + MARGIN
    return framed(sheet, title, note=note)


def _row(query: Query) -> Image:
    text_height = line_height(font(BODY)) + MARGIN + 2 * len(query.captions) * line_height(font(SMALL))
    row, draw = blank(_PICTURE + MARGIN + _CAPTION_WIDTH, max(_PICTURE, text_height))
    _paste_centred(row, query.image, (0, 0), _PICTURE)
    left = _PICTURE + MARGIN
    face = font(BODY)
    draw.text((left, 0), fitting(legible(query.heading), _CAPTION_WIDTH, face), fill=INK, font=face)
    y = line_height(face) + 4
    for line in query.captions:
        y = _write(row, line, (left, y), _CAPTION_WIDTH, lines=2)
    return row.crop((0, 0, row.width, max(_PICTURE, y)))


def _check(parts: Sequence[object], most: int) -> None:
    if not 1 <= len(parts) <= most:
        raise ValueError(f"a sheet holds 1 to {most} samples, not {len(parts)}")
