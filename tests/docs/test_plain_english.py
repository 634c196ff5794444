"""The worst riddles of English are refused in code, its comments and messages, cards, pages and templates."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from repository import REPOSITORY

REFUSED = {
    r"\bnobody\b": "name who or what it is: 'no one registered it' is 'it is not registered'",
    r"\bof ours\b": "'a class of vlmbench', 'our class'",
    r"\b(?:is|are|was|were) said\b": "'a remark says', 'the error names'",
    r"\bso many\b": "state the number, or 'this number of samples'",
    r"\b(?:is|are) none\b": "'is not a mask', 'there is no mask'",
    r"\bof which the same\b": "split the sentence",
    r"\bwould leave with\b": "split the sentence",
    r"\bwhoever\b": "name the user, the caller, the program",
    r"\bwhat(?:ever)? stands (?:there|here)\b": "name it",
}
"""Each phrase with what to write instead."""
SUFFIXES = {".py", ".md", ".yaml", ".html", ".js", ".toml"}
FOLDERS = ("vlmbench", "docs", "tasks", "model_cards", "perf", ".ci")


def files() -> Iterator[Path]:
    yield from (path for path in REPOSITORY.iterdir() if path.suffix in SUFFIXES)
    for folder in FOLDERS:
        yield from (
            path for path in (REPOSITORY / folder).rglob("*") if path.suffix in SUFFIXES and "vendor" not in path.parts
        )


@pytest.mark.parametrize("phrase", REFUSED)
def test_no_text_has_it(phrase: str) -> None:
    found = [
        f"{path.relative_to(REPOSITORY)}:{number}: {line.strip()}"
        for path in files()
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if re.search(phrase, line)
    ]
    assert not found, f"{REFUSED[phrase]}\n" + "\n".join(found)


def test_the_search_finds_what_is_there() -> None:
    riddles = ("nobody registered it", "a class of ours", "it is said once", "so many samples", "it is none of them")
    assert all(any(re.search(phrase, text) for phrase in REFUSED) for text in riddles)
    assert not any(re.search(phrase, "no results folder; value is None") for phrase in REFUSED)
