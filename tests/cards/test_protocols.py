"""Every shipped classification card says what its publication says: words, counts, metric."""

from __future__ import annotations

from collections import Counter
from importlib.resources import files

import pytest
from cards.protocols import (
    CARDS,
    CLIP_BENCHMARK,
    CLIP_BENCHMARK_TEMPLATES,
    IMAGENET,
    IMAGENET_SUBSETS,
    IN_OPENAI_ORDER,
    METRICS,
    OPENAI_REORDERED,
    OTHER_PROTOCOL,
    OTHER_TEST_IMAGES,
    SAME_NAME,
    SURVEY,
    WITHOUT_PROMPTS,
    Reference,
)
from open_clip.zero_shot_metadata import IMAGENET_CLASSNAMES, OPENAI_IMAGENET_TEMPLATES

from vlmbench.cards import TaskCard, fill_template
from vlmbench.data.labels import check_class_names, normalise


def braces(templates: list[str] | None) -> list[str]:
    """CLIP_benchmark writes {c} where OpenAI writes {}: the prompts are the same."""
    return [fill_template(template, "{}") for template in templates or []]


def test_every_card_is_checked_against_something() -> None:
    assert set(CARDS) == (
        IN_OPENAI_ORDER
        | set(OPENAI_REORDERED)
        | set(CLIP_BENCHMARK)
        | set(CLIP_BENCHMARK_TEMPLATES)
        | IMAGENET
        | set(IMAGENET_SUBSETS)
        | {"voc2007-multilabel", "voc2007-objects", "sun397-all", "objectnet"}
        | WITHOUT_PROMPTS
    )


@pytest.mark.parametrize("name", sorted(CARDS))
def test_a_card_is_complete(name: str) -> None:
    card = CARDS[name]
    assert card.title and card.description and card.samples and card.citation and card.source_url and card.notes
    assert card.licence or "Licence: we found none" in card.notes
    for spec in card.sources:
        if spec.kind == "hub":
            assert spec.split == "test"
            assert spec.revision or "not pinned" in card.notes
    kinds = ["imagefolder", "frames", "torchvision", "filelist", "voc", "wds", "hub"]
    assert [spec.kind for spec in card.sources] == sorted((spec.kind for spec in card.sources), key=kinds.index), (
        "data on disk comes before the hub, what has its own labels before webdatasets"
    )
    if name in WITHOUT_PROMPTS:
        assert card.classes is None and card.templates is None
    else:
        assert card.classes and card.templates


@pytest.mark.parametrize("name", sorted(set(CARDS) - WITHOUT_PROMPTS))
def test_no_class_name_occurs_twice_but_imagenets_known_ones(name: str) -> None:
    repeated = {n for n, count in Counter(map(normalise, CARDS[name].classes or ())).items() if count > 1}
    assert repeated == (SAME_NAME if name in IMAGENET else set())
    assert len(set(CARDS[name].templates or ())) == len(CARDS[name].templates or ())


@pytest.mark.parametrize("name", sorted(SURVEY))
def test_survey_protocol(name: str, reference: Reference) -> None:
    card, row = CARDS[name], reference.protocols[SURVEY[name]]
    assert card.samples == OTHER_TEST_IMAGES.get(name, int(row["survey_test"].replace(",", "")))
    assert card.main_metric == METRICS[row["survey_metric"]]
    assert card.multi_label is (row["survey_metric"] == "11-point mAP")
    if row["survey_metric"] == "Mean (top1, top5)":
        assert "acc5" in card.metrics
    if row["openai_num_classes"]:
        assert len(card.classes or ()) == int(row["openai_num_classes"])
        assert len(card.templates or ()) == int(row["openai_num_templates"])
    elif name not in WITHOUT_PROMPTS:
        assert len(card.classes or ()) == int(row["survey_classes"])
        assert len(card.templates or ()) == int(row["clip_benchmark_num_templates"])
    if name not in WITHOUT_PROMPTS | {"fer2013"}:  # where the survey prints 8 classes
        assert len(card.classes or ()) == int(row["survey_classes"])


@pytest.mark.parametrize("name", sorted(OTHER_PROTOCOL))
def test_other_protocol_of_the_same_dataset(name: str, reference: Reference) -> None:
    card, row = CARDS[name], reference.protocols[OTHER_PROTOCOL[name]]
    assert card.samples == int(row["datacomp_test_size"])
    assert card.main_metric == row["datacomp_main_metric"].split()[0]
    assert not card.multi_label
    assert len(card.templates or ()) == int(row["clip_benchmark_num_templates"])
    (other,) = [other for other, dataset in SURVEY.items() if dataset == OTHER_PROTOCOL[name]]
    assert other in card.notes and name in CARDS[other].notes, "the two cards name each other"


@pytest.mark.parametrize("name", sorted(IN_OPENAI_ORDER))
def test_openai_prompts(name: str, reference: Reference) -> None:
    section = reference.protocols[SURVEY[name]]["openai_prompts_section"]
    assert (CARDS[name].classes, CARDS[name].templates) == reference.openai(section)


@pytest.mark.parametrize("name", sorted(OPENAI_REORDERED))
def test_openai_prompts_in_the_datas_order(name: str, reference: Reference) -> None:
    card, order = CARDS[name], reference.clip_benchmark_classes[OPENAI_REORDERED[name]]
    section = reference.protocols[{**SURVEY, **OTHER_PROTOCOL}[name]]["openai_prompts_section"]
    classes, templates = reference.openai(section)
    assert sorted(card.classes or ()) == sorted(classes)
    assert [normalise(c) for c in card.classes or ()] == [normalise(c) for c in order]
    assert card.templates == templates


