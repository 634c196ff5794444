"""The reference tables, the script that makes the shipped files of them, and the numbers in those."""

from __future__ import annotations

import csv
import importlib.util
import sys
from types import ModuleType

from repository import REFERENCE, REPOSITORY, needs_reference

from vlmbench.reports.published import Published, published

__all__ = ["NUMBERS", "REFERENCE", "REPOSITORY", "build_script", "in_table", "needs_reference", "rows"]


def build_script() -> ModuleType:
    """``results/published/build.py``; as with a script that is run, its folder is on the path."""
    sys.path.insert(0, str(REPOSITORY / "results/published"))
    spec = importlib.util.spec_from_file_location("build_published", REPOSITORY / "results/published/build.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rows(name: str) -> list[dict[str, str]]:
    """A reference table, as it was transcribed."""
    with (REFERENCE / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


NUMBERS = published()


def in_table(table: str, **wanted: str) -> list[Published]:
    """Numbers of a table with these fields, or these words of their variant."""
    return [
        number
        for number in NUMBERS
        if number.table == table
        and all({**number.variant, **vars(number)}.get(name) == value for name, value in wanted.items())
    ]
