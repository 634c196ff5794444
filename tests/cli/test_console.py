"""Tables in windows of every width."""

from __future__ import annotations

import pytest

from vlmbench.cli.console import rich_table
from vlmbench.reports.table import Column, Table

COLUMNS = (Column("name"), Column("chance", "right", spare=1), Column("speed", "right", spare=2), Column("nothing"))


def headings(width: int | None) -> list[object]:
    table = Table("", COLUMNS, [["a" * 20, "10.0", "5", ""], ["b", "9.0", "12345", ""]], [])
    return [column.header for column in rich_table(table, width).columns]


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
