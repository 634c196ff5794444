"""The files of the folder of tables: each is one table under its own name, and light to import."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from report_cases import entries

import vlmbench
from vlmbench.reports.registry import OPTIONS, TABLES, ReportTable, TableRequest, make_table, tables
from vlmbench.reports.table_view import TableView

NAMES = {"model": "ours-base", "task": "imagenet1k"}


def test_each_file_is_the_table_of_its_name() -> None:
    files = {
        path.stem.replace("_", "-") for path in (Path(vlmbench.__file__).parent / "reports" / "tables").glob("[!_]*.py")
    }
    assert set(TABLES) == files == {TABLES.get(name).name for name in files}


def test_they_are_listed_in_an_order_of_their_own_and_say_what_they_show() -> None:
    listed = tables()
    assert [table.name for table in listed][:4] == ["results", "metrics", "ranking", "coverage"]
    assert len({table.place for table in listed}) == len(listed) and all(table.shows for table in listed)
    assert [table.usage for table in listed if table.takes_name == "needed"] == ["model NAME", "task NAME"]
    assert all(table.options <= OPTIONS.keys() for table in listed)


def test_a_table_of_another_package_takes_every_option_unless_it_says_so() -> None:
    assert ReportTable("own", "something", lambda request: make_table("results", request)).options == OPTIONS.keys()


@pytest.mark.parametrize("name", TABLES)
def test_each_is_made_from_records_and_the_literature(name: str) -> None:
    made = make_table(name, TableRequest(NAMES.get(name, ""), entries(), TableView()))
    without_records = name in {"retrieval", "fewshot", "base-to-new", "cross-dataset"}
    assert made.columns and made.title and (made.rows or without_records)


def test_listing_them_imports_neither_records_nor_numpy() -> None:
    code = (
        "import sys\nfrom vlmbench.reports.registry import FORMATS, tables\ntables(), FORMATS.usable()\n"
        "sys.exit([n for n in ('numpy', 'torch', 'pyarrow', 'vlmbench.records', 'vlmbench.cards') if n in sys.modules]"
        " or 0)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(vlmbench.__file__).parent.parent)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
