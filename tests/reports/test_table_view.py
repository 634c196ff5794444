"""Rows filtered, sorted, grouped and marked."""

from __future__ import annotations

import pytest

from vlmbench.errors import UsageError
from vlmbench.reports.cells import DASH, Cell, Label, Score, plain
from vlmbench.reports.table_data import Column, Table
from vlmbench.reports.table_view import Draft, TableRow, TableView, arranged, with_fields

COLUMNS = (Column("model", repeats=True), Column("kind"), Column("score", "right"), Column("data size", "right"))


def draft(*scores: Score, kinds: str = "") -> Draft:
    rows = [
        TableRow([Label(f"m{number}"), kinds[number : number + 1], score, ("400M", "1.8B", DASH, "26M")[number % 4]])
        for number, score in enumerate(scores)
    ]
    return Draft("T", COLUMNS, rows, hidden=frozenset({"data size"}), ranked=frozenset({"score"}))


def names(table: Table) -> list[str]:
    return [plain(row[0]) for row in table.rows]


def marked(*scores: Score) -> list[int]:
    cells: list[Cell] = [row[2] for row in arranged(draft(*scores), TableView()).rows]
    return [cell.place for cell in cells if isinstance(cell, Score)]


def test_best_and_second_by_value_and_equal_values_alike() -> None:
    assert marked(Score(0.5), Score(0.9), Score(0.7), Score(0.9)) == [0, 1, 2, 1]


def test_missing_flagged_and_failed_numbers_are_never_best() -> None:
    scores = (Score(0.5), Score(0.99, comparable=False, notes=("wrong",)), Score(None), Score(None, status="failed"))
    assert marked(*scores, Score(0.4)) == [1, 0, 0, 0, 2]


def test_one_number_and_equal_numbers_are_no_best() -> None:
    assert marked(Score(0.5)) == [0] and marked(Score(0.5), Score(None)) == [0, 0]
    assert marked(Score(0.5), Score(0.5)) == [0, 0]


def test_of_ranks_the_low_one_is_best() -> None:
    assert marked(*(Score(v, unit="rank", higher_is_better=False) for v in (3.0, 1.0, 2.0))) == [0, 1, 2]


def test_only_one_question_is_ranked_together() -> None:
    assert marked(Score(0.5, question="a"), Score(0.9, question="b"), Score(0.6, question="a")) == [2, 0, 1]


def test_sorting_puts_the_best_first_and_the_unknown_last() -> None:
    scores = (Score(0.5), Score(None), Score(0.9), Score(0.7))
    assert names(arranged(draft(*scores), TableView(sort="score"))) == ["m2", "m3", "m0", "m1"]
    assert names(arranged(draft(*scores), TableView(sort="-score"))) == ["m0", "m3", "m2", "m1"]
    ranks = [Score(value, higher_is_better=False) for value in (3.0, 1.0)]
    assert names(arranged(draft(*ranks), TableView(sort="score"))) == ["m1", "m0"]


def test_sorting_knows_counts_and_hidden_columns_in_any_spelling() -> None:
    table = arranged(draft(*[Score(0.5)] * 4), TableView(sort="Data_Size"))
    assert names(table) == ["m3", "m0", "m1", "m2"], "26M, 400M, 1.8B, unknown"
    assert [column.name for column in table.columns] == ["model", "kind", "score"]


def test_groups_become_headings_and_their_column_goes() -> None:
    table = arranged(draft(*(Score(v / 10) for v in range(4)), kinds="bacb"), TableView(group_by="kind", sort="score"))
    assert names(table) == ["m3", "m0", "m2", "m1"] and dict(table.sections) == {0: "b", 2: "c", 3: "a"}
    assert [column.name for column in table.columns] == ["model", "score"]


def test_rows_without_a_group_come_last_and_say_so() -> None:
    rows = [TableRow([Label("x"), "", Score(0.9), DASH]), TableRow([Label("y"), "a", Score(0.1), DASH])]
    table = arranged(Draft("T", COLUMNS, rows), TableView(group_by="kind"))
    assert names(table) == ["y", "x"] and dict(table.sections) == {0: "a", 1: "not stated"}


def test_filters_match_whole_cells_in_any_case() -> None:
    table = arranged(draft(Score(0.1), Score(0.2), kinds="ab"), TableView(filters=[("kind", "A*")]))
    assert names(table) == ["m0"]
    assert names(arranged(draft(Score(0.1), Score(0.2)), TableView(filters=[("data size", "1.8b")]))) == ["m1"]


def test_marks_are_of_the_rows_that_are_shown() -> None:
    table = arranged(draft(Score(0.1), Score(0.9), Score(0.2), kinds="aba"), TableView(filters=[("kind", "a")]))
    assert [row[2].place for row in table.rows if isinstance(row[2], Score)] == [2, 1]


def test_columns_are_chosen_and_ordered_by_name_hidden_ones_too() -> None:
    table = arranged(draft(Score(0.1)), TableView(columns=["data size", "model"]))
    assert [column.name for column in table.columns] == ["data size", "model"]
    with pytest.raises(UsageError, match="unknown column 'colour'") as error:
        arranged(draft(Score(0.1)), TableView(columns=["colour"]))
    assert "data size" in str(error.value)


def test_a_note_of_a_whole_row_stands_at_its_name() -> None:
    columns = (Column("model", repeats=True), Column("a", "right"), Column("b", "right"))
    both, one = Score(0.5, notes=("bf16",)), Score(0.5, notes=("subset", "bf16"))
    (row,) = arranged(Draft("T", columns, [TableRow(["m", both, one])]), TableView()).rows
    assert row[0] == Label("m", notes=("bf16",))
    assert [cell.notes for cell in row[1:] if isinstance(cell, Score)] == [(), ("subset",)]


def test_signs_are_shown_where_there_is_something_to_tell_apart() -> None:
    measured, published = TableRow([Label("m", origin="measured")]), TableRow([Label("p", origin="published")])
    columns = (Column("model"),)
    assert arranged(Draft("T", columns, [measured]), TableView()).rows == [[Label("m")]]
    table = arranged(Draft("T", columns, [measured, published]), TableView())
    assert table.rows == [[Label("m", origin="measured")], [Label("p", origin="published")]]
    assert table.legend == ("● measured here · ○ published",)


def test_fields_of_data_are_chosen_by_name() -> None:
    table = Table("T", COLUMNS, [], [{"model": "m", "value": 0.5, "n": 3}, {"model": "k"}])
    assert with_fields(table, ["value", "model"]).data == [
        {"value": 0.5, "model": "m"},
        {"value": None, "model": "k"},
    ]
    with pytest.raises(UsageError, match="unknown column 'valu'"):
        with_fields(table, ["valu"])


@pytest.mark.parametrize(
    ("score", "text", "spread"),
    [
        (Score(0.7626, (0.75, 0.77)), "76.3", "±1.3"),
        (Score(0.7626, (0.75, 0.77), digits=2), "76.26", "±1.26"),
        (Score(0.7626, (0.75, 0.77), spread_shown=False), "76.3", ""),
        (Score(31.95, (30.0, 40.0), unit="rank"), "rank 31.9", "±8.1"),
        (Score(-0.012, signed=True), "-1.2", ""),
        (Score(0.012, signed=True), "+1.2", ""),
        (Score(None), "–", ""),
        (Score(None, (0.1, 0.2), status="unsupported"), "unsupported", ""),
        (Score(0.0), "0.0", ""),
    ],
)
def test_a_score_reads(score: Score, text: str, spread: str) -> None:
    assert (score.text, score.spread) == (text, spread)
