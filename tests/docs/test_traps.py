"""What the pages of protocols and of moving over state about cards, options, tests and names is what the code has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from repository import REPOSITORY

from vlmbench.catalogue import task_card_files
from vlmbench.interchange.names import TASKS
from vlmbench.remarks.codes import CODES

DOCS = REPOSITORY / "docs"
TRAPS = sorted((DOCS / "traps").glob("*.md"))
PAGES = [*TRAPS, DOCS / "from_clip_benchmark.md", DOCS / "checks.md", DOCS / "comparison.md"]
FAMILIES = ("voc20", "coco-", "sun397", "resisc45", "eurosat", "clevr-", "imagenet", "odinw", "flickr", "mscoco")
"""How the names of cards begin: what begins so in a page and has only a name's signs must be a card."""
NOT_CARDS = {"imagenet-w"}
"""A dataset of CLIP_benchmark without a card, which is what the page states."""


def quoted(page: Path) -> set[str]:
    return set(re.findall(r"`([^`\n]+)`", page.read_text("utf-8")))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_cards_that_a_page_names_exist(page: Path) -> None:
    cards = task_card_files()
    shown = set(re.findall(r"vlmbench tasks show ([a-z0-9-]+)", page.read_text("utf-8")))
    named = {name for name in quoted(page) if name.startswith(FAMILIES) and re.fullmatch(r"[a-z0-9-]+", name)}
    known = {*cards, *TASKS, *NOT_CARDS}
    assert shown <= set(cards)
    assert named <= known, named - known


@pytest.mark.parametrize("page", TRAPS, ids=lambda page: page.stem)
def test_remarks_that_a_page_names_exist(page: Path) -> None:
    remarks = re.findall(r"(?:remark(?:s)?(?: is)?|says?|are|as the remark) `([a-z-]+)`", page.read_text("utf-8"))
    assert set(remarks) <= set(CODES), set(remarks) - set(CODES)


def test_every_trap_is_in_the_index() -> None:
    listed = set(re.findall(r"\]\((\w+)\.md\)", (DOCS / "traps" / "index.md").read_text("utf-8")))
    assert listed == {page.stem for page in TRAPS} - {"index"}


def test_the_table_of_datasets_is_the_importers() -> None:
    text = (DOCS / "from_clip_benchmark.md").read_text("utf-8")
    table = text.partition("<!-- datasets:")[2].partition("<!-- end -->")[0]
    rows = dict(re.findall(r"^\| `([^`]+)` \| `([^`]+)` \|$", table, re.MULTILINE))
    assert rows == {theirs: ours for theirs, ours in TASKS.items() if ours in task_card_files()}


def test_the_comparison_counts_the_datasets_of_that_table() -> None:
    stated = re.search(r"cards for (\d+) of its dataset names", (DOCS / "comparison.md").read_text("utf-8"))
    assert stated and int(stated[1]) == sum(ours in task_card_files() for ours in TASKS.values())


def test_files_that_hold_a_check_exist() -> None:
    named = re.findall(r"`(tests/[\w/]+(?:\.py)?)`", (DOCS / "checks.md").read_text("utf-8"))
    assert len(named) > 15 and all((REPOSITORY / name).exists() for name in named)
