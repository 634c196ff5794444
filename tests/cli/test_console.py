"""Tables in windows of every width."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from vlmbench.cli.console import rich_table
from vlmbench.reports.table import Column, Table

COLUMNS = (Column("name"), Column("chance", "right", spare=1), Column("speed", "right", spare=2), Column("nothing"))


def headings(width: int | None) -> list[object]:
    table = Table("", COLUMNS, [["a" * 20, "10.0", "5", ""], ["b", "9.0", "12345", ""]], [])
    return [column.name for column in rich_table(table, width).columns]


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (None, ["name", "chance", "speed"]),
        (37, ["name", "chance", "speed"]),
        (36, ["name", "chance"]),
        (29, ["name"]),
        (5, ["name"]),
    ],
)
def test_spare_columns_give_way_the_sparest_first(width: int | None, expected: list[str]) -> None:
    assert headings(width) == expected


def printed(table: Table, width: int = 80, **console: object) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=width, **console).print(rich_table(table, width))  # type: ignore[arg-type]
    return [line.rstrip() for line in out.getvalue().splitlines()]


def test_cells_stand_under_their_headings() -> None:
    table = Table("All", (Column("name"), Column("score", "right", strong=True)), [["猫", "7"], ["ab", "12.5"]], [])
    assert printed(table) == ["All", "", " name  score", " ───────────", " 猫        7", " ab     12.5", ""]


def test_what_does_not_fit_is_folded_and_numbers_never_are() -> None:
    rows = [["one two three four", "1234567890"], ["supercalifragilistic", "5"]]
    table = Table("", (Column("name"), Column("n", "right")), rows, [])
    assert printed(table, width=24)[3:-1] == [
        " one two     1234567890",
        " three four",
        " supercalif           5",
        " ragilistic",
    ]


def test_cells_are_text_and_not_markup_or_escape_codes() -> None:
    lines = printed(Table("", (Column("name"),), [["[bold]x[/bold]"], ["\x1b[31mred\x07"], ["two\nlines"]], []))
    assert lines[3:-1] == [" [bold]x[/bold]", " [31mred", " two", " lines"]


def test_a_failed_pair_is_red_where_there_are_colours() -> None:
    columns = (Column("task"), Column("score", strong=True))
    lines = printed(Table("", columns, [["t", "failed"]], []), force_terminal=True, color_system="standard")
    assert "\x1b[1;31mfailed" in lines[3]
    assert "\x1b" not in "".join(printed(Table("", columns, [["t", "failed"]], [])))
