"""The terminal's format in a file."""

from __future__ import annotations

from report_cases import HOSTILE, answered, entries

from vlmbench.reports.builders.results import results_table
from vlmbench.reports.formats.terminal.render import PIPED_WIDTH
from vlmbench.reports.formats.text import to_text


def test_lines_are_plain_and_fit_a_pipe() -> None:
    text = to_text(results_table(entries()))
    assert "ours-base" in text and "\x1b" not in text and max(map(len, text.splitlines())) <= PIPED_WIDTH


def test_hostile_names_stay_text() -> None:
    text = to_text(results_table([answered(name, name[::-1], 0.5) for name in HOSTILE]))
    assert "\x1b" not in text and "\u202e" not in text
