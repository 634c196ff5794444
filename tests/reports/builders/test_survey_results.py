"""The survey's tables, cell by cell, and records beside them."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from itertools import pairwise

import pytest
from published_numbers import printed_table
from report_cases import answered, asked, entries, numbers

from vlmbench.reports.builders.survey import SurveyTable
from vlmbench.reports.builders.survey_results import survey_results_table
from vlmbench.reports.cells import Label, Score, plain
from vlmbench.reports.entries import Entries, gather
from vlmbench.reports.facts import ModelFacts
from vlmbench.reports.published import Published, published
from vlmbench.reports.table_data import Table
from vlmbench.reports.table_view import TableView
from vlmbench.testing.toy_records import make_failure

PRINTED = {
    "classification": (
        6,
        "ImageNet-1k CIFAR-10 CIFAR-100 Food101 SUN397 Cars Aircraft DTD Pets Caltech101 Flowers102",
    ),
    "segmentation": (7, "VOC_mIoU PASCAL_Context_mIoU COCO_mIoU"),
    "detection": (8, "COCO_AP LVIS_AP LVIS_minival_AP"),
    "transfer": (
        9,
        "Average ImageNet-1k Caltech101 Pets Cars Flowers102 Food101 Aircraft SUN397 DTD EuroSAT UCF101",
    ),
    "ovd": (
        10,
        "COCO_APbase COCO_APnovel COCO_AP LVIS_APr LVIS_APc LVIS_APf LVIS_AP",
    ),
    "ovs": (11, "A-847 PC-459 A-150 PC-59 PAS-20 C-19"),
}


def survey(name: str) -> SurveyTable:
    found = import_module(f"vlmbench.reports.tables.{name}").SURVEY
    assert isinstance(found, SurveyTable)
    return found


def table(name: str, found: Entries, known: Sequence[Published], **view: object) -> Table:
    return survey_results_table(survey(name), asked(found, TableView(**view), numbers=known))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", PRINTED)
def test_the_surveys_rows_are_as_printed_cell_by_cell(name: str) -> None:
    number, columns = PRINTED[name]
    lines = [(row["method"].rstrip("*"), [row[name] for name in columns.split()]) for row in printed_table(number)]
    expected = [
        (name, *(f"{float(text):.1f}" if text else "–" for text in texts)) for name, texts in lines if any(texts)
    ]
    in_print = {"group_by": "framework"} if name == "transfer" else {}  # known of none, which leaves the printed order
    made = survey_results_table(
        survey(name), asked(Entries(), TableView(**in_print), numbers=published(), facts=ModelFacts())
    )
    width = len(survey(name).questions)
    found = [(plain(row[0]), *map(plain, row[-width:])) for row in made.rows]
    assert [(model.casefold(), *texts) for model, *texts in found] == [(m.casefold(), *t) for m, *t in expected]


def test_flagged_numbers_are_shown_marked_and_never_best() -> None:
    made = table("classification", Entries(), published())
    clip = next(row for row in made.rows if plain(row[0]) == "clip")
    assert isinstance(clip[0], Label) and "ViT-L/14-336px" in clip[0].notes[0]
    scores = [cell for row in made.rows for cell in row if isinstance(cell, Score)]
    assert all(not score.comparable and score.place == 0 for score in clip if isinstance(score, Score))
    assert sum(score.place == 1 for score in scores) >= 11, "each column has its best"
    without = table("classification", Entries(), published(), flagged=False)
    assert "clip" not in [plain(row[0]) for row in without.rows]
    detic = next(row for row in table("ovd", Entries(), published()).rows if plain(row[0]) == "detic")
    assert [bool(cell.notes) for cell in detic if isinstance(cell, Score)] == [True, False, True, *[False] * 4]


def rows(made: Table) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in made.rows:
        label = row[0]
        assert isinstance(label, Label)
        sign = {"measured": "", "published": "○", None: "", "imported": "◇"}[label.origin]
        scores = [cell for cell in row if isinstance(cell, Score)]
        found[sign + label.text + "".join(f" ({note})" for note in label.notes)] = [score.text for score in scores]
    return found


def test_published_and_measured_rows_stand_apart() -> None:
    assert rows(table("classification", entries(), numbers())) == {
        "○PaperNet": ["76.2", "95.7", "–"],
        "○Other & Net": ["80.0", "50.0", "–"],
        "○ours-base (a model zoo)": ["–", "91.2", "–"],
        "ours-base": ["71.0", "91.0", "50.0"],
        "ours-large": ["76.0", "–", "failed"],
        "ours-large (bf16)": ["–", "99.0", "–"],
    }


def test_what_is_published_of_others_is_shown_when_asked_for() -> None:
    assert "○elsewhere (a model zoo)" in rows(table("classification", entries(), numbers(), published="all"))
    assert list(rows(table("classification", entries(), numbers(), published="none"))) == [
        "ours-base",
        "ours-large",
        "ours-large (bf16)",
    ]


def test_a_number_of_a_part_of_the_data_is_marked_and_not_ranked() -> None:
    made = table("classification", entries(), numbers())
    (score,) = [cell for cell in made.rows[-1] if isinstance(cell, Score) and cell.value is not None]
    assert score.notes == ("subset of 10",) and not score.comparable and score.place == 0


def test_columns_and_rows_by_pattern() -> None:
    made = table("classification", entries(), numbers(), tasks=["cifar*"], models=["OURS-*"])
    assert rows(made) == {
        "○ours-base (a model zoo)": ["91.2"],
        "ours-base": ["91.0"],
        "ours-large (bf16)": ["99.0"],
    }


def test_of_two_records_of_a_cell_the_later_counts_whatever_their_order() -> None:
    old = answered("m", "cifar10", 0.1, started="2026-01-01T00:00:00+00:00")
    new = answered("m", "cifar10", 0.2, started="2026-02-01T00:00:00+00:00")
    new = new.model_copy(update={"task": new.task.model_copy(update={"prompts_sha256": "other"})})
    for order in ([old, new], [new, old]):
        assert rows(table("classification", gather(order), []))["m"] == ["20.0"]


def test_a_model_that_only_failed_has_a_row_that_says_so() -> None:
    made = table("classification", gather([make_failure("m", "cifar10", "no\nweights")]), [])
    assert rows(made) == {"m": ["failed"]} and list(made.footnotes) == ["cifar10: no (run of 2026-01-01 00:00)"]


def test_another_protocol_in_a_column_is_marked_and_ranked_apart() -> None:
    found = [answered(name, "voc20-sclip", value, "miou") for name, value in (("a", 0.8), ("b", 0.7))]
    found = [
        record.model_copy(update={"task": record.task.model_copy(update={"plugin": "segmentation"})})
        for record in found
    ]
    known = [Published("Paper", "voc20", "miou", 0.9, "s", table="survey-11")]
    made = table("ovs", gather(found), known)
    scores = [row[-1] for row in made.rows if isinstance(row[-1], Score)]
    assert [score.place for score in scores] == [0, 1, 2]
    assert any("voc20-sclip" in note for note in made.footnotes)


def test_rows_of_one_name_are_told_apart_by_a_fact_that_stays() -> None:
    known = [
        Published(
            "Base", "imagenet1k", "acc1", 0.6, "s", table="survey-9", variant={"image_encoder": encoder, "setup": "x"}
        )
        for encoder in ("RN50", "ViT")
    ]
    made = table("transfer", Entries(), known)
    assert [column.name for column in made.columns if column.repeats] == ["model", "image encoder"]


def test_transfer_is_grouped_by_what_its_best_are_among() -> None:
    made = table("transfer", Entries(), published())
    assert list(made.sections.values()) == ["w/o Transfer", "Few-shot Sup.", "Unsupervised", "Supervised"]
    starts = [*made.sections, len(made.rows)]
    for start, end in pairwise(starts):
        best = [row[3].place for row in made.rows[start:end] if isinstance(row[3], Score) and row[3].place == 1]
        assert len(best) <= 1, "of ImageNet"


def test_metrics_are_those_the_column_names() -> None:
    pets = answered("m", "oxford-pets", 0.9, "acc1")
    assert rows(table("classification", gather([pets]), [])) == {}
    assert rows(table("classification", gather([answered("m", "oxford-pets", 0.9, "mean_per_class_recall")]), [])) == {
        "m": ["90.0"]
    }
