"""Table 9 with measured rows: tracks apart, never ranked with published rows, and reasons for what does not run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from adapted_records import hits, make_adapted, put

from vlmbench.records import Record
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


def test_settings_of_a_method_are_lines_of_their_own_and_zero_shot_needs_one_number(tmp_path: Path) -> None:
    """A later setting must not stand in the place of an earlier one."""

    def of(lr: float, text: str, start: str) -> tuple[Record, bytes]:
        record, table = make_adapted("coop", 0, hits(text), hits(start), task="eurosat", shots=16, options={"lr": lr})
        protocol = {**record.task.protocol, "method_options": {"lr": lr}}
        return record.model_copy(update={"task": record.task.model_copy(update={"protocol": protocol})}), table

    def names(*records: tuple[Record, bytes]) -> dict[str, list[float | None]]:
        found = put(ResultStore(tmp_path), *records)
        shown = make_table("transfer", TableRequest("", Entries(found), TableView(published="none")))
        return {plain(row[0]): [cell.value for cell in row if isinstance(cell, Score)] for row in shown.rows}

    alike = names(of(1.0, "1111", "1100"), of(2.0, "0000", "1100"))
    assert alike == {"zero-shot (m)": [0.5], "coop (lr=1.0) (m)": [1.0], "coop (lr=2.0) (m)": [0.0]}
    unlike = names(of(1.0, "1111", "1100"), of(2.0, "0000", "1000"))
    assert unlike == {"coop (lr=1.0) (m)": [1.0], "coop (lr=2.0) (m)": [0.0]}


def test_a_part_of_the_samples_is_not_ranked(tmp_path: Path) -> None:
    found = [
        make_adapted(method, 0, hits(text), hits("1100"), task="eurosat", shots=16)
        for method, text in (("gda", "1111"), ("knn", "1110"), ("coop", "1000"))
    ]
    records = put(ResultStore(tmp_path), *found)
    part = records[0].model_copy(update={"run": records[0].run.model_copy(update={"limit": 4})})
    shown = make_table("transfer", TableRequest("", Entries([part, *records[1:]]), TableView(published="none")))
    scores = {plain(row[0]): cell for row in shown.rows for cell in row if isinstance(cell, Score)}
    assert {name: score.place for name, score in scores.items()} == {
        "zero-shot (m)": 0,
        "coop (m)": 2,
        "gda (m)": 0,
        "knn (m)": 1,
    }
    assert scores["gda (m)"].notes[1].startswith("not ranked: ")
    assert scores["knn (m)"].notes == ("1 draw: the interval covers samples only",)
