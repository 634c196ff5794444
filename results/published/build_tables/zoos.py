"""Results that open_clip and CLIP_benchmark publish for their pretrained models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from build_tables.open_clip_names import model_name, wrong_activation
from build_tables.rows import read
from vlmbench.interchange.names import OPEN_CLIP_COLUMNS, OPEN_CLIP_RETRIEVAL, metric_name, task_name
from vlmbench.reports.published import Published

OPEN_CLIP = "open_clip docs/{file} @89fb801"
CLIP_BENCHMARK = "CLIP_benchmark benchmark/benchmark.csv @48de38c"
DESCRIPTION = ("name", "pretrained", "params (M)", "FLOPs (B)")

NOTES = {"cifar100": "class names with underscores in the prompts (aquarium_fish)"}
WRONG_ACTIVATION = "run with the exact GELU, while the weights were trained with QuickGELU"
DISAGREE_BY = 0.02
"""Above this, open_clip and CLIP_benchmark contradict each other about the same weights: on SVHN
and CLEVR's distances."""


def open_clip(reference: Path) -> list[Published]:
    """open_clip's tables: 38 datasets, the averages over them, and retrieval in both directions."""
    folder = reference / "published"
    averages = {f"Average perf. on {n} datasets": (f"datacomp-{n}-average", "mean") for n in (38, 35)}
    files = {
        "openclip_results.csv": {**OPEN_CLIP_COLUMNS, **averages},
        "openclip_classification_results.csv": averages,  # its other columns repeat the first file's
        "openclip_retrieval_results.csv": OPEN_CLIP_RETRIEVAL,
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
            task=task_name(row["dataset"]),
            metric=metric_name(measure),
            value=round(float(row[measure]), 6),
            source=CLIP_BENCHMARK,
            note=NOTES.get(task_name(row["dataset"]), ""),
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
