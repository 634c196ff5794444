"""The README is short, and what it links to is there."""

from __future__ import annotations

import re

import pytest
from repository import REPOSITORY

README = REPOSITORY / "README.md"
TEXT = README.read_text("utf-8")
LINKS = sorted({link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", TEXT) if "://" not in link})


def test_it_is_read_in_a_minute() -> None:
    assert len(TEXT.splitlines()) <= 70
    assert len(TEXT.split()) <= 700


@pytest.mark.parametrize("link", LINKS)
def test_every_link_and_picture_is_there(link: str) -> None:
    assert (README.parent / link).is_file()


def test_it_links_to_the_docs_and_shows_a_picture() -> None:
    assert len(LINKS) > 15
    assert re.search(r"!\[[^]]+\]\(docs/[\w.]+\)", TEXT)


@pytest.mark.parametrize("extra, then", [("demo", "vlmbench demo"), ("test", "pytest")])
def test_the_two_commands_are_as_documented(extra: str, then: str) -> None:
    command = f"python3 -m venv .venv && . .venv/bin/activate && pip install -e '.[{extra}]' && {then}"
    assert f"```bash\n{command}\n```" in TEXT
