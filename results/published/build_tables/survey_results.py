"""The survey's tables of results: 6 (classification) to 11 (open-vocabulary segmentation).

A column goes under a task card's name where our suites ask the same question in its place, else under a slug.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from build_tables.flags import AVERAGE
from build_tables.rows import percent, read, slug, variant
from vlmbench.reports.published import Published

Columns = Mapping[str, tuple[str, str]]
"""A printed column to its task and metric."""

CLASSIFICATION: Columns = {
    "ImageNet-1k": ("imagenet1k", "acc1"),
    "CIFAR-10": ("cifar10", "acc1"),
    "CIFAR-100": ("cifar100", "acc1"),
    "Food101": ("food101", "acc1"),
    "SUN397": ("sun397", "acc1"),
    "Cars": ("stanford-cars", "acc1"),
    "Aircraft": ("fgvc-aircraft", "mean_per_class_recall"),
    "DTD": ("dtd", "acc1"),
    "Pets": ("oxford-pets", "mean_per_class_recall"),
    "Caltech101": ("caltech101", "mean_per_class_recall"),
    "Flowers102": ("flowers102", "mean_per_class_recall"),
}
"""Table 6; the metrics are those that Table 2 names for the datasets."""

SEGMENTATION: Columns = {
    "VOC_mIoU": ("voc21-sclip", "miou"),
    "PASCAL_Context_mIoU": ("context60-sclip", "miou"),
    "COCO_mIoU": ("coco-object-sclip", "miou"),
}

DETECTION: Columns = {
    "COCO_AP": ("coco-native", "ap"),
    "LVIS_AP": ("lvis-native", "ap"),
    "LVIS_minival_AP": ("lvis-minival", "ap"),
}

TRANSFER: Columns = {
    "Average": (AVERAGE, "mean"),
    "ImageNet-1k": ("imagenet1k", "acc1"),
    "Caltech101": ("caltech101", "acc1"),
    "Pets": ("oxford-pets", "acc1"),
    "Cars": ("stanford-cars", "acc1"),
    "Flowers102": ("flowers102", "acc1"),
    "Food101": ("food101", "acc1"),
    "Aircraft": ("fgvc-aircraft", "acc1"),
    "SUN397": ("sun397", "acc1"),
    "DTD": ("dtd", "acc1"),
    "EuroSAT": ("eurosat", "acc1"),
    "UCF101": ("ucf101-frames", "acc1"),
}

OPEN_DETECTION: Columns = {
    "COCO_APbase": ("ov-coco", "ap50_base"),
    "COCO_APnovel": ("ov-coco", "ap50_novel"),
    "COCO_AP": ("ov-coco", "ap50"),
    "LVIS_APr": ("ov-lvis", "ap_rare"),
    "LVIS_APc": ("ov-lvis", "ap_common"),
    "LVIS_APf": ("ov-lvis", "ap_frequent"),
    "LVIS_AP": ("ov-lvis", "ap"),
}

OPEN_SEGMENTATION: Columns = {
    "A-847": ("ade20k-847", "miou"),
    "PC-459": ("context459", "miou"),
    "A-150": ("ade20k", "miou"),
    "PC-59": ("context59", "miou"),
    "PAS-20": ("voc20", "miou"),
    "C-19": ("cityscapes", "miou"),
}


def printed(name: str) -> str:
    """Methods that are no pre-trained model keep the paper's name, without the asterisk of a footnote."""
    return name.removesuffix("*")


@dataclass(frozen=True)
class Layout:
    """How one printed table reads.

    Attributes:
        number: of the table.
        file: its transcription.
        columns: those that hold numbers.
        model: a method's name here; pre-training methods have a card each, of their name.
        variant: the columns that tell its rows apart, under the names they ship with.
        note: what is to be known of every cell.
    """

    number: int
    file: str
    columns: Columns
    model: Callable[[str], str]
    variant: Mapping[str, str]
    note: str


BEFORE_TRANSFER = "w/o Transfer"
"""The setup of Table 9's baselines."""
CELL_NOTES = {(9, "CuPL", "food101"): "version 2 prints 93.3"}
"""By table, method and task: what the transcription says of one cell."""

ENCODERS = {name: name for name in ("image_encoder", "text_encoder", "data_size")}
TRANSFERRED = "after transfer with the setup's labels; split and kind of accuracy are each paper's"
BASELINE = "before transfer; split and kind of accuracy are not printed"
LAYOUTS = (
    Layout(
        6,
        "survey_table6_zeroshot_classification.csv",
        CLASSIFICATION,
        slug,
        ENCODERS,
        "each method's best number; model size and data differ from row to row (section 8.1)",
    ),
    Layout(
        7,
        "survey_table7_zeroshot_segmentation.csv",
        SEGMENTATION,
        slug,
        ENCODERS,
        "",
    ),
    Layout(
        8,
        "survey_table8_zeroshot_detection.csv",
        DETECTION,
        slug,
        ENCODERS,
        "each paper's own number; whether LVIS' AP or fixed AP is not printed",
    ),
    Layout(
        9,
        "survey_table9_transfer_results.csv",
        TRANSFER,
        printed,
        {"image_encoder": "image_encoder", "setup": "setup"},
        TRANSFERRED,
    ),
    Layout(
        10,
        "survey_table10_kd_detection.csv",
        OPEN_DETECTION,
        printed,
        {"backbone": "vlm"},
        "trained on the base classes' boxes; whether AP50 or AP, box or mask is not printed",
    ),
    Layout(
        11,
        "survey_table11_kd_segmentation.csv",
        OPEN_SEGMENTATION,
        printed,
        {"backbone": "vlm"},
        "trained with masks; each paper's own number",
    ),
)


def survey_results(reference: Path) -> dict[str, list[Published]]:
    """Tables 6 to 11, by the name of each."""
    return {f"survey-{layout.number}": _numbers(layout, reference / "survey" / layout.file) for layout in LAYOUTS}


def _numbers(layout: Layout, path: Path) -> list[Published]:
    return [
        Published(
            model=layout.model(row["method"]),
            task=task,
            metric=metric,
            value=percent(row[column]),
            source=survey_source(layout.number, row.get("version", "")),
            note=_note(layout, row, task),
            table=f"survey-{layout.number}",
            variant=_variant(layout, row),
        )
        for row in read(path)
        for column, (task, metric) in layout.columns.items()
        if row[column]
    ]


def _note(layout: Layout, row: Mapping[str, str], task: str) -> str:
    of_row = BASELINE if row.get("setup") == BEFORE_TRANSFER else layout.note
    return "; ".join(filter(None, [of_row, CELL_NOTES.get((layout.number, row["method"], task))]))


def _variant(layout: Layout, row: Mapping[str, str]) -> dict[str, str]:
    told_apart = {name: row[column] for name, column in layout.variant.items()}
    version = row.get("version", "") if row.get("version") in ("v1", "v2") else ""
    return variant({**told_apart, "version": version}, *told_apart, "version")


def survey_source(table: int, version: str) -> str:
    """Where a row was read: in both versions of the survey, or in the one that is named."""
    named = {"v1": "v1", "v2": "v2", "v2-only": "v2"}.get(version, "")
    return f"Zhang et al., arXiv:2304.00685{named}, Table {table}"
