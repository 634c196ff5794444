"""Results that open_clip and CLIP_benchmark publish for their pretrained models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from build_tables.open_clip_names import model_name, wrong_activation
from build_tables.rows import read
from vlmbench.reports.published import Published

OPEN_CLIP = "open_clip docs/{file} @89fb801"
CLIP_BENCHMARK = "CLIP_benchmark benchmark/benchmark.csv @48de38c"
DESCRIPTION = ("name", "pretrained", "params (M)", "FLOPs (B)")

TASKS = {
    # CLIP_benchmark's and DataComp's names, without the collection before the slash.
    "caltech101": "caltech101",
    "cars": "stanford-cars",
    "cifar10": "cifar10",
    "cifar100": "cifar100",
    "clevr_closest_object_distance": "clevr-closest-distance",
    "clevr_count_all": "clevr-count-all-vtab",
    "country211": "country211",
    "diabetic_retinopathy": "diabetic-retinopathy",
    "dmlab": "dmlab",
    "dsprites_label_orientation": "dsprites-orientation",
    "dsprites_label_x_position": "dsprites-x-position",
    "dtd": "dtd",
    "eurosat": "eurosat-vtab",
    "fer2013": "fer2013",
    "fgvc_aircraft": "fgvc-aircraft",
    "flickr30k": "flickr30k",
    "flickr8k": "flickr8k",
    "flickr_1k_test_image_text_retrieval": "flickr30k",
    "flowers": "flowers102",
    "food101": "food101",
    "gtsrb": "gtsrb",
    "imagenet-a": "imagenet-a",
    "imagenet-o": "imagenet-o",
    "imagenet-r": "imagenet-r",
    "imagenet1k": "imagenet1k",
    "imagenet_sketch": "imagenet-sketch",
    "imagenetv2": "imagenet-v2",
    "kitti_closest_vehicle_distance": "kitti-distance",
    "mnist": "mnist",
    "mscoco_2014_5k_test_image_text_retrieval": "mscoco-captions",
    "mscoco_captions": "mscoco-captions",
    "objectnet": "objectnet",
    "pcam": "patch-camelyon-clip-benchmark",
    "pets": "oxford-pets",
    "renderedsst2": "rendered-sst2",
    "resisc45": "resisc45-vtab",
    "smallnorb_label_azimuth": "smallnorb-azimuth",
    "smallnorb_label_elevation": "smallnorb-elevation",
    "stl10": "stl10",
    "sun397": "sun397-all",
    "svhn": "svhn",
    "voc2007": "voc2007-objects",
    "voc2007_multilabel": "voc2007-multilabel",
    # Of DataComp's suite, without a card of ours.
    "camelyon17": "camelyon17",
    "dollar_street": "dollar-street",
    "fmow": "fmow",
    "geode": "geode",
    "iwildcam": "iwildcam",
    "winogavil": "winogavil",
}

METRICS = {
    "jaccard_score_10-12": "jaccard_10_12",
    "F1-macro_all": "f1_macro",
    "acc_worst_region": "acc1_worst_region",
    "acc_top5_wg": "acc5_worst_group",
    "acc_wg": "acc1_worst_group",
    "image_retrieval_recall@5": "text_to_image_recall@5",
    "text_retrieval_recall@5": "image_to_text_recall@5",
    "mean_average_precision": "mean_average_precision",
}
"""Their names of metrics to ours; the rest are called the same."""

RETRIEVAL = {
    f"{theirs} {direction} retr. R@{k}": (task, f"{ours}_recall@{k}")
    for theirs, task in (("Flickr", "flickr30k"), ("MSCOCO", "mscoco-captions"))
    for direction, ours in (("image", "text_to_image"), ("text", "image_to_text"))
    for k in (1, 5, 10)
}
"""Columns of open_clip's retrieval table; its WinoGAViL score is in the main one."""

