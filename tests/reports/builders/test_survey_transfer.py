"""Table 9 with measured rows: tracks apart, never ranked with published rows, and reasons for what does not run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from adapted_records import hits, make_adapted, put

from vlmbench.reports.builders.survey_transfer import NOT_HERE, reasons
from vlmbench.reports.cells import Label, Score, plain
from vlmbench.reports.entries import Entries
from vlmbench.reports.published import survey_methods, survey_methods_reasons
from vlmbench.reports.registry import TableRequest, make_table
from vlmbench.reports.table_data import Table
from vlmbench.reports.table_view import TableView
from vlmbench.store import ResultStore
from vlmbench.transfer import METHODS


@dataclass(frozen=True)
class Named:
    name: str


@pytest.fixture
def registry() -> Iterator[None]:
    before = dict(METHODS._entries), dict(METHODS._origin)
    yield
    METHODS._entries, METHODS._origin = before


def made(tmp_path: Path, *records: tuple[str, int, str, str], **view: object) -> Table:
    """From (method, draw, answers, track)."""
    found = put(
        ResultStore(tmp_path),
        *(
            make_adapted(method, draw, hits(text), hits("1100"), track=track, task="eurosat", shots=16)
            for method, draw, text, track in records
        ),
    )
    return make_table("transfer", TableRequest("", Entries(found), TableView(**view)))  # type: ignore[arg-type]


def test_every_method_of_table_4_has_numbers_or_runs_or_says_why_not(tmp_path: Path) -> None:
    table = made(tmp_path)
    labels = {plain(row[0]): row[0] for row in table.rows}
    missing = reasons()
    assert missing and len(missing) < len(survey_methods_reasons())
    for row in survey_methods():
        if row["table"] == "4" and row["method"] in missing:
            label = labels[row["method"]]
            assert isinstance(label, Label) and any(missing[row["method"]] in note for note in label.notes), row
    without = [datum for datum in table.data if datum.get("status") == NOT_HERE]
    assert {datum["model"] for datum in without} <= set(missing) and all(datum["reason"] for datum in without)
    assert NOT_HERE in table.sections.values()


@pytest.mark.usefixtures("registry")
def test_a_method_that_is_registered_later_loses_its_reason() -> None:
    assert {"ProDA", "CPL"} <= reasons().keys() and not {"CoOp", "Tip-Adapter", "TaskRes"} & reasons().keys()
    later = next(row["runs_as"] for row in survey_methods_reasons().values() if row["method"] == "MaPLE")
    if later not in METHODS:
        assert "MaPLE" in reasons()
        METHODS.register(later, Named(later))  # type: ignore[arg-type]
    assert "MaPLE" not in reasons()


def test_measured_rows_are_grouped_by_track_with_their_start(tmp_path: Path) -> None:
    table = made(
        tmp_path,
        ("gda", 0, "1110", "no-validation"),
        ("gda", 1, "1111", "no-validation"),
        ("knn", 0, "1000", "no-validation"),
        ("knn", 1, "1000", "no-validation"),
        ("gda", 0, "1111", "leaky"),
    )
    first = {heading: place for place, heading in table.sections.items() if heading.startswith("measured here")}
    assert list(first) == ["measured here: 16-shot, no-validation", "measured here: 16-shot, leaky"]
    start = first["measured here: 16-shot, no-validation"]
    names = [plain(row[0]) for row in table.rows[start : start + 3]]
    assert names == ["zero-shot (m)", "gda (m)", "knn (m)"]
    place = next(place for place, column in enumerate(table.columns) if column.name == "EuroSAT")
    values = [row[place].value for row in table.rows[start : start + 3] if isinstance(row[place], Score)]
    assert values == pytest.approx([0.5, 0.875, 0.25])
    assert {datum["value"] for datum in table.data if datum.get("track") == "no-validation"} == {0.875, 0.25}


def test_marks_never_cross_tracks_or_origins(tmp_path: Path) -> None:
    """A measured method that beats every other number changes no published mark."""
    before = made(tmp_path / "a")
    records = [("gda", 0, "1111", "no-validation"), ("knn", 0, "1110", "no-validation"), ("clap", 0, "1100", "leaky")]
    after = made(tmp_path / "b", *records)

    def marks(table: Table, origin: str) -> list[tuple[str, int]]:
        return [
            (plain(row[0]), cell.place)
            for row in table.rows
            for cell in row
            if isinstance(cell, Score) and cell.place and cell.origin == origin
        ]

    assert marks(after, "published") == marks(before, "published") != []
    assert marks(after, "measured") == [("gda (m)", 1), ("knn (m)", 2)], "one leaky row has no rival, and no place"


def test_without_published_numbers_there_are_only_measured_rows(tmp_path: Path) -> None:
    table = made(tmp_path, ("gda", 0, "1111", "no-validation"), published="none")
    assert [plain(row[0]) for row in table.rows] == ["zero-shot (m)", "gda (m)"]
