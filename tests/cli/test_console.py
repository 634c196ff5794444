"""Tables in windows of every width."""

from __future__ import annotations

import io
import sys

import pytest
from rich.console import Console
from rich.table import Table as RichTable

from vlmbench.cli.console import hint_lines, print_grid, write_output
from vlmbench.reports.cells import Label, Score
from vlmbench.reports.formats.terminal.render import TerminalTable
from vlmbench.reports.table_data import Column, Table

COLUMNS = (Column("name"), Column("chance", "right", spare=1), Column("speed", "right", spare=2), Column("nothing"))


def headings(width: int | None) -> list[object]:
    table = Table("", COLUMNS, [["a" * 20, "10.0", "5", ""], ["b", "9.0", "12345", ""]], [])
    return [column.name for column in TerminalTable(table, width).columns]


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


def printed(table: Table, width: int = 80, **console: object) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=width, **console).print(TerminalTable(table, width))  # type: ignore[arg-type]
    return [line.rstrip() for line in out.getvalue().splitlines()]


def test_cells_stand_under_their_headings() -> None:
    table = Table("All", (Column("name"), Column("score", "right", strong=True)), [["猫", "7"], ["ab", "12.5"]], [])
    assert printed(table) == ["All", "", " name  score", " ───────────", " 猫        7", " ab     12.5"]


def test_what_does_not_fit_is_folded_and_numbers_never_are() -> None:
    rows = [["one two three four", "1234567890"], ["supercalifragilistic", "5"]]
    table = Table("", (Column("name"), Column("n", "right")), rows, [])
    assert printed(table, width=24)[3:] == [
        " one two     1234567890",
        " three four",
        " supercalif           5",
        " ragilistic",
    ]


def test_names_break_behind_hyphens_and_their_marks_stand_at_the_end() -> None:
    columns = (Column("model", repeats=True), Column("remarks"))
    rows = [[Label("clip-convnext-base-laion400m", origin="published", notes=("why",)), "not above chance, bf16"]]
    assert printed(Table("", columns, rows, []), width=34)[3:7] == [
        " ○ clip-          not above",
        "   convnext-      chance, bf16",
        "   base-",
        "   laion400mᵃ",
    ]


def test_what_a_window_has_no_room_for_is_named() -> None:
    table = Table("", COLUMNS, [["a" * 20, "10.0", "5", ""]], [])
    assert "no room" not in "".join(printed(table, width=80))
    assert printed(table, width=29)[-2:] == ["no room here for: chance,", "speed"]


def test_in_a_narrow_window_a_name_stands_over_its_rows() -> None:
    columns = (Column("model", heads=True), Column("task"), Column("score", "right"))
    rows = [
        [Label("a-model-with-a-name", origin="measured"), "digits", "1"],
        [Label("a-model-with-a-name", origin="measured"), "faces", "2"],
        *[["other", task, "3"] for task in ("digits", "faces")],
    ]
    assert printed(Table("", columns, rows, []), width=30)[1:-2] == [
        " task    score",
        " ─────────────",
        " ● a-model-with-a-name",
        " digits      1",
        " faces       2",
        " other",
        " digits      3",
        " faces       3",
    ]
    assert " other                  digits      3" in printed(Table("", columns, rows, []), width=80)


def test_a_name_that_changes_with_every_row_heads_none() -> None:
    columns = (Column("model", heads=True), Column("task"))
    rows = [[f"a-model-with-a-name-{n}", "digits"] for n in range(3)]
    assert " model" in printed(Table("", columns, rows, []), width=20)[1]


def test_a_group_cut_short_says_so() -> None:
    columns = (Column("a", "right", group="COCO Captions"), Column("b", "right", group="COCO Captions"))
    assert printed(Table("", columns, [["1", "2"]], []), width=40)[1] == " COC…"


def test_a_sign_stays_with_its_name_and_the_name_folds_under_itself() -> None:
    columns = (Column("model", repeats=True), Column("score", "right"))
    rows = [[Label("supercalifragilistic", origin="published"), Score(0.5)]]
    assert printed(Table("", columns, rows, []), width=22)[3:5] == [" ○ supercalifr   50.0", "   agilistic"]


