"""Charts of characters: places by hand, letters, the level, and a file without colours."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlmbench.reports.formats.terminal.chart import HEIGHT, chart_lines
from vlmbench.reports.formats.text import to_text
from vlmbench.reports.line_chart import ChartLine, ChartPoint, LineChart
from vlmbench.reports.table_data import Column, Table


def point(x: float, y: float) -> ChartPoint:
    return ChartPoint(x, y, max(0.0, y - 0.1), min(1.0, y + 0.1))


CHART = LineChart(
    "acc1 against shots",
    "shots",
    [(1, "1"), (2, "2"), (4, "4")],
    [
        ChartLine("first", [point(1, 0.5), point(2, 0.6), point(4, 0.7)]),
        ChartLine("second", [point(1, 0.5), point(4, 0.55)]),
    ],
    level=0.52,
)


def lines(chart: LineChart, width: int = 40) -> list[str]:
    return ["".join(text for text, _ in drawn).rstrip() for drawn in chart_lines(chart, width)]


def test_points_lie_where_their_numbers_say() -> None:
    drawn = lines(CHART)
    plot = [line[7:] for line in drawn[2 : 2 + HEIGHT]]
    width = 40 - 7 - 2
    assert plot[0].rstrip().endswith("a") is False, "there is room above the highest point"
    (top,) = [row for row, line in enumerate(plot) if len(line) == width and line[-1] == "a"]
    (middle,) = [row for row, line in enumerate(plot) if len(line) > width // 2 and line[width // 2] == "a"]
    (start,) = [row for row, line in enumerate(plot) if line[:1] == "*"]
    assert top < middle < start and start - middle == pytest.approx(middle - top, abs=1)
    assert drawn[2].startswith(" 71.0") and drawn[1 + HEIGHT].startswith(" 49.0")


def test_the_level_is_a_row_of_hyphens_and_everything_is_named() -> None:
    drawn = lines(CHART, 80)
    (level,) = [line for line in drawn[2 : 2 + HEIGHT] if "----------" in line]
    low, high = CHART.y_range
    row = HEIGHT - 1 - round((0.52 - low) / (high - low) * (HEIGHT - 1))
    assert drawn.index(level) == 2 + row
    assert drawn[-1].split() == ["a", "first", "b", "second", "---", "zero-shot", "52.0", "*", "several"]
    assert not any("---" in line for line in lines(replace(CHART, level=None)))


def test_a_legend_that_is_too_long_takes_several_lines() -> None:
    many = replace(CHART, lines=[ChartLine(f"method {n}", [point(1, n / 10)]) for n in range(9)])
    drawn = lines(many, 40)
    assert all(len(line) <= 48 for line in drawn)
    assert [name for n in range(9) if (name := f"method {n}") not in "\n".join(drawn)] == []


def test_sixty_lines_have_signs_of_their_own() -> None:
    many = replace(CHART, lines=[ChartLine(f"method{n}", [point(1 + n / 20, n / 60)]) for n in range(60)], level=None)
    words = " ".join(lines(many, 60)[HEIGHT + 4 :]).split()
    signs = [words[words.index(f"method{n}") - 1] for n in range(60)]
    assert len(set(signs)) == 60 and all(len(sign) == 1 and sign.isalnum() for sign in signs)
    assert (signs[0], signs[25], signs[26], signs[52]) == ("a", "z", "A", "0")


def test_points_of_a_letter_and_of_a_digit_in_one_place_are_several() -> None:
    many = [ChartLine(f"method{n}", [point(1, 0.1 if n in (0, 52) else 0.9)]) for n in range(53)]
    plot = lines(replace(CHART, lines=many, level=None))[2 : 2 + HEIGHT]
    assert [line[7] for line in plot if len(line) > 7 and line[7] != " "] == ["*", "*"]


def test_a_file_has_the_chart_without_colours() -> None:
    table = Table("t", [Column("a")], [["x"]], []).with_charts([CHART])
    text = to_text(table)
    assert "\x1b" not in text and "a first   b second" in text


@given(
    st.lists(st.tuples(st.floats(1e-3, 1e4), st.floats(0, 1)), min_size=1, max_size=8),
    st.none() | st.floats(0, 1),
    st.integers(1, 200),
)
def test_any_numbers_can_be_drawn(found: list[tuple[float, float]], level: float | None, width: int) -> None:
    own = [ChartLine("m", [point(x, y) for x, y in sorted(found)])]
    drawn = lines(LineChart("t", "x", [(found[0][0], "here")], own, level), width)
    assert any("a" in line[7:] for line in drawn[2 : 2 + HEIGHT])
