"""Published numbers: the files that ship, their reader, and what is flagged in them."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from reference_tables import NUMBERS, REFERENCE, REPOSITORY, build_script, in_table, needs_reference, rows

from vlmbench.catalogue import model_card_files, suite_files, task_card_files, task_cards
from vlmbench.errors import DataError
from vlmbench.reports.cells import Score
from vlmbench.reports.entries import Entries
from vlmbench.reports.published import COLUMNS, Published, published, survey_datasets, survey_methods
from vlmbench.reports.registry import TableRequest, make_table
from vlmbench.reports.table_view import TableView

HEAD = ",".join(COLUMNS) + "\n"


def printed(table: str, **wanted: str) -> dict[str, str]:
    """One row of a survey table, as it was printed: task to percent."""
    return {number.task: f"{100 * number.value:.1f}" for number in in_table(table, **wanted)}


def test_survey_table_6_says_what_the_survey_prints() -> None:
    assert printed("survey-6", model="clip") == {
        "imagenet1k": "76.2",
        "cifar10": "95.7",
        "cifar100": "77.5",
        "food101": "93.8",
        "sun397": "68.4",
        "stanford-cars": "78.8",
        "fgvc-aircraft": "37.2",
        "dtd": "55.7",
        "oxford-pets": "93.5",
        "caltech101": "92.8",
        "flowers102": "78.3",
    }
    assert printed("survey-6", model="chinese-clip") == {
        "cifar10": "96.0",
        "cifar100": "79.7",
        "fgvc-aircraft": "26.2",
        "dtd": "51.2",
    }
    (align,) = in_table("survey-6", model="align")
    assert align.variant == {"image_encoder": "EfficientNet", "text_encoder": "BERT", "data_size": "1.8B"}
    assert not in_table("survey-6", model="otter"), "a row of dashes has no numbers"


@needs_reference
def test_the_shipped_files_are_what_the_script_makes_of_the_reference_tables() -> None:
    folder = REPOSITORY / "results" / "published"
    made = build_script().files(REFERENCE)
    assert set(made) == {path.name for path in folder.glob("*.csv")}
    for name, text in made.items():
        assert (folder / name).read_text(encoding="utf-8") == text, f"{name}: run results/published/build.py"


@needs_reference
def test_every_discrepancy_found_is_flagged_or_accounted_for() -> None:
    build_script()
    from build_tables.flags import NO_CELL, RULES
    from build_tables.survey_facts import DATASET_FLAGS

    flags = {row["dataset"]: row["flag"] for row in survey_datasets() if row["table"] == "2"}
    for discrepancy in rows("survey/survey_discrepancies.csv"):
        what = discrepancy["what"]
        rules = [rule for rule in RULES if rule.found and what.startswith(rule.found)]
        if discrepancy["where"].startswith("Table 2"):
            named = [name for name in DATASET_FLAGS if what.startswith(NAMES_IN_DISCREPANCIES.get(name, name))]
            assert named and all(flags[name] for name in named), what
        elif not rules:
            assert any(what.startswith(beginning) for beginning in NO_CELL), what
        for rule in rules:
            meant = [number for number in NUMBERS if rule.means(number)]
            assert meant, f"the rule for {rule.found!r} means no cell"
            assert all(rule.flag in number.flag for number in meant), what


NAMES_IN_DISCREPANCIES = {"PASCAL Content": "PASCAL Context", "Facial Emotion": "Facial Emotion 2013"}


@pytest.mark.parametrize(
    ("table", "wanted", "tasks"),
    [
        ("survey-6", {"model": "clip"}, None),
        ("survey-9", {"model": "Baseline", "image_encoder": "ViT-B/16"}, None),
        ("survey-9", {"model": "Baseline", "image_encoder": "ViT-L/14"}, None),
        ("survey-9", {"model": "CALIP"}, {"oxford-pets", "stanford-cars", "food101", "sun397"}),
        ("survey-9", {"model": "TPT"}, {"imagenet1k"}),
        ("survey-9", {"model": "CAVPT"}, None),
        ("survey-9", {"model": "Baseline", "image_encoder": "ResNet-50"}, set()),
        ("survey-10", {"model": "Baseline"}, {"ov-lvis"}),
        ("survey-11", {"model": "OVSeg", "version": "v1"}, None),
        ("survey-11", {"model": "OVSeg", "version": "v2"}, set()),
        ("survey-6", {"model": "florence"}, set()),
        ("survey-6", {"model": "pyramidclip"}, {"imagenet1k"}),
        ("survey-6", {"model": "unicl"}, {"imagenet1k"}),
        ("survey-8", {"model": "glip"}, {"lvis-native"}),
        ("survey-8", {"model": "regionclip"}, None),
        ("survey-8", {"model": "detclip"}, {"lvis-native"}),
        ("survey-8", {"model": "fiber"}, set()),
        ("survey-7", {}, None),
        ("survey-9", {"model": "ProTeCt"}, {"survey-9-average"}),
        ("survey-9", {"model": "KgCoOp"}, set()),
        ("det", {"model": "Supervised-RFS (base+novel)"}, None),
        ("det", {"model": "Supervised (base only)"}, set()),
        ("seg", {"model": "NACLIP", "backbone": "ViT-B/16"}, {"voc21-naclip"}),
        (
            "seg",
            {"model": "NACLIP + PAMR"},
            {f"{n}-naclip" for n in ("context60", "coco-object", "cityscapes", "context59", "ade20k", "coco-stuff")},
        ),
    ],
)
def test_known_wrong_cells_are_flagged_and_their_neighbours_are_not(
    table: str, wanted: dict[str, str], tasks: set[str] | None
) -> None:
    cells = in_table(table, **wanted)
    assert cells
    flagged = {cell.task for cell in cells if cell.flag}
    assert flagged == (tasks if tasks is not None else {cell.task for cell in cells})


@pytest.mark.parametrize("model", ["Detic", "OV-DETR"])
def test_swapped_columns_are_flagged_and_the_novel_one_is_not(model: str) -> None:
    assert {cell.metric: bool(cell.flag) for cell in in_table("survey-10", model=model, task="ov-coco")} == {
        "ap50_base": True,
        "ap50_novel": False,
        "ap50": True,
    }


def test_averages_that_are_not_their_row_s_mean_are_flagged_with_the_mean() -> None:
    flags = {
        (cell.model, cell.variant["image_encoder"]): cell.flag
        for cell in in_table("survey-9")
        if cell.task == "survey-9-average" and "mean of the row" in cell.flag
    }
    assert {model for model, _ in flags} == {"Baseline", "CoOp", "CoCoOp", "LASP", "VPT", "PLOT", "MaPLE"}
    assert flags["CoOp", "ViT-B/16"].endswith("not the mean of the row's 11 numbers, which is 70.8")
    assert ("Baseline", "ResNet-50") not in flags


def test_naclip_s_flags_follow_what_the_cards_ask() -> None:
    """A card with PAMR on asks what the repository's numbers answer, and the paper's do not."""
    for card in task_cards():
        if card.name.endswith("-naclip"):
            assert card.protocol["pamr_steps"] == 10
            (with_pamr,) = [cell for cell in in_table("seg", model="NACLIP + PAMR") if cell.task == card.name]
            assert not with_pamr.flag


@pytest.mark.parametrize("table", ["classification", "segmentation", "detection", "transfer", "ovd", "ovs"])
def test_a_flagged_number_is_never_best_and_changes_no_other_s_place(
    table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it says: flagged numbers that beat all others leave every mark where it was."""

    def marks(numbers: list[Published]) -> list[list[int]]:
        monkeypatch.setattr("vlmbench.reports.published.published", lambda: numbers)
        made = make_table(table, TableRequest("", Entries(), TableView(published="all")))
        scores = [[cell for cell in row if isinstance(cell, Score)] for row in made.rows]
        assert not any(cell.place for row in scores for cell in row if not cell.comparable)
        return [[cell.place for cell in row] for row in scores]

    extreme = [replace(number, value=1.0) if number.flag else number for number in NUMBERS]
    assert any(number.flag for number in NUMBERS)
    found = marks(NUMBERS)
    assert any(place for row in found for place in row)
    assert marks(extreme) == found


