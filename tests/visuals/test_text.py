"""Text: whatever the name, something that can be read is drawn."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from visuals.inputs import HOSTILE

import vlmbench.visuals.charts as charts_module
import vlmbench.visuals.text as text_module
from vlmbench.errors import UsageError
from vlmbench.visuals.text import FONT_VARIABLE, class_label, fitting, font, font_path, legible, wrapped


@pytest.mark.parametrize("module", [text_module, charts_module])
def test_examples(module: object) -> None:
    failed, tried = doctest.testmod(module)  # type: ignore[arg-type]
    assert tried > 0 and failed == 0


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("\N{DOG FACE} dog", "[dog face] dog"),
        ("\u732b", "[U+732B]"),
        ("\u306d\u3053", "[ne ko]"),
        ("caf\u00e9", "caf\u00e9"),
        ("cafe\u0301", "caf\u00e9"),
        ("\u05e9\u05dc\u05d5\u05dd", "\u05e9\u05dc\u05d5\u05dd"),
        ("two\nlines\tand\0more", "two lines andmore"),
        ("heart\u2764\ufe0f", "heart\u2764"),
    ],
)
def test_what_the_font_lacks_is_spelled_out(name: str, written: str) -> None:
    assert legible(name) == written


def test_without_matplotlib_the_font_inside_pillow_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_module, "_dejavu", lambda: None)
    assert font_path() is None and font(12).getname()[0] == "Aileron"
    assert legible("caf\u00e9 \u05e9") == "cafe [shin]"


def test_the_users_font_comes_first_and_must_be_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    own = font_path()
    assert own is not None
    copy = tmp_path / "mine.ttf"
    copy.write_bytes(own.read_bytes())
    monkeypatch.setenv(FONT_VARIABLE, str(copy))
    assert font_path() == copy
    copy.write_text("no font")
    with pytest.raises(UsageError, match=r"mine\.ttf"):
        font_path()


@given(st.text(max_size=60), st.integers(0, 200))
def test_a_fitted_text_fits_and_is_a_beginning(text: str, width: int) -> None:
    name, face = legible(text), font(13)
    fitted = fitting(name, width, face)
    assert face.getlength(fitted) <= max(width, 0) or fitted == ""
    assert fitted == name or name.startswith(fitted.removesuffix("..."))


def test_wrapping_keeps_the_words_and_the_number_of_lines() -> None:
    face = font(13)
    words = "one two three four five six seven eight nine ten"
    assert " ".join(wrapped(words, 120, face, lines=9)) == words
    lines = wrapped(words, 120, face, lines=2)
    assert len(lines) == 2 and lines[1].endswith("...") and all(face.getlength(line) <= 120 for line in lines)


def test_a_name_of_nothing_is_a_number() -> None:
    assert class_label(HOSTILE, 5) == "class 5"
