"""Files of class names and templates, as editors and shells write them."""

from __future__ import annotations

import codecs
import json
from pathlib import Path

import pytest

from vlmbench.cli.adapting.given import read_lines
from vlmbench.errors import UsageError

NAMES = ("red cat", "Köter", "猫", "🐈")
TEXT = "\n".join(NAMES)


@pytest.mark.parametrize(
    "content",
    [
        TEXT.encode(),
        f"{TEXT}\n".encode(),
        f"{TEXT}\n\n  \n\u200b\n".encode(),
        TEXT.replace("\n", "\r\n").encode(),
        TEXT.replace("\n", "\r").encode(),
        TEXT.replace("\n", " \t\n").encode(),
        codecs.BOM_UTF8 + TEXT.encode(),
        codecs.BOM_UTF8
        + NAMES[0].encode()
        + b"\n"
        + codecs.BOM_UTF8
        + "\n".join(NAMES[1:]).encode(),  # two files in one
        TEXT.encode("utf-16"),
        codecs.BOM_UTF16_BE + TEXT.replace("\n", "\r\n").encode("utf-16-be"),
        codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"),
        TEXT.encode("utf-32"),
    ],
)
def test_names_are_the_same_however_they_were_saved(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_bytes(content)
    assert read_lines(tmp_path / "names.txt") == NAMES


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is empty"),
        (b" \n\r\n", "is empty"),
        ("\ufeff\u200b".encode(), "is empty"),
        (b"cat\n\ndog\n", "has an empty line 2"),
        (b"\ncat\ndog\n", "has an empty line 1"),
        ("cat\ndog\n\u200b\u00a0\nfox\n".encode(), "has an empty line 3"),
        ("Köter".encode("latin-1"), "cannot read"),
        ("cat\ndog".encode("utf-16-le"), "zero bytes"),
        (b"cat\x00dog", "zero bytes"),
        (codecs.BOM_UTF16_LE + b"c", "cannot read"),
    ],
)
def test_what_would_shift_labels_or_is_no_text_is_refused(content: bytes, problem: str, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_bytes(content)
    with pytest.raises(UsageError, match=problem) as found:
        read_lines(tmp_path / "names.txt")
    assert "names.txt" in found.value.message
    assert (found.value.hint == "Save it as UTF-8.") is ("cannot read" in found.value.message)


def test_a_file_of_another_form_keeps_its_lines(tmp_path: Path) -> None:
    """JSON in one line is one name, whose number does not fit."""
    (tmp_path / "names.json").write_text(json.dumps(NAMES))
    assert len(read_lines(tmp_path / "names.json") or ()) == 1
