"""Reading the reference tables and writing the tidy ones."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import astuple, fields
from decimal import Decimal
from pathlib import Path

import yaml

from vlmbench.reports.published import COLUMNS, Published

assert tuple(field.name for field in fields(Published)) == COLUMNS


def read(path: Path) -> list[dict[str, str]]:
    """A reference table, one dict a row."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def percent(printed: str) -> float:
    """A printed percentage as a fraction, without the noise of a division: "76.2" is 0.762."""
    return float(Decimal(printed.removeprefix("~")) / 100)


def variant(row: Mapping[str, str], *names: str) -> dict[str, str]:
    """Those of a row's columns that tell rows of one model apart, without the empty ones."""
    return {name: row[name] for name in names if row.get(name)}


def slug(name: str) -> str:
    """A name as a card's: "K-lite" is k-lite, "Chinese CLIP" is chinese-clip."""
    return re.sub(r"[^a-z0-9.]+", "-", name.casefold()).strip("-")


def numbers_csv(numbers: Sequence[Published]) -> str:
    """Published numbers as the file that ships."""
    rows = [
        [*astuple(number)[:-1], json.dumps(number.variant, ensure_ascii=False) if number.variant else ""]
        for number in numbers
    ]
    return to_csv(COLUMNS, rows)


def facts_csv(facts: Sequence[Mapping[str, str]]) -> str:
    """Facts of one kind, each row with the same columns."""
    columns = list(facts[0])
    return to_csv(columns, [[fact[name] for name in columns] for fact in facts])


def card_yaml(card: Mapping[str, object]) -> str:
    """A card's file, without the fields of which nothing is known."""
    known = {name: value for name, value in card.items() if value not in (None, "", [])}
    return yaml.safe_dump(known, sort_keys=False, allow_unicode=True, width=110)


def to_csv(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """CSV with Unix line ends, whatever machine writes it."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()
