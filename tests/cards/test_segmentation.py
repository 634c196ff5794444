"""Every shipped segmentation card: its protocol as published, its classes in order, its layouts on disk."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from cards.protocols import CARDS as CLASSIFICATION
from cards.protocols import Reference
from data.mask_files import picture, png
from said import remarked

from vlmbench.card_files import shipped_root
from vlmbench.cards import SourceSpec, TaskCard
from vlmbench.catalogue import find_suite, find_tasks, task_cards
from vlmbench.data.base import MaskDataset, SourceContext
from vlmbench.data.open import open_dataset
from vlmbench.remarks.base import Remark
from vlmbench.tasks.base import TaskOptions, settle_protocol
from vlmbench.tasks.segmentation.class_words import Vocabulary, vocabulary
from vlmbench.tasks.segmentation.plugin import PLUGIN
from vlmbench.tasks.segmentation.protocol import SegmentationProtocol

CARDS = {
    card.name: card
    for card in task_cards()
    if (shipped_root() / "tasks" / "segmentation" / f"{card.name}.yaml").is_file()
}
CODEBASES = {"sclip": "SCLIP", "clearclip": "ClearCLIP", "naclip": "NACLIP"}
BENCHMARKS = {
    "voc20": "VOC20", "voc21": "VOC21", "context59": "Context59", "context60": "Context60", "ade20k": "ADE20k",
    "coco-object": "COCO-Object", "coco-stuff": "COCO-Stuff164k", "cityscapes": "Cityscapes",
}  # fmt: skip
CLASS_FILES = {
    "voc20": "voc20", "voc21": "voc20", "context59": "pascal_context59", "context60": "pascal_context59",
    "ade20k": "ade20k150", "coco-object": "coco80", "coco-stuff": "coco_stuff171", "cityscapes": "cityscapes19",
}  # fmt: skip
WITH_BACKGROUND = {"voc21", "context60", "coco-object"}
SPLITS = {
    "voc20": 1449, "voc21": 1449, "context59": 5105, "context60": 5105, "ade20k": 2000, "coco-object": 5000,
    "coco-stuff": 5000, "cityscapes": 500,
}  # fmt: skip
SOURCES = [(name, number) for name, card in sorted(CARDS.items()) for number in range(len(card.sources))]


def parts(card: TaskCard) -> tuple[str, str]:
    """Benchmark and codebase: what a card's name says."""
    benchmark, _, codebase = card.name.rpartition("-")
    return benchmark, codebase


def settled(card: TaskCard) -> SegmentationProtocol:
    return settle_protocol(SegmentationProtocol, card, TaskOptions())


@pytest.mark.parametrize("card", CARDS.values(), ids=lambda card: card.name)
def test_a_card_is_complete(card: TaskCard) -> None:
    PLUGIN.check(card, TaskOptions())
    benchmark, codebase = parts(card)
    assert card.plugin == "segmentation" and card.main_metric == "miou" and card.samples == SPLITS[benchmark]
    assert card.title and card.description and card.licence and card.citation and card.source_url
    assert f"{CODEBASES[codebase]}'s protocol" in (card.title or "") and "github" not in card.notes
    assert card.templates == [t.replace("{c}", "{}") for t in CLASSIFICATION["imagenet1k"].templates or ()]


@pytest.mark.parametrize("card", CARDS.values(), ids=lambda card: card.name)
def test_the_protocol_is_the_published_one(card: TaskCard, reference: Reference) -> None:
    benchmark, codebase = parts(card)
    (row,) = [
        row
        for row in reference.rows("protocols/seg_protocols.csv")
        if (row["codebase"], row["benchmark"]) == (CODEBASES[codebase], BENCHMARKS[benchmark])
    ]
    own = settled(card)
    assert f"{own.long_side_limit},{own.short_side}" == row["resize(max,short)"]
    assert (str(own.window), str(own.stride)) == (
        ("None", "None") if "whole image" in row["slide_crop"] else (row["slide_crop"], row["slide_stride"])
    )
    assert own.probability_threshold == float(row["prob_thd"])
    assert own.area_threshold == float(row["area_thd"] or 0)
    assert own.logit_scale == float(row["logit_scale"])
    assert own.pamr_steps == (10 if "PAMR 10 steps on" in row["postproc"] else 0)
    assert (own.background == "class") == ("class 0 has a list" in row["background_handling"])
    assert (own.background == "class") == (benchmark in WITH_BACKGROUND)
    assert len(card.classes or ()) == int(row["n_text_classes(incl_bg)"].split()[0])
    assert own.remainder == ("pad" if codebase == "clearclip" else "crop") and own.readout == "auto"


