"""Shipped suites: the right cards, and DataComp's protocol where the suite bears its name."""

from __future__ import annotations

import pytest
from cards.protocols import SURVEY, Reference

from vlmbench.cards import TaskCard
from vlmbench.catalogue import find_tasks, suites

SUITES = {suite.name: suite for suite in suites()}
TABLE_6 = {"Cars": "Stanford Cars", "Aircraft": "FGVC Aircraft", "DTD": "Describable Textures", "Food101": "Food-101",
           "Pets": "Oxford-IIIT PETS", "Caltech101": "Caltech-101", "Flowers102": "Oxford 102 Flowers"}  # fmt: skip
NOT_CLASSIFICATION_OF_IMAGES = {"UCF101", "Kinetics700"}
NOT_HERE = ("misc/", "wilds/", "fairness/")
RETRIEVAL = {
    "flickr30k": "flickr_1k_test_image_text_retrieval",
    "mscoco-captions": "mscoco_2014_5k_test_image_text_retrieval",
}
NOT_AVERAGED = {"fairness/fairface", "fairness/utkface"}


@pytest.mark.parametrize("name", sorted(SUITES))
def test_a_suite_resolves_and_names_no_task_twice(name: str) -> None:
    assert [card.name for card in find_tasks(name)] == SUITES[name].tasks
    assert len(set(SUITES[name].tasks)) == len(SUITES[name].tasks)
    assert SUITES[name].title and SUITES[name].description


def test_survey_classification_is_table_6(reference: Reference) -> None:
    header = list(reference.rows("survey/survey_table6_zeroshot_classification.csv")[0])
    columns = header[header.index("ImageNet-1k") : header.index("source")]
    assert [SURVEY[name] for name in SUITES["survey-classification"].tasks] == [TABLE_6.get(c, c) for c in columns]


def test_survey_27_is_table_2(reference: Reference) -> None:
    assert [SURVEY[name] for name in SUITES["survey-27"].tasks] == [
        dataset for dataset in reference.protocols if dataset not in NOT_CLASSIFICATION_OF_IMAGES
    ]


def datacomp(reference: Reference) -> list[tuple[TaskCard, dict[str, str]]]:
    rows = [
        row
        for row in reference.rows("published/openclip_csv_metric_per_dataset.csv")
        if not row["task_key"].startswith(NOT_HERE)
    ]
    return list(zip(find_tasks("datacomp-38"), rows, strict=True))


def test_datacomp_is_its_classification_and_retrieval_tasks_with_its_metrics(reference: Reference) -> None:
    pairs = datacomp(reference)
    retrieval = [(card, row) for card, row in pairs if card.plugin == "retrieval"]
    assert [(card.name, row["task_key"]) for card, row in retrieval] == [
        (name, f"retrieval/{key}") for name, key in RETRIEVAL.items()
    ]
    for card, row in retrieval:
        assert (card.samples, card.main_metric) == (int(row["test_size"]), row["main_metric"])
    classification = pairs[: -len(retrieval)]
    assert len(classification) == 30
    for card, row in classification:
        hub = next(spec.location for spec in card.sources if spec.kind == "hub")
        key = row["task_key"].replace("/", "-")
        assert hub.removeprefix("clip-benchmark/wds_") in (key, f"vtab-{key}")
        assert (card.samples, len(card.classes or ())) == (int(row["test_size"]), int(row["num_classes"])), card.name
        assert card.main_metric == row["main_metric"].split()[0], card.name


def test_datacomp_says_what_is_missing(reference: Reference) -> None:
    description = SUITES["datacomp-38"].description
    for row in reference.rows("published/openclip_csv_metric_per_dataset.csv"):
        if row["task_key"].startswith(NOT_HERE):
            column = row["column_name_in_openclip_results"]
            assert column in description
    missing = 40 - len(NOT_AVERAGED) - len(SUITES["datacomp-38"].tasks)
    assert missing == 6


def test_vtab_has_its_three_groups() -> None:
    tasks = SUITES["vtab"].tasks
    assert len(tasks) == 19
    assert tasks.index("svhn") < tasks.index("eurosat-vtab") < tasks.index("clevr-count-all-vtab")


def test_robustness_compares_with_imagenet_itself() -> None:
    assert SUITES["robustness"].tasks == [
        "imagenet1k", "imagenet-v2", "imagenet-a", "imagenet-r", "imagenet-sketch", "imagenet-o", "objectnet",
    ]  # fmt: skip


def test_ci_is_small_and_a_subset_of_data_that_anybody_can_bring() -> None:
    """What the card says of its time rests on this: 17 images and 190 prompts a second, a ViT-B/32 on two cores."""
    suite, cards = SUITES["ci"], find_tasks("ci")
    assert suite.sample is not None and suite.sample.by == "class"
    images = sum(min(card.samples or 0, suite.sample.size) for card in cards)
    prompts = sum(len(card.classes or []) * len(card.templates or [""]) for card in cards) + 5 * 1000
    assert images / 17 + prompts / 190 < 600
    for card in cards:
        kinds = {source.kind for source in card.sources}
        assert "hub" in kinds and kinds & {"imagefolder", "captions"}


def test_ci_demo_brings_all_its_data() -> None:
    assert {source.kind for card in find_tasks("ci-demo") for source in card.sources} == {"demo"}
    assert SUITES["ci-demo"].sample is None