def test_weights_under_the_wrong_activation_are_flagged() -> None:
    (wrong,) = in_table("open_clip", model="open_clip:ViT-B-32/laion400m_e32", task="imagenet1k")
    (right,) = in_table("open_clip", model="clip-vit-b-32-laion400m-e32", task="imagenet1k")
    assert (wrong.value, bool(wrong.flag)) == (0.6024, True)
    assert (right.value, right.flag) == (0.6293, "")


def test_zoos_that_contradict_each_other_are_flagged_on_both_sides() -> None:
    for table, other in (("open_clip", "clip_benchmark"), ("clip_benchmark", "open_clip")):
        svhn = next(
            cell for cell in in_table(table, model="clip-vit-b-32-openai", task="svhn") if cell.metric == "acc1"
        )
        assert svhn.flag.startswith(f"{other} has "), svhn
    shared = {(cell.model, cell.task, cell.metric): cell for cell in in_table("open_clip")}
    compared = 0
    for cell in in_table("clip_benchmark"):
        if other_cell := shared.get((cell.model, cell.task, cell.metric)):
            compared += 1
            assert cell.flag or other_cell.flag or abs(cell.value - other_cell.value) <= 0.02, (cell, other_cell)
    assert compared > 300


def test_both_directions_of_retrieval_make_open_clip_s_mean() -> None:
    recalls = {
        cell.metric: cell.value for cell in in_table("open_clip", model="clip-vit-b-32-openai", task="flickr30k")
    }
    parts = recalls["image_to_text_recall@1"] + recalls["text_to_image_recall@1"]
    assert math.isclose(parts / 2, recalls["mean_recall@1"], abs_tol=1e-4)


