"""What is known of the published numbers: printed rows, cells that are wrong, and sums that must come out."""

from __future__ import annotations

import math
from collections import defaultdict

import pytest
from published_numbers import in_table

from vlmbench.catalogue import task_cards

RETRIEVAL = ("flickr30k", "mscoco-captions")
WAYS = ("image_to_text", "text_to_image")
ROUNDED = 1e-4
"""Four decimals are printed of open_clip's numbers and of their mean."""


def open_clip_s() -> dict[str, dict[tuple[str, str], float]]:
    """By model, the value of each task and metric."""
    values: dict[str, dict[tuple[str, str], float]] = defaultdict(dict)
    for number in in_table("open_clip"):
        values[number.model][number.task, number.metric] = number.value
    return values


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
        ("survey-11", {"model": "ovseg", "version": "v1"}, None),
        ("survey-11", {"model": "ovseg", "version": "v2"}, set()),
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


@pytest.mark.parametrize("model", ["detic", "ov-detr"])
def test_swapped_columns_are_flagged_and_the_novel_one_is_not(model: str) -> None:
    assert {cell.metric: bool(cell.flag) for cell in in_table("survey-10", model=model, task="ov-coco")} == {
        "ap50_base": True,
        "ap50_novel": False,
        "ap50": True,
    }


def test_averages_that_are_not_their_row_s_mean_are_flagged_with_the_mean() -> None:
    """Eleven numbers, each off by 0.05 at most, and the average printed with as much again."""
    found = defaultdict(dict)
    for cell in in_table("survey-9"):
        found[cell.model, cell.variant["image_encoder"], cell.variant["setup"]][cell.task] = cell
    wrong = set()
    for row, cells in found.items():
        average = cells.pop("survey-9-average", None)
        if average is None:
            continue
        mean = 100 * sum(cell.value for cell in cells.values()) / len(cells)
        if len(cells) < 11:
            assert f"of 11 datasets the row prints only {len(cells)}" in average.flag, average
        elif abs(100 * average.value - mean) > 0.1:
            assert f"not the mean of the row's 11 numbers, which is {mean:.1f}" in average.flag, average
            wrong.add(row[0])
        else:
            assert "mean of the row" not in average.flag, average
    assert wrong == {"Baseline", "CoOp", "CoCoOp", "LASP", "VPT", "PLOT", "MaPLE"}


def test_naclip_s_flags_follow_what_the_cards_ask() -> None:
    """A card with PAMR on asks what the repository's numbers answer, and the paper's do not."""
    for card in task_cards():
        if card.name.endswith("-naclip"):
            assert card.protocol["pamr_steps"] == 10
            (with_pamr,) = [cell for cell in in_table("seg", model="NACLIP + PAMR") if cell.task == card.name]
            assert not with_pamr.flag


def test_weights_under_the_wrong_activation_are_flagged() -> None:
    (wrong,) = in_table("open_clip", model="open_clip:ViT-B-32/laion400m_e32", task="imagenet1k")
    (right,) = in_table("open_clip", model="clip-vit-b-32-laion400m-e32", task="imagenet1k")
    assert (wrong.value, bool(wrong.flag)) == (0.6024, True)
    assert (right.value, right.flag) == (0.6293, "")
    of_flag = {number.model for number in in_table("open_clip") if "exact GELU" in number.flag}
    tags = ["ViT-B-32/laion400m_e31", "ViT-B-32/laion400m_e32", "RN50/cc12m", "RN50/yfcc15m", "RN101/yfcc15m"]
    assert of_flag == {f"open_clip:{tag}" for tag in tags}
    assert all("exact GELU" in number.flag for number in in_table("open_clip") if number.model in of_flag)


@pytest.mark.parametrize(
    ("table", "other"), [("open_clip", "clip_benchmark"), ("clip_benchmark", "open_clip")], ids=lambda name: name
)
def test_zoos_that_contradict_each_other_are_flagged_on_both_sides(table: str, other: str) -> None:
    """Above two points; both files are otherwise a check of each other."""
    theirs = {(cell.model, cell.task, cell.metric): cell.value for cell in in_table(other)}
    compared = 0
    for cell in in_table(table):
        value = theirs.get((cell.model, cell.task, cell.metric))
        contradicts = value is not None and abs(cell.value - value) > 0.02
        assert ("for the same weights" in cell.flag) == contradicts, cell
        if value is not None:
            compared += 1
            assert not contradicts or cell.flag == f"{other} has {100 * value:.1f} for the same weights and prompts"
    assert compared == 416
    assert {cell.task for cell in in_table(table) if "same weights" in cell.flag} == {"svhn", "clevr-closest-distance"}


def test_the_averages_of_open_clip_are_those_of_its_numbers() -> None:
    """DataComp's 38 datasets, and the 35 of them that are classified; a slip in any cell shows."""
    assert len(open_clip_s()) == 118
    for model, values in open_clip_s().items():
        recalls = {(task, f"{way}_recall@{k}") for task in RETRIEVAL for way in WAYS for k in (1, 5, 10)}
        averages = {key for key in values if key[0].endswith("-average")}
        single = {key: value for key, value in values.items() if key not in recalls | averages}
        assert len(single) == 38 and len(recalls & set(values)) == 12, model
        classified = [value for (task, _), value in single.items() if task not in (*RETRIEVAL, "winogavil")]
        for mean, of in (("datacomp-38-average", [*single.values()]), ("datacomp-35-average", classified)):
            assert f"datacomp-{len(of)}-average" == mean
            assert math.isclose(sum(of) / len(of), values[mean, "mean"], abs_tol=ROUNDED), (model, mean)


@pytest.mark.parametrize("task", RETRIEVAL)
def test_both_directions_of_retrieval_make_open_clip_s_mean(task: str) -> None:
    for model, values in open_clip_s().items():
        parts = [values[task, f"{way}_recall@1"] for way in WAYS]
        assert math.isclose(sum(parts) / 2, values[task, "mean_recall@1"], abs_tol=ROUNDED), model


def test_more_guesses_are_no_worse() -> None:
    for table in ("open_clip", "clip_benchmark", "clip-paper"):
        found = {(cell.model, cell.task, cell.metric): cell.value for cell in in_table(table)}
        for (model, task, metric), value in found.items():
            for fewer, more in (("acc1", "acc5"), ("recall@1", "recall@5"), ("recall@5", "recall@10")):
                wider = found.get((model, task, f"{metric.removesuffix(fewer)}{more}"))
                assert not metric.endswith(fewer) or wider is None or wider >= value, (table, model, task, metric)


@pytest.mark.parametrize("table", ["det", "survey-10"])
def test_the_ap_of_all_classes_lies_between_those_of_its_groups(table: str) -> None:
    found = defaultdict(dict)
    for cell in in_table(table):
        score, _, group = cell.metric.partition("ap")
        found[cell.model, tuple(cell.variant.values()), cell.task, cell.note, score][group.removeprefix("50")] = cell
    compared = 0
    for row, cells in found.items():
        groups = [cell.value for group, cell in cells.items() if group]
        if "" in cells and len(groups) >= 2:
            compared += 1
            between = min(groups) <= cells[""].value <= max(groups)
            assert between or cells[""].flag, (row, groups)
    assert compared >= 12
