"""Foreign words inside marked-up text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vlmbench.markup import escape_markdown, printable


def test_signs_that_move_or_colour_are_left_out() -> None:
    assert printable("a\x1b[31mb\x00\u202ec\x9b") == "a[31mbc"
    assert printable("tab\tand\nline") == "tab\tand\nline"


def test_markdown_takes_a_name_for_a_name() -> None:
    assert escape_markdown("a|b [x](y) *z* `c` <i>&") == r"a\|b \[x\](y) \*z\* \`c\` &lt;i&gt;&amp;"
    assert escape_markdown("mean_per_class_recall _x_") == r"mean_per_class_recall \_x\_"
    assert escape_markdown("one\n\n# two") == "one # two"


@given(st.text())
def test_escaped_text_is_one_line_without_bare_signs(text: str) -> None:
    escaped = escape_markdown(text)
    assert "\n" not in escaped and "<" not in escaped and "|" not in escaped.replace("\\|", "")
