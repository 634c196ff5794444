"""Published numbers, cell by cell against the reference tables: none is missing, in another column, or made up."""

from __future__ import annotations

import json

import pytest
from reference_tables import build_script, in_table, needs_reference, rows

SURVEY_TABLES = {
    # Number to file, what tells its rows apart, and its columns.
    6: (
        "survey_table6_zeroshot_classification",
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
        "survey_table7_zeroshot_segmentation",
        {"image_encoder": "image_encoder", "text_encoder": "text_encoder", "data_size": "data_size"},
        {
            "VOC_mIoU": "voc21-sclip miou",
            "PASCAL_Context_mIoU": "context60-sclip miou",
            "COCO_mIoU": "coco-object-sclip miou",
        },
    ),
    8: (
        "survey_table8_zeroshot_detection",
        {"image_encoder": "image_encoder", "text_encoder": "text_encoder", "data_size": "data_size"},
        {"COCO_AP": "coco-native ap", "LVIS_AP": "lvis-native ap", "LVIS_minival_AP": "lvis-minival ap"},
    ),
    9: (
        "survey_table9_transfer_results",
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
        "survey_table10_kd_detection",
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
        "survey_table11_kd_segmentation",
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


@needs_reference
@pytest.mark.parametrize("number", SURVEY_TABLES)
def test_a_survey_table_is_there_cell_by_cell_and_nothing_else(number: int) -> None:
    file, told_apart, columns = SURVEY_TABLES[number]
    expected = {}
    for row in rows(f"survey/{file}.csv"):
        model = row["method"].lower().replace(" ", "-") if number <= 8 else row["method"].rstrip("*")
        variant = {ours: row[theirs] for theirs, ours in told_apart.items() if row[theirs]}
        if row.get("version") in ("v1", "v2"):
            variant["version"] = row["version"]
        for column, place in columns.items():
            if row[column]:
                expected[model, place, json.dumps(variant)] = round(float(row[column]) / 100, 6)
    assert expected == {
        (cell.model, f"{cell.task} {cell.metric}", json.dumps(dict(cell.variant))): cell.value
        for cell in in_table(f"survey-{number}")
    }


@needs_reference
def test_papers_on_segmentation_are_there_cell_by_cell() -> None:
    cells = iter(in_table("seg"))
    for row in rows("published/seg_results.csv"):
        for column in ("VOC21", "Context60", "COCO-Object", "VOC20", "Cityscapes", "Context59", "ADE20k"):
            if row[column]:
                cell = next(cells)
                assert cell.task.startswith(f"{column.lower()}-") and cell.note == row["kind"], cell
                assert (cell.value, cell.metric) == (round(float(row[column]) / 100, 6), "miou"), cell
        if row["COCO-Stuff164k"]:
            assert (cell := next(cells)).task.startswith("coco-stuff-"), cell
            assert cell.value == round(float(row["COCO-Stuff164k"]) / 100, 6), cell
    assert next(cells, None) is None


@needs_reference
def test_papers_on_detection_are_there_cell_by_cell() -> None:
    groups = {
        "COCO": {"novel_or_rare": "_novel", "base_or_common": "_base", "all": ""},
        "LVIS": {"novel_or_rare": "_rare", "base_or_common": "_common", "frequent": "_frequent", "all": ""},
        "ODinW": {"all": ""},
    }
    cells = iter(in_table("det"))
    for row in rows("published/det_results.csv"):
        if row["source"].startswith("survey_table"):
            continue
        family = next(name for name in groups if name in row["dataset"])
        for column in ("novel_or_rare", "base_or_common", "frequent", "all"):
            if row[column]:
                cell = next(cells)
                assert cell.metric.endswith(groups[family][column] or ("ap50" if "AP50" in row["metric"] else "ap"))
                assert cell.value == round(float(row[column].strip("~")) / 100, 6), cell
                assert ("mask" in row["metric"]) == cell.metric.startswith("mask_"), cell
                assert cell.task == "odinw-13" if family == "ODinW" else family.lower() in cell.task, cell
    assert next(cells, None) is None


@needs_reference
def test_the_zoos_are_there_cell_by_cell() -> None:
    build_script()
    from build_tables.open_clip_names import model_name

    ours = {(cell.model, cell.task, cell.metric): cell.value for cell in in_table("open_clip")}
    for row in rows("published/openclip_results.csv"):
        model = model_name(row["name"], row["pretrained"])
        for column, task, metric in (
            ("ImageNet 1k", "imagenet1k", "acc1"),
            ("FGVC Aircraft", "fgvc-aircraft", "mean_per_class_recall"),
            ("SUN397", "sun397-all", "acc1"),
            ("Pascal VOC 2007", "voc2007-objects", "acc1"),
            ("GeoDE", "geode", "acc1_worst_group"),
            ("Average perf. on 38 datasets", "datacomp-38-average", "mean"),
        ):
            assert ours[model, task, metric] == float(row[column]), (model, column)
    for row in rows("published/openclip_retrieval_results.csv"):
        model = model_name(row["name"], row["pretrained"])
        assert ours[model, "flickr30k", "text_to_image_recall@5"] == float(row["Flickr image retr. R@5"])
        assert ours[model, "mscoco-captions", "image_to_text_recall@10"] == float(row["MSCOCO text retr. R@10"])
    theirs = {(cell.model, cell.task, cell.metric): cell.value for cell in in_table("clip_benchmark")}
    for row in rows("published/clip_benchmark_benchmark.csv"):
        if row["dataset"] == "vtab/pets":
            key = (model_name(row["model"], row["pretrained"]), "oxford-pets", "mean_per_class_recall")
            assert theirs[key] == pytest.approx(float(row["mean_per_class_recall"]), abs=1e-6)
