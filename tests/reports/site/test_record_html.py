"""A record's page in a browser: names of any length, and drawings beside samples whose picture has gone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from reports.site.browser import Page

from vlmbench.records import ClassResult, Record
from vlmbench.reports.site.record_html import record_html
from vlmbench.reports.site.record_page import Data, RecordPage, record_page
from vlmbench.reports.site.sample_pictures import Embedded
from vlmbench.testing.toy_records import make_record

TABLE = pa.table(
    {
        "sample": ["one", "x" * 3000],
        "content": ["0", "1"],
        "label": pa.array([0, 1], pa.int32()),
        "top": pa.array([[1, 0], [0, 1]], pa.list_(pa.int32(), 2)),
    }
)


def made(record: Record, folder: Path) -> RecordPage:
    return record_page(record, lambda: TABLE, folder, folder / "none", card=None, cards=(), open_data=Data, count=12)


def test_a_name_of_any_length_stays_inside_a_phone(page: Page, tmp_path: Path) -> None:
    long = "x" * 3000
    plain = make_record(long, long)
    changed = {
        "task": plain.task.model_copy(update={"protocol": {long: long}}),
        "per_class": [ClassResult(name=long, n=1, values={"recall": 0.0})] * 2,
        "warnings": [long],
    }
    (tmp_path / "page.html").write_text(record_html(made(plain.model_copy(update=changed), tmp_path)), "utf-8")
    page.resize(390, 900)
    page.open(tmp_path / "page.html")
    assert page.run("return document.documentElement.scrollWidth") == 390
    assert page.run("return document.querySelector('h1').textContent.length") < 200
    ends = "[...document.querySelectorAll('.top a')].map(link => link.getBoundingClientRect().right)"
    assert max(page.run(f"return {ends}")) <= 390
    assert page.run_file("accessibility.js") == []


@pytest.mark.parametrize("drawn", [0, 1])
def test_one_drawing_is_enough_for_the_wide_layout(tmp_path: Path, drawn: int) -> None:
    plain = made(make_record(), tmp_path)
    drawing = Embedded("data:,", 1100, 600, "boxes")
    samples = [replace(one, picture=drawing if place == drawn else None) for place, one in enumerate(plain.samples)]
    assert 'class="samples wide"' in record_html(replace(plain, samples=samples))
    assert 'class="samples"' in record_html(plain)