def test_numbers_their_marks_and_intervals_stand_under_each_other() -> None:
    scores = [
        Score(0.912, (0.9, 0.92), place=1, notes=("why",)),
        Score(0.05, place=2),
        Score(None, status="failed"),
        Score(None),
    ]
    lines = printed(Table("", (Column("a", "right"),), [[score] for score in scores], []))
    assert lines[3:7] == [
        "   91.2*ᵃ ±1.2",
        "    5.0+",
        " failed",
        "      –",
    ]


def test_a_table_that_is_too_wide_goes_on_below_with_its_names() -> None:
    columns = (Column("model", repeats=True), *(Column(f"score-{n}", "right") for n in range(6)))
    lines = printed(Table("", columns, [["m", *"123456"]], []), width=31)
    assert lines == [
        "",
        "        score-  score-  score-",
        " model       0       1       2",
        " ─────────────────────────────",
        " m           1       2       3",
        "",
        "        score-  score-  score-",
        " model       3       4       5",
        " ─────────────────────────────",
        " m           4       5       6",
    ]


def test_groups_sections_and_what_stands_below() -> None:
    columns = (
        Column("model", repeats=True),
        Column("base", "right", group="COCO"),
        Column("novel", "right", group="COCO"),
    )
    rows = [[Label("m", notes=("a note",)), "1", "2"], ["n", "3", "4"]]
    table = Table("T", columns, rows, [], notes=["said once"], sections={0: "first", 1: "second"})
    assert printed(table) == [
        "T",
        "",
        "        ─── COCO ──",
        " model  base  novel",
        " ──────────────────",
        " first",
        " mᵃ        1      2",
        " second",
        " n         3      4",
        "",
        "ᵃ a note",
        "said once",
    ]


def test_best_and_second_are_styles_where_there_are_any() -> None:
    table = Table("", (Column("a", "right"),), [[Score(0.9, place=1)], [Score(0.8, place=2, origin="published")]], [])
    lines = printed(table, force_terminal=True, color_system="standard")
    assert "\x1b[1m90.0" in lines[3] and "\x1b[4;36m80.0" in lines[4] and "*" not in "".join(lines)


def test_cells_are_text_and_not_markup_or_escape_codes() -> None:
    lines = printed(Table("", (Column("name"),), [["[bold]x[/bold]"], ["\x1b[31mred\x07"], ["two\nlines"]], []))
    assert lines[3:] == [" [bold]x[/bold]", " [31mred", " two", " lines"]


def test_a_failed_pair_is_red_where_there_are_colours() -> None:
    columns = (Column("task"), Column("score", strong=True))
    lines = printed(Table("", columns, [["t", "failed"]], []), force_terminal=True, color_system="standard")
    assert "\x1b[1;31mfailed" in lines[3]
    assert "\x1b" not in "".join(printed(Table("", columns, [["t", "failed"]], [])))


def test_bytes_of_a_path_that_are_no_text_are_written_as_question_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    sink = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(sink, encoding="ascii"))
    write_output("a\udcff é", None)
    sys.stdout.flush()
    assert sink.getvalue() == "a? é".encode()


def test_a_table_with_a_foot_has_one_blank_line_before_it_and_none_after_it() -> None:
    assert printed(Table("", (Column("a"),), [["x"]], [], notes=["a note"]))[-3:] == [" x", "", "a note"]
    assert printed(Table("", (Column("a"),), [["x"]], []))[-1] == " x"


def test_a_grid_has_no_spaces_at_the_ends_of_its_lines(capsys: pytest.CaptureFixture[str]) -> None:
    grid = RichTable.grid(padding=(0, 2))
    grid.add_row("a", "a long text")
    grid.add_row("bbb", "x")
    grid.add_row("c", "")
    print_grid(grid)
    assert capsys.readouterr().out == "a    a long text\nbbb  x\nc\n"


def test_the_same_hint_is_one_line_with_the_names_of_its_failures() -> None:
    assert hint_lines([("a", "Go online."), ("b", None), ("c", "Go online.")]) == ["a and c: Go online."]
    assert hint_lines([("a", "Go online.")]) == ["Go online."]
    assert hint_lines([]) == hint_lines([("a", None)]) == []