@pytest.mark.parametrize("name", ["voc2007-multilabel", "voc2007-objects"])
def test_voc_prompts_are_openais_in_vocs_order(name: str, reference: Reference) -> None:
    classes, templates = reference.openai("PascalVOC2007")
    assert CARDS[name].classes == sorted(classes)  # VOC's own order is the alphabet's
    assert CARDS[name].templates == templates


def test_sun397_of_all_images_differs_from_openais_order_in_one_pair(reference: Reference) -> None:
    card, (classes, templates) = CARDS["sun397-all"], reference.openai("SUN397")
    swapped = [(ours, theirs) for ours, theirs in zip(card.classes or (), classes, strict=True) if ours != theirs]
    assert swapped == [("jail indoor", "jail cell"), ("jail cell", "jail indoor")]
    assert card.templates == templates


@pytest.mark.parametrize("name", sorted(CLIP_BENCHMARK))
def test_clip_benchmark_prompts(name: str, reference: Reference) -> None:
    key = CLIP_BENCHMARK[name]
    assert CARDS[name].classes == reference.clip_benchmark_classes[key]
    assert braces(CARDS[name].templates) == braces(reference.clip_benchmark_templates[key])


@pytest.mark.parametrize("name", sorted(CLIP_BENCHMARK_TEMPLATES))
def test_clip_benchmark_templates(name: str, reference: Reference) -> None:
    assert braces(CARDS[name].templates) == braces(reference.clip_benchmark_templates[CLIP_BENCHMARK_TEMPLATES[name]])


def test_resisc45_of_vtab_has_openais_classes_with_underscores(reference: Reference) -> None:
    ours, theirs = CARDS["resisc45-vtab"].classes or (), reference.openai("RESISC45")[0]
    assert list(ours) == [name.replace(" ", "_") for name in theirs]


@pytest.mark.parametrize(
    ("name", "classes"),
    [("smallnorb-azimuth", 18), ("smallnorb-elevation", 9), ("dsprites-x-position", 32), ("dsprites-orientation", 40)],
)
def test_classes_that_are_mere_indices(name: str, classes: int) -> None:
    assert CARDS[name].classes == [str(index) for index in range(classes)]
    assert "near chance" in CARDS[name].notes


def imagenet_prompts(card: TaskCard) -> list[str]:
    return [fill_template(template, "x") for template in card.templates or ()]


@pytest.mark.parametrize("name", sorted(IMAGENET | set(IMAGENET_SUBSETS) | {"objectnet"}))
def test_imagenet_templates(name: str) -> None:
    assert imagenet_prompts(CARDS[name]) == [template("x") for template in OPENAI_IMAGENET_TEMPLATES]


@pytest.mark.parametrize("name", sorted(IMAGENET))
def test_imagenet_classes(name: str) -> None:
    assert CARDS[name].classes == list(IMAGENET_CLASSNAMES)
    assert "missile" in CARDS[name].notes and "sunglasses" in CARDS[name].notes


@pytest.mark.parametrize("name", sorted(IMAGENET_SUBSETS))
def test_imagenet_subsets_have_the_names_of_their_folders(name: str) -> None:
    full = CARDS["imagenet1k"].sources[0].folders or []
    class_of = dict(zip(full, IMAGENET_CLASSNAMES, strict=True))
    folders = CARDS[name].sources[0].folders or []
    assert len(folders) == IMAGENET_SUBSETS[name]
    assert folders == [wnid for wnid in full if wnid in set(folders)], "in ImageNet's order"
    assert CARDS[name].classes == [class_of[wnid] for wnid in folders]


def test_imagenet_v2_folders_are_numbers_in_numeric_order() -> None:
    for spec in CARDS["imagenet-v2"].sources[:2]:
        assert spec.folders == [str(label) for label in range(1000)]


@pytest.mark.parametrize(("name", "subset"), [("imagenet-a", "imagenet_a"), ("imagenet-r", "imagenet_r")])
def test_imagenet_subsets_are_timms(name: str, subset: str) -> None:
    synsets = files("timm.data").joinpath("_info", f"{subset}_synsets.txt").read_text(encoding="utf-8")
    assert CARDS[name].sources[0].folders == sorted(synsets.split())


@pytest.mark.parametrize(
    ("name", "key"),
    [
        *CLIP_BENCHMARK.items(),
        *OPENAI_REORDERED.items(),
        ("mnist", "mnist"),
        ("flowers102", "flowers"),
        ("gtsrb", "gtsrb"),
        ("country211", "country211"),
        ("kitti-distance", "kitti_closest_vehicle_distance"),
        ("patch-camelyon", "pcam"),
        ("imagenet1k", "imagenet1k"),
        ("imagenet-v2", "imagenet1k"),
        ("imagenet-sketch", "imagenet1k"),
    ],
)
def test_the_hubs_class_names_pass_the_label_check(name: str, key: str, reference: Reference) -> None:
    """The hub's classnames.txt was written from these lists: a permutation here would be one there."""
    for spec in CARDS[name].sources:
        if spec.kind == "hub":
            check_class_names(
                reference.clip_benchmark_classes[key],
                CARDS[name].classes or (),
                place=spec.location,
                card_names_win=spec.options.get("class_names") == "card",
            )


def test_flowers_may_rename_two_classes_but_not_swap_them() -> None:
    """TensorFlow Datasets' names, which the hub has."""
    classes = list(CARDS["flowers102"].classes or ())
    assert (classes[59], classes[92]) == ("pink and yellow dahlia", "air plant")
    hub = [*classes[:59], "pink-yellow dahlia?", *classes[60:92], "ball moss", *classes[93:]]
    (spec,) = [spec for spec in CARDS["flowers102"].sources if spec.kind == "hub"]
    assert spec.options == {"class_names": "card"}
    check_class_names(hub, classes, place="hub", card_names_win=True)
