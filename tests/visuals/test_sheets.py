"""Sheets of samples: marks, images, and whatever names and sizes come."""

from __future__ import annotations

import PIL.Image
import pytest
from visuals.inputs import HOSTILE, near, opened

from vlmbench.visuals.colours import RIGHT, WRONG
from vlmbench.visuals.sheets import SHEET_ROWS, SHEET_TILES, Line, Query, Tile, contact_sheet, retrieval_sheet

GREEN = (10, 200, 30)
SQUARE = PIL.Image.new("RGB", (30, 30), GREEN)
SIZES = [(1, 1), (10_000, 50), (50, 3000), (30, 30)]


def test_the_frame_tells_right_from_wrong() -> None:
    found = {right: opened(contact_sheet([Tile(SQUARE, (Line("cat"),), right)], "t")) for right in (True, False, None)}
    assert [near(image, RIGHT, 0) > 500 for image in found.values()] == [True, False, False]
    assert [near(image, WRONG, 0) > 500 for image in found.values()] == [False, True, False]
    assert all(near(image, GREEN, 0) > 180 * 180 for image in found.values())


def test_lines_can_be_marked_and_have_shares() -> None:
    bare, marked, shared, unknown = (
        contact_sheet([Tile(SQUARE, (line,))], "t")
        for line in (Line("cat"), Line("cat", right=True), Line("cat", share=0.5), Line("cat", share=float("nan")))
    )
    assert near(opened(marked), RIGHT, 0) > near(opened(bare), RIGHT, 0)
    assert len({bare, marked, shared, unknown}) == 4


def test_an_image_that_cannot_be_read_is_said() -> None:
    image = opened(contact_sheet([Tile(None, (Line("cat"),), True)], "t"))
    assert near(image, GREEN, 0) == 0 and near(image, RIGHT, 0) > 500


def test_captions_of_the_image_are_ticked() -> None:
    own, other = (
        opened(retrieval_sheet([Query(SQUARE, "rank 1", (Line("a cat", right=right),))], "t"))
        for right in (True, False)
    )
    assert near(own, RIGHT, 0) > 5 > near(own, WRONG, 0)
    assert near(other, WRONG, 0) > 5 > near(other, RIGHT, 0)


def test_any_size_and_name() -> None:
    tiles = [
        Tile(PIL.Image.new("L", SIZES[i % 4]), tuple(Line(name, right=i % 2 == 0, share=i / 9) for name in HOSTILE))
        for i in range(SHEET_TILES)
    ]
    assert contact_sheet(tiles[:9], "t") == contact_sheet(tiles[:9], "t")
    opened(contact_sheet(tiles[:12], HOSTILE[0], note=HOSTILE[1]))
    few = [Tile(tile.image, tile.lines[:4], False) for tile in tiles]
    opened(contact_sheet(few, HOSTILE[0]))
    lines = tuple(Line(" ".join(HOSTILE)) for _ in range(6))
    rows = [Query(PIL.Image.new("L", SIZES[i % 4]), HOSTILE[i % len(HOSTILE)], lines) for i in range(SHEET_ROWS)]
    opened(retrieval_sheet(rows, HOSTILE[3]))


@pytest.mark.parametrize("count", [0, SHEET_TILES + 1])
def test_a_sheet_has_a_fixed_room(count: int) -> None:
    with pytest.raises(ValueError, match=f"1 to {SHEET_TILES} samples, not {count}"):
        contact_sheet([Tile(SQUARE, ())] * count, "t")
