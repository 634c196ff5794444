"""The survey's tables of results: 6 (classification)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from build_tables.rows import percent, read, slug, variant
from vlmbench.reports.published import Published

CLASSIFICATION = {
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
"""Table 6's columns; the metric of each is Table 2's."""

BEST_OF_EACH = "each method's best number; model size and data differ from row to row (section 8.1)"
CLIP_IS_336 = "printed as ViT-L/14, but ViT-L/14-336px's number (CLIP paper, Table 11: ImageNet 76.2 and 75.3)"


def survey_source(table: int, row: Mapping[str, str]) -> str:
    """Where a row was read: tables of version 1 stand in version 2 too, unless their rows changed."""
    version = {"v2-only": "v2", "v1": "v1", "v2": "v2"}.get(row.get("version", ""), "")
    return f"Zhang et al., arXiv:2304.00685{version}, Table {table}"


def classification(reference: Path) -> list[Published]:
    """Table 6: zero-shot image classification."""
    return [
        Published(
            model=slug(row["method"]),
            task=task,
            metric=metric,
            value=percent(row[column]),
            source=survey_source(6, row),
            note=BEST_OF_EACH,
            flag=CLIP_IS_336 if row["method"] == "CLIP" else "",
            table="survey-6",
            variant=variant(row, "image_encoder", "text_encoder", "data_size"),
        )
        for row in read(reference / "survey" / "survey_table6_zeroshot_classification.csv")
        for column, (task, metric) in CLASSIFICATION.items()
        if row[column]
    ]