@pytest.mark.parametrize("card", CARDS.values(), ids=lambda card: card.name)
def test_classes_are_the_datasets_in_order(card: TaskCard, reference: Reference) -> None:
    benchmark, _ = parts(card)
    names = reference.class_names(CLASS_FILES[benchmark])
    own = list(card.classes or ())
    if benchmark in WITH_BACKGROUND:
        assert own.pop(0) == "background"
    assert len(own) == len(names)
    # The reference has some of ADE20K's names by their first word only ("chest", "traffic").
    assert all(ours.startswith(theirs) for ours, theirs in zip(own, names, strict=True))
    assert benchmark == "ade20k" or own == names
    assert len(set(own)) == len(own)


def test_words_are_sclips() -> None:
    class Nothing:
        classes = None
        templates = None

    def words_of(name: str) -> tuple[Vocabulary, list[Remark]]:
        return remarked(lambda: vocabulary(CARDS[name], Nothing(), TaskOptions(), settled(CARDS[name])))  # type: ignore[arg-type]

    found, said = words_of("voc21-sclip")
    assert [len(own) for own in found.words] == [26, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 7, 1, 1, 1, 1, 5]
    assert found.words[4] == ("ship",) and found.words[11] == ("table",) and not said
    objects, said = words_of("coco-object-sclip")
    assert len(objects.words[0]) == 26 and objects.words[1][-1] == "body"
    assert [remark.examples for remark in said] == [("'bed' (background, bed)",)]
    assert settled(CARDS["voc20-sclip"]).synonyms == {
        name: own for name, own in settled(CARDS["voc21-sclip"]).synonyms.items() if name != "background"
    }


def values_of(spec: SourceSpec, classes: int) -> list[tuple[int, int]]:
    """A value of each class in the source's masks, and what it is to become."""
    if "values" in spec.options:
        given = spec.options["values"]
        return [(value[-1] if isinstance(value, list) else value, label) for label, value in enumerate(given)]
    shift = 1 if spec.options.get("reduce_zero_label") else 0
    return [(label + shift, label) for label in range(classes)]


@pytest.mark.parametrize(("name", "number"), SOURCES, ids=[f"{name}-{number}" for name, number in SOURCES])
def test_each_layout_opens_and_reads_every_class(name: str, number: int, tmp_path: Path) -> None:
    card = CARDS[name]
    spec = card.sources[number]
    pairs = values_of(spec, len(card.classes or ()))
    ignored = spec.options.get("ignore", 255)
    unscored = [*([ignored] if isinstance(ignored, int) else ignored)]
    unscored += [0] if spec.options.get("reduce_zero_label") else []
    row = [value for value, _ in pairs] + unscored
    for place, location in enumerate((spec.location, *spec.other_locations)):
        root = tmp_path / str(place)
        write_layout(root / location, spec, "city/one", png(np.array([row])))
        context = SourceContext(data_root=root, class_names=tuple(card.classes or ()), target="mask")
        dataset = open_dataset(card.sources, context)
        assert isinstance(dataset, MaskDataset) and dataset.info.location == location
        assert [sample.id for sample in dataset.samples] == [f"city/one{spec.options.get('image_suffix', '.jpg')}"]
        labels = dataset.labels(dataset.read_mask(0), "one")
        assert labels.tolist() == [[label for _, label in pairs] + [dataset.ignore_label] * len(unscored)]


def write_layout(root: Path, spec: SourceSpec, stem: str, mask: bytes) -> None:
    options: dict[str, Any] = spec.options
    files = {
        f"{options['images']}/{stem}{options.get('image_suffix', '.jpg')}": picture(0),
        f"{options['masks']}/{stem}{options.get('mask_suffix', '.png')}": mask,
        **({options["list"]: f"{stem}\n".encode()} if "list" in options else {}),
    }
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)


