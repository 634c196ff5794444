"""The published numbers that ship, and the tables of the survey as they were printed."""

from __future__ import annotations

import csv
from pathlib import Path

from vlmbench.reports.published import Published, published, published_fewshot, published_folder

FOLDER = published_folder()
SOURCES = FOLDER / "sources"
NUMBERS = published()
FEWSHOT = published_fewshot()
SURVEY_TABLES = (6, 7, 8, 9, 10, 11)
"""Those of results."""


def in_table(table: str, **wanted: str) -> list[Published]:
    """Numbers of a table with these fields, or these words of their variant."""
    return [
        number
        for number in NUMBERS
        if number.table == table
        and all({**number.variant, **vars(number)}.get(name) == value for name, value in wanted.items())
    ]


def rows(path: Path) -> list[dict[str, str]]:
    """A CSV file, one dict a row."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def printed_table(number: int) -> list[dict[str, str]]:
    """A table of the survey, one dict a printed row."""
    return rows(SOURCES / f"survey-table-{number}.csv")
