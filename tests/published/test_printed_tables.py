"""The survey's tables of results, cell by cell against its print: none is missing, in another column, or made up."""

from __future__ import annotations

import json
import re

import pytest
from published_numbers import SURVEY_TABLES, in_table, printed_table

VERSIONS = {"v1=v2": "", "v1": "v1", "v2": "v2", "v2-only": "v2"}
"""What a printed row's version column says, to the version of the paper that its source names."""
LAYOUTS: dict[int, tuple[dict[str, str], dict[str, str]]] = {
    # A table's number to the columns that tell its rows apart, and those that hold numbers.
    6: (
        {"image_encoder": "image_encoder", "text_encoder": "text_encoder", "data_size": "data_size"},
        {
            "ImageNet-1k": "imagenet1k acc1",
            "CIFAR-10": "cifar10 acc1",
            "CIFAR-100": "cifar100 acc1",
            "Food101": "food101 acc1",
            "SUN397": "sun397 acc1",
            "Cars": "stanford-cars acc1",
            "Aircraft": "fgvc-aircraft mean_per_class_recall",
            "DTD": "dtd acc1",
            "Pets": "oxford-pets mean_per_class_recall",
            "Caltech101": "caltech101 mean_per_class_recall",
            "Flowers102": "flowers102 mean_per_class_recall",
        },
    ),
    7: (
        {"image_encoder": "image_encoder", "text_encoder": "text_encoder", "data_size": "data_size"},
        {
            "VOC_mIoU": "voc21-sclip miou",
            "PASCAL_Context_mIoU": "context60-sclip miou",
            "COCO_mIoU": "coco-object-sclip miou",
        },
    ),
    8: (
        {"image_encoder": "image_encoder", "text_encoder": "text_encoder", "data_size": "data_size"},
        {"COCO_AP": "coco-native ap", "LVIS_AP": "lvis-native ap", "LVIS_minival_AP": "lvis-minival ap"},
    ),
    9: (
        {"image_encoder": "image_encoder", "setup": "setup"},
        {
            "Average": "survey-9-average mean",
            "ImageNet-1k": "imagenet1k acc1",
            "Caltech101": "caltech101 acc1",
            "Pets": "oxford-pets acc1",
            "Cars": "stanford-cars acc1",
            "Flowers102": "flowers102 acc1",
            "Food101": "food101 acc1",
            "Aircraft": "fgvc-aircraft acc1",
            "SUN397": "sun397 acc1",
            "DTD": "dtd acc1",
            "EuroSAT": "eurosat acc1",
            "UCF101": "ucf101-frames acc1",
        },
    ),
    10: (
        {"vlm": "backbone"},
        {
            "COCO_APbase": "ov-coco ap50_base",
            "COCO_APnovel": "ov-coco ap50_novel",
            "COCO_AP": "ov-coco ap50",
            "LVIS_APr": "ov-lvis ap_rare",
            "LVIS_APc": "ov-lvis ap_common",
            "LVIS_APf": "ov-lvis ap_frequent",
            "LVIS_AP": "ov-lvis ap",
        },
    ),
    11: (
        {"vlm": "backbone"},
        {
            "A-847": "ade20k-847 miou",
            "PC-459": "context459 miou",
            "A-150": "ade20k miou",
            "PC-59": "context59 miou",
            "PAS-20": "voc20 miou",
            "C-19": "cityscapes miou",
        },
    ),
}


@pytest.mark.parametrize("number", SURVEY_TABLES)
def test_a_survey_table_is_there_cell_by_cell_and_nothing_else(number: int) -> None:
    told_apart, columns = LAYOUTS[number]
    expected = {}
    for row in printed_table(number):
        model = row["method"].rstrip("*")
        if number != 9 and model != "Baseline":  # the methods of the other tables have cards
            model = model.lower().replace(" ", "-")
        variant = {ours: row[theirs] for theirs, ours in told_apart.items() if row[theirs]}
        version = row.get("version", "v1=v2")
        if version in ("v1", "v2"):
            variant["version"] = version
        source = f"Zhang et al., arXiv:2304.00685{VERSIONS[version]}, Table {number}"
        for column, place in columns.items():
            if row[column]:
                key = (model, place, json.dumps(variant))
                assert key not in expected
                expected[key] = (round(float(row[column]) / 100, 6), source)
    assert expected == {
        (cell.model, f"{cell.task} {cell.metric}", json.dumps(dict(cell.variant))): (cell.value, cell.source)
        for cell in in_table(f"survey-{number}")
    }


@pytest.mark.parametrize("number", SURVEY_TABLES)
def test_a_printed_table_has_no_column_that_is_not_read(number: int) -> None:
    told_apart, columns = LAYOUTS[number]
    version = [] if number in (7, 8) else ["version"]
    assert list(printed_table(number)[0]) == ["method", *version, *told_apart, *columns]
    for row in printed_table(number):
        assert all(re.fullmatch(r"(\d{1,2}\.\d{1,2})?", row[column]) for column in columns), row
