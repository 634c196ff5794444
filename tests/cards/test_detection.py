"""Every shipped detection card: complete, named after its protocol, and its local layouts open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cards.protocols import Reference
from data.coco_files import coco_content, write_coco
from data.voc_files import devkit

from vlmbench.card_files import shipped_root
from vlmbench.cards import SourceSpec, TaskCard
from vlmbench.catalogue import find_tasks, task_cards
from vlmbench.data.base import SourceContext
from vlmbench.data.boxes import BoxDataset
from vlmbench.data.open import open_dataset
from vlmbench.tasks.base import TaskOptions, settle_protocol
from vlmbench.tasks.detection.plugin import PLUGIN
from vlmbench.tasks.detection.protocol import DetectionProtocol

CARDS = {
    card.name: card for card in task_cards() if (shipped_root() / "tasks" / "detection" / f"{card.name}.yaml").is_file()
}


def annotation_files(spec: SourceSpec) -> list[str]:
    named = spec.options["annotations"]
    return list(named) if isinstance(named, list) else [named]


COCO = [
    (name, location, annotations)
    for name, card in sorted(CARDS.items())
    for spec in card.sources
    if spec.kind == "coco"
    for location in (spec.location, *spec.other_locations)
    for annotations in annotation_files(spec)
]
ENDINGS = {
    "ground-truth": ("-gt-regions", "-gt-regions-roi-align"),
    "selective-search": ("-selective-search",),
    "proposals": ("-proposals",),
    "native": ("-native", "-instances"),
}


def how(card: TaskCard) -> DetectionProtocol:
    return settle_protocol(DetectionProtocol, card, TaskOptions())


@pytest.mark.parametrize("card", CARDS.values(), ids=str)
def test_a_card_is_complete_and_its_name_says_its_protocol(card: TaskCard) -> None:
    PLUGIN.check(card, TaskOptions())
    assert card.plugin == "detection" and card.classes
    assert card.title and card.description and card.licence and card.citation and card.source_url and card.notes
    assert card.name.endswith(ENDINGS[how(card).regions])
    if how(card).regions == "native":
        assert card.templates is not None and len(card.templates) == 1
    assert how(card).max_detections == (300 if how(card).evaluator == "lvis" else 100)


def context(card: TaskCard, root: Path) -> SourceContext:
    return SourceContext(data_root=root, class_names=tuple(card.classes or ()), target="boxes", offline=True)


def content_of(card: TaskCard) -> dict[str, Any]:
    names = [*(card.classes or ())]
    if card.name.startswith("ov-coco"):
        names.append("traffic light")
    return coco_content(names, lvis=card.name.startswith("lvis"))


@pytest.mark.parametrize(("name", "location", "annotations"), COCO, ids=[f"{n}-{p}-{a}" for n, p, a in COCO])
def test_each_local_layout_opens(name: str, location: str, annotations: str, tmp_path: Path) -> None:
    card = CARDS[name]
    images = card.sources[0].options["images"]
    # LVIS' images are COCO's, whose folder lies beside its own.
    folder = "../coco/val2017" if name.startswith("lvis") and location == "lvis" else images
    folder = "val2017" if isinstance(folder, list) else folder
    write_coco(tmp_path / location, annotations, folder, content_of(card))
    dataset = open_dataset(card.sources, context(card, tmp_path))
    inside = location == "." and annotations.startswith("lvis/")  # then the folder lvis is the first place
    assert (dataset.info.kind, dataset.info.location) == ("coco", "lvis" if inside else location)
    last = len(card.classes or ()) - 1
    labels = [[box.label for box in sample.target] for sample in dataset.samples]  # type: ignore[union-attr]
    if name.startswith("ov-coco"):
        assert labels == [[0, 0]], "boxes of other classes and images without boxes are left out"
    else:
        assert labels == [[0, last, 0], []]
    (tmp_path / "proposals.json").write_text("[]")
    own = {"proposals": str(tmp_path / "proposals.json")} if name.endswith("-proposals") else {}
    question = PLUGIN.ask(card, {"test": dataset}, TaskOptions(protocol=own))
    assert isinstance(dataset, BoxDataset) and len(question.facts.category_ids) == last + 1


def test_odinw_sets_that_glip_renames(tmp_path: Path) -> None:
    card = CARDS["odinw-north-america-mushrooms-native"]
    location = card.sources[0].location
    write_coco(
        tmp_path / location, "valid/annotations_without_background.json", "valid", coco_content(["CoW", "chanterelle"])
    )
    question = PLUGIN.ask(card, {"test": open_dataset(card.sources, context(card, tmp_path))}, TaskOptions())
    assert question.dataset.classes == ("CoW", "chanterelle")
    assert question.prompts.prompts == ["flat mushroom", "yellow mushroom"]


@pytest.mark.parametrize(
    ("below", "root"), [("VOCdevkit/VOC2007", ""), ("VOC2007", ""), ("VOC2007", "VOC2007"), ("", "")]
)
@pytest.mark.parametrize("name", ["voc2007-detection-gt-regions", "voc2007-detection-native"])
def test_voc_wherever_the_devkit_was_unpacked(name: str, below: str, root: str, tmp_path: Path) -> None:
    devkit(tmp_path / below)
    dataset = open_dataset(CARDS[name].sources, context(CARDS[name], tmp_path / root))
    assert dataset.info.kind == "voc" and [len(sample.target) for sample in dataset.samples] == [2, 1, 0]  # type: ignore[arg-type]


def test_every_source_is_tested() -> None:
    kinds = {(spec.kind, name.split("-")[0]) for name, card in CARDS.items() for spec in card.sources}
    assert kinds == {("coco", "coco"), ("coco", "ov"), ("coco", "lvis"), ("coco", "odinw"), ("voc", "voc2007")}


def test_cocos_classes(reference: Reference) -> None:
    names = reference.lines("classes/coco80.txt")
    for name in (
        "coco-gt-regions",
        "coco-gt-regions-roi-align",
        "coco-proposals",
        "coco-selective-search",
        "coco-native",
    ):
        assert CARDS[name].classes == names and CARDS[name].samples == 5000


def test_the_open_vocabulary_split(reference: Reference) -> None:
    split = {row["category"]: row["split"] for row in reference.rows("protocols/coco_ovd_split_48_17.csv")}
    for name in ("ov-coco-gt-regions", "ov-coco-native"):
        groups = how(CARDS[name]).groups
        assert {entry: group for group, entries in groups.items() for entry in entries} == split
        assert set(CARDS[name].classes or ()) == set(split) and CARDS[name].main_metric == "ap50_novel"
        assert {"ap50_novel", "ap50_base", "ap50"} <= set(CARDS[name].metrics)


def test_lvis_classes(reference: Reference) -> None:
    names = [row["name"].replace("_", " ") for row in reference.rows("protocols/lvis_v1_frequency.csv")]
    for name in ("lvis-gt-regions", "lvis-native"):
        assert CARDS[name].classes == names and how(CARDS[name]).evaluator == "lvis"


def test_odinw_suites(reference: Reference) -> None:
    table = reference.rows("protocols/odinw_datasets.csv")
    for suite, column in (("odinw-13", "in_odinw13"), ("odinw-35", "in_odinw35_all_json")):
        configs = [row["dataset_config"] for row in table if row[column] == "1"]
        cards = find_tasks(suite)
        assert len(cards) == len(configs) == int(suite.removeprefix("odinw-"))
        for card, config in zip(cards, configs, strict=True):
            assert f"{config}.yaml" in card.notes and card.main_metric == "ap"


def test_odinw_classes_are_as_many_as_glip_says(reference: Reference) -> None:
    """But for four sets, whose NUM_CLASSES is no count of their classes."""
    told = {row["dataset_config"]: row["NUM_CLASSES_field(incl_background)"] for row in
            reference.rows("protocols/odinw_datasets.csv") if row["in_odinw35_all_json"] == "1"}  # fmt: skip
    differ = {
        config
        for card, (config, number) in zip(find_tasks("odinw-35"), told.items(), strict=True)
        if len(card.classes or ()) + 1 != int(number)
    }
    assert differ <= {"boggleBoards_416x416AutoOrient_export_", "dice_mediumColor_export", "pistols_export",
                      "selfdrivingCar_fixedLarge_export_"}, differ  # fmt: skip


def test_the_surveys_table_8() -> None:
    assert [card.name for card in find_tasks("survey-detection")] == ["coco-native", "lvis-native"]


def test_coco_on_real_images(real_data: Path) -> None:
    card = CARDS["coco-gt-regions"]
    dataset = open_dataset(card.sources, context(card, real_data))
    boxes = [box for sample in dataset.samples for box in sample.target]  # type: ignore[union-attr]
    assert (len(dataset.samples), len(boxes), sum(box.crowd for box in boxes)) == (79, 624, 5)  # type: ignore[union-attr]
