"""The table of cross-dataset transfer: settings and metrics apart, and numbers that are not ranked."""

from __future__ import annotations

from pathlib import Path

import pytest
from adapted_records import hits, make_adapted, put

from vlmbench.records import Record
from vlmbench.reports.builders.cross_dataset import elsewhere
from vlmbench.reports.cells import Label, Score, plain
from vlmbench.reports.entries import Entries
from vlmbench.reports.registry import TableRequest, make_table
from vlmbench.reports.table_view import TableView
from vlmbench.store import ResultStore


def records(tmp_path: Path, method: str, text: str, *, draws: int = 2, lr: float = 1.0, **fields: str) -> list[Record]:
    """A method that learnt from the task "source", on the tasks "a" and "b"."""
    made = []
    for task in "ab":
        for draw in range(draws):
            record, table = make_adapted(
                method, draw, hits(text), hits("1100"), task=task, source="source", options={"lr": lr}, **fields
            )
            protocol = {**record.task.protocol, "method_options": {"lr": lr}}
            made.append(
                (record.model_copy(update={"task": record.task.model_copy(update={"protocol": protocol})}), table)
            )
    return put(ResultStore(tmp_path), *made)


def test_settings_of_a_method_are_rows_of_their_own(tmp_path: Path) -> None:
    found = elsewhere([*records(tmp_path, "coop", "1111", draws=3), *records(tmp_path, "coop", "0000", lr=2.0)])
    said = {row.key.detail: {task: (own.found.value, own.draws) for task, own in row.tasks.items()} for row in found}
    assert said == {"lr=1.0": {"a": (1.0, 3), "b": (1.0, 3)}, "lr=2.0": {"a": (0.0, 2), "b": (0.0, 2)}}


def test_other_prompts_of_the_source_are_another_row(tmp_path: Path) -> None:
    made = records(tmp_path, "coop", "1111")
    changed = []
    for record in made:
        draw = record.transfer.draw if record.transfer else 0
        protocol = {**record.task.protocol, "source_prompts_sha256": str(draw) * 64}
        changed.append(record.model_copy(update={"task": record.task.model_copy(update={"protocol": protocol})}))
    found = elsewhere(changed)
    assert [row.key.detail for row in found] == ["source prompts 000000", "source prompts 111111"]


def test_the_leaky_track_and_a_part_of_the_samples_are_not_ranked(tmp_path: Path) -> None:
    part = [
        record.model_copy(update={"run": record.run.model_copy(update={"limit": 4})})
        for record in records(tmp_path, "gda", "1111")
    ]
    leaky = records(tmp_path, "coop", "1111", track="leaky")
    rivals = [*records(tmp_path, "coop", "1110"), *records(tmp_path, "knn", "1000")]
    made = make_table("cross-dataset", TableRequest("", Entries([*part, *leaky, *rivals]), TableView()))
    rows = {(plain(row[2]), plain(row[3])): row for row in made.rows}
    for column in ("answered a", "average"):
        at = [each.full_name for each in made.columns].index(column)
        places = {key: cell.place for key, row in rows.items() if isinstance(cell := row[at], Score)}
        assert places[("coop", "no-validation")] == 1 and places[("knn", "no-validation")] == 2
        assert places[("gda", "no-validation")] == 0 and places[("coop", "leaky")] == 0
        shown = rows[("gda", "no-validation")][at]
        assert isinstance(shown, Score) and any(note.startswith("not ranked: ") for note in shown.notes)
    track = rows[("coop", "leaky")][3]
    assert isinstance(track, Label) and track.notes == ("its settings were chosen on the test images",)


def test_one_draw_says_what_its_interval_covers(tmp_path: Path) -> None:
    made = make_table(
        "cross-dataset", TableRequest("", Entries(records(tmp_path, "coop", "1110", draws=1)), TableView())
    )
    scores = [cell for row in made.rows for cell in row if isinstance(cell, Score) and cell.interval]
    assert {note for score in scores for note in score.notes} <= {"1 draw: the interval covers samples only"}
    assert made.data[-1]["value"] == pytest.approx(0.75)