NOTES = {"cifar100": "class names with underscores in the prompts (aquarium_fish)"}
WRONG_ACTIVATION = "run with the exact GELU, while the weights were trained with QuickGELU"
DISAGREE_BY = 0.02
"""Above this, open_clip and CLIP_benchmark contradict each other about the same weights: on SVHN
and CLEVR's distances."""


def open_clip(reference: Path) -> list[Published]:
    """open_clip's tables: 38 datasets, the averages over them, and retrieval in both directions."""
    folder = reference / "published"
    columns = {
        row["column_name_in_openclip_results"]: (_task(row["task_key"]), _metric(row["main_metric"]))
        for row in read(folder / "openclip_csv_metric_per_dataset.csv")
    }
    averages = {f"Average perf. on {n} datasets": (f"datacomp-{n}-average", "mean") for n in (38, 35)}
    files = {
        "openclip_results.csv": {**columns, **averages},
        "openclip_classification_results.csv": averages,  # its other columns repeat the first file's
        "openclip_retrieval_results.csv": RETRIEVAL,
    }
    numbers = [
        _open_clip_number(row, column, *wanted[column], file)
        for file, wanted in files.items()
        for row in _distinct(read(folder / file))
        for column in row
        if column in wanted
    ]
    return sorted(numbers, key=lambda number: number.model)


def _distinct(rows: Iterable[Mapping[str, str]]) -> list[Mapping[str, str]]:
    """Rows without those that repeat a model under its other architecture name (RN50 and RN50-quickgelu)."""
    seen: dict[tuple[str, ...], Mapping[str, str]] = {}
    for row in rows:
        numbers = tuple(value for column, value in row.items() if column not in DESCRIPTION)
        seen.setdefault((row["pretrained"], *numbers), row)
    return list(seen.values())


def _open_clip_number(row: Mapping[str, str], column: str, task: str, metric: str, file: str) -> Published:
    return Published(
        model=model_name(row["name"], row["pretrained"]),
        task=task,
        metric=metric,
        value=float(row[column]),
        source=OPEN_CLIP.format(file=file),
        note=NOTES.get(task, ""),
        flag=WRONG_ACTIVATION if wrong_activation(row["name"], row["pretrained"]) else "",
        table="open_clip",
    )


def clip_benchmark(reference: Path) -> list[Published]:
    """CLIP_benchmark's own results, every metric."""
    measures = ("acc1", "acc5", "mean_per_class_recall", "mean_average_precision")
    recalls = ("image_retrieval_recall@5", "text_retrieval_recall@5")
    rows = read(reference / "published" / "clip_benchmark_benchmark.csv")
    numbers = [
        Published(
            model=model_name(row["model"], row["pretrained"]),
            task=_task(row["dataset"]),
            metric=_metric(measure),
            value=round(float(row[measure]), 6),
            source=CLIP_BENCHMARK,
            note=NOTES.get(_task(row["dataset"]), ""),
            table="clip_benchmark",
        )
        for row in rows
        for measure in (*measures, *recalls)
        if row[measure]
    ]
    return sorted(numbers, key=lambda number: (number.model, number.task))


def disagreements_flagged(numbers: Sequence[Published], others: Sequence[Published]) -> list[Published]:
    """The numbers, flagged where other ones of the same model, task and metric are far off."""
    known = {(other.model, other.task, other.metric): other for other in others}
    return [_compared(number, known.get((number.model, number.task, number.metric))) for number in numbers]


def _compared(number: Published, other: Published | None) -> Published:
    if other is None or abs(number.value - other.value) <= DISAGREE_BY:
        return number
    return replace(number, flag=f"{other.table} has {100 * other.value:.1f} for the same weights and prompts")


def _task(key: str) -> str:
    """CLIP_benchmark's and DataComp's keys begin with a collection in some places ("vtab/", "fairness/")."""
    return TASKS.get(key.rpartition("/")[2], key.rpartition("/")[2])


def _metric(name: str) -> str:
    plain = name.partition(" ")[0]  # "acc1 (default when main_metric absent; inferred)"
    return METRICS.get(plain, plain)