def test_names_are_cards_or_said_not_to_be() -> None:
    tasks, models = set(task_card_files()), set(model_card_files())
    metrics = {card.name: set(card.metrics) for card in task_cards()}
    for number in NUMBERS:
        assert number.source and 0 <= number.value <= 1
        if number.table in ("open_clip", "clip_benchmark"):
            assert number.model in models or number.model.startswith("open_clip:"), number.model
        if number.table in ("survey-6", "survey-7", "survey-8", "clip-paper"):
            assert number.model in models, number.model
        if number.task in tasks and number.table not in ("survey-9", "clip-paper"):
            assert number.metric in metrics[number.task], number
    assert "odinw-13" in suite_files()


def test_no_number_is_there_twice() -> None:
    keys = Counter((n.table, n.model, n.task, n.metric, json.dumps(n.variant, sort_keys=True)) for n in NUMBERS)
    assert [key for key, count in keys.items() if count > 1] == []


def test_methods_and_datasets_of_the_survey() -> None:
    assert Counter(row["table"] for row in survey_methods()) == {"3": 35, "4": 37, "5": 33}
    assert Counter(row["table"] for row in survey_datasets()) == {"1": 16, "2": 40}
    cards = set(task_card_files())
    assert {row["card"] for row in survey_datasets() if row["card"]} <= cards
    without = [row["dataset"] for row in survey_datasets() if row["table"] == "2" and not row["card"]]
    assert without == ["COCO 2014 Detection", "ODinW"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD + "m,t,acc1,50,s,,,x,\n", "line 2: value 50 is not a fraction"),
        (HEAD + "m,t,acc1,nan,s,,,x,\n", "line 2: value nan is not a fraction"),
        (HEAD + "m,t,acc1,half,s,,,x,\n", "line 2: could not convert"),
        (HEAD + "m,t,acc1,0.5,s,,,x,[1]\n", "line 2: variant '[1]' is not a JSON object"),
        (HEAD + "m,t,acc1,0.5\n", "line 2: not one field a column"),
        (HEAD + "m,t,acc1,0.5,s,,,x,,more\n", "line 2: not one field a column"),
        ("a,b\n1,2\n", "its columns are a, b"),
    ],
)
def test_a_broken_file_is_named_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "own.csv"
    path.write_text(text)
    with pytest.raises(DataError) as raised:
        published(tmp_path)
    assert str(path) in raised.value.message and said in raised.value.message


def test_numbers_of_one_s_own_are_read_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text(HEAD + 'a|b,"<t>",acc1,0.5,here,n,f,x,"{""backbone"": ""R&D""}"\n')
    assert published(tmp_path) == [Published("a|b", "<t>", "acc1", 0.5, "here", "n", "f", "x", {"backbone": "R&D"})]
    with pytest.raises(DataError, match="no folder of published numbers"):
        published(tmp_path / "missing")