def test_coco_in_its_own_values_is_mmsegs_and_groupvits_conversion() -> None:
    """COCO's ids minus one: 80 of the first 91 are objects, 91 to 181 are stuff; 255 is unlabelled."""
    objects, stuff = CARDS["coco-object-sclip"].sources, CARDS["coco-stuff-sclip"].sources
    raw = stuff[1].options["values"]
    assert len(raw) == 171 and raw[:80] == objects[1].options["values"][1:]
    assert sorted(set(range(182)) - set(raw)) == [11, 25, 28, 29, 44, 65, 67, 68, 70, 82, 90]
    assert objects[1].options["values"][0] == [*range(91, 182), 255] and objects[1].options["ignore"] == []
    assert objects[1].options["values"] == objects[2].options["values"] and raw == stuff[2].options["values"]


def test_one_place_has_one_split() -> None:
    """Two benchmarks may read the same files in different ways; two protocols of one read them in the same."""
    for benchmark in BENCHMARKS:
        same = [card for card in CARDS.values() if parts(card)[0] == benchmark]
        assert same and all(card.sources == same[0].sources and card.classes == same[0].classes for card in same)


def test_suites() -> None:
    assert [card.name for card in find_tasks("segmentation")] == sorted(
        (name for name in CARDS if name.endswith("-sclip")), key=SUITE_ORDER.index
    )
    assert {card.name for card in find_tasks("segmentation-clearclip")} == {
        name for name in CARDS if name.endswith("-clearclip")
    }


SUITE_ORDER = [
    f"{name}-sclip"
    for name in ("voc21", "context60", "coco-object", "voc20", "cityscapes", "context59", "ade20k", "coco-stuff")
]


def test_survey_segmentation_is_table_7(reference: Reference) -> None:
    header = list(reference.rows("survey/survey_table7_zeroshot_segmentation.csv")[0])
    suite = find_suite("survey-segmentation")
    assert suite is not None
    columns = {"VOC_mIoU": "voc21", "PASCAL_Context_mIoU": "context60", "COCO_mIoU": "coco-object"}
    assert [columns[name] for name in header if name in columns] == [name.rpartition("-")[0] for name in suite.tasks]


@pytest.mark.parametrize("name", ["voc20-sclip", "voc21-naclip"])
def test_the_real_voc_sample(name: str, real_data: Path) -> None:
    card = CARDS[name]
    context = SourceContext(data_root=real_data, class_names=tuple(card.classes or ()), target="mask")
    dataset, said = remarked(lambda: open_dataset(card.sources, context))
    assert isinstance(dataset, MaskDataset) and dataset.info.location == "voc2012" and len(dataset.samples) == 64
    assert not said
    listed = (real_data / "voc2012/ImageSets/Segmentation/val.txt").read_text().split()
    assert [sample.id for sample in dataset.samples] == [f"{stem}.jpg" for stem in listed]
    shift = 1 if name.startswith("voc20") else 0
    for index in range(5):
        raw = np.asarray(PIL.Image.open(real_data / "voc2012/SegmentationClass" / f"{listed[index]}.png")).astype(int)
        labels, said = remarked(partial(dataset.labels, dataset.read_mask(index), "x"))
        assert not said
        assert set(np.unique(labels)) == {
            dataset.ignore_label if value in (255, shift - 1) else value - shift for value in np.unique(raw)
        }


def test_coco_panoptic_ids_by_a_mapping(real_data: Path) -> None:
    """One's own data without a card: masks of COCO's panoptic ids, 0 unlabelled."""
    import yaml

    named = yaml.safe_load((real_data / "coco-semantic/config.yaml").read_text())["classes"]
    ids = [value for value in named if value != 0]
    spec = SourceSpec(kind="masks", location="coco-semantic", options={"values": ids, "ignore": 0})
    context = SourceContext(data_root=real_data, class_names=tuple(named[value] for value in ids), target="mask")
    dataset = open_dataset([spec], context)
    assert isinstance(dataset, MaskDataset) and len(dataset.samples) == 40
    for index in range(40):
        labels = dataset.labels(dataset.read_mask(index), dataset.samples[index].id)
        raw = np.asarray(PIL.Image.open(real_data / "coco-semantic/masks" / f"{dataset.samples[index].id[:-4]}.png"))
        assert np.array_equal(np.array([0, *ids])[labels + 1], raw)
