"""What the pages of protocols and of moving over state about cards, options, tests and names is what the code has."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from pathlib import Path

import pytest
from repository import REPOSITORY

from vlmbench.card_files import task_card_files
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


def published(table: str) -> dict[tuple[str, str, str], float]:
    """The numbers of a file of ``results/published`` in percent, by model, task and metric."""
    with (REPOSITORY / "results" / "published" / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        return {(row["model"], row["task"], row["metric"]): 100 * float(row["value"]) for row in csv.DictReader(file)}


def test_how_far_two_published_tables_differ_is_counted_from_them() -> None:
    theirs, others = published("clip_benchmark"), published("open_clip")
    apart = defaultdict(list)
    for key in theirs.keys() & others.keys():
        apart[key[1] if key[1] in ("svhn", "clevr-closest-distance") else "rest"].append(abs(theirs[key] - others[key]))
    most = {name: f"{max(found):.1f}" for name, found in apart.items()}
    mean = {name: f"{sum(found) / len(found):.1f}" for name, found in apart.items()}
    for page in ("trap_splits", "trap_precision"):
        text = (DOCS / "traps" / f"{page}.md").read_text("utf-8")
        assert all(f"{number}" in text for number in (*most.values(), len(apart["rest"])))
    splits = (DOCS / "traps" / "trap_splits.md").read_text("utf-8")
    assert f"({mean['svhn']} on average)" in splits and f"({mean['clevr-closest-distance']} on average)" in splits
    assert f"share {sum(map(len, apart.values()))} numbers" in (DOCS / "traps" / "trap_precision.md").read_text("utf-8")


def test_accuracy_minus_mean_per_class_is_counted_from_the_published_table() -> None:
    numbers = published("clip_benchmark")
    text = (DOCS / "traps" / "trap_mean_per_class.md").read_text("utf-8")
    cards = {
        "Diabetic Retinopathy": "diabetic-retinopathy",
        "KITTI distance": "kitti-distance",
        "Caltech-101 (VTAB)": "caltech101",
        "GTSRB": "gtsrb",
        "FER2013": "fer2013",
        "SVHN": "svhn",
        "Flowers": "flowers102",
    }
    for name, least, most in re.findall(r"^\| ([^|]+) \| (−?[\d.]+) \| (−?[\d.]+) \|$", text, re.MULTILINE):
        tasks = [cards[name]] if name in cards else ["oxford-pets", "fgvc-aircraft", "stanford-cars", "imagenet1k"]
        gaps = [
            value - numbers[model, task, "mean_per_class_recall"]
            for (model, task, metric), value in numbers.items()
            if metric == "acc1" and task in tasks
        ]
        assert min(gaps) == pytest.approx(float(least.replace("−", "-")), abs=0.06), name
        assert max(gaps) == pytest.approx(float(most.replace("−", "-")), abs=0.06), name


def test_files_that_hold_a_check_exist() -> None:
    named = re.findall(r"`(tests/[\w/]+(?:\.py)?)`", (DOCS / "checks.md").read_text("utf-8"))
    assert len(named) > 15 and all((REPOSITORY / name).exists() for name in named)
