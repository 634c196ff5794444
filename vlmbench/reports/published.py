"""Reads published numbers: the numbers of papers and model zoos, each with its source.

Tidy CSV files in ``results/published/`` hold them, one file a table; the README there says how to add or correct one.
If a number is known to be wrong, or answers another question than its column says, it is kept as printed, with a flag.
Tables, the leaderboard and data frames show the numbers.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from vlmbench.card_files import shipped_root
from vlmbench.errors import DataError

COLUMNS = ("model", "task", "metric", "value", "source", "note", "flag", "table", "variant")
"""The columns of every CSV file of numbers, in this order. ``variant`` is a JSON object."""
METHODS_FILE = "survey_methods.csv"
REASONS_FILE = "survey_methods_reasons.csv"
DATASETS_FILE = "survey_datasets.csv"
FEWSHOT_FILE = "fewshot.csv"
_APART = (METHODS_FILE, REASONS_FILE, DATASETS_FILE, FEWSHOT_FILE)
"""Files that :func:`published` does not read."""


@dataclass(frozen=True)
class Published:
    """One published number.

    Attributes:
        model: a model card's name if there is one, ``open_clip:ARCH/TAG`` for other models of that zoo, else the
            paper's name ("CoOp").
        task: a task card's name if the number answers that card's question, else a slug ("ov-coco").
        metric: the metric's name in vlmbench, else a slug.
        value: a fraction in [0, 1].
        source: a short citation of where it was read.
        note: what a reader must know.
        flag: why it must not be used as it is (known to be wrong, another protocol); "" if it may be.
        table: the published table: "survey-6" to "survey-11", "open_clip", "clip_benchmark", "clip-paper", "seg",
            "det", "fewshot".
        variant: what distinguishes rows of one model: image_encoder, text_encoder, data_size, setup, backbone, version;
            of few-shot numbers: backbone, setting, shots, seeds, std, runs_as.
    """

    model: str
    task: str
    metric: str
    value: float
    source: str
    note: str = ""
    flag: str = ""
    table: str = ""
    variant: Mapping[str, str] = field(default_factory=dict)


def published_folder() -> Path:
    """The folder of the shipped numbers."""
    return shipped_root() / "results" / "published"


def published(folder: Path | None = None) -> list[Published]:
    """Every published number, in the order of file names and rows: the shipped ones, or those of a folder.

    Few-shot numbers are apart, see :func:`published_fewshot`: a method has one for each K, setting and source.

    Raises:
        DataError: the folder is missing, or a file does not have this form; the message names file and line.
    """
    folder = published_folder() if folder is None else folder
    if not folder.is_dir():
        raise DataError(f"there is no folder of published numbers {str(folder)!r}", hint="Reinstall vlmbench.")
    files = [path for path in sorted(folder.glob("*.csv")) if path.name not in _APART]
    return [number for path in files for number in _numbers(path)]


def published_fewshot() -> list[Published]:
    """Published few-shot numbers; ``model`` is the method's name as its source prints it."""
    return _numbers(published_folder() / FEWSHOT_FILE)


def survey_methods() -> list[dict[str, str]]:
    """The survey's methods, one dict a row: pre-training (Table 3), transfer (4) and distillation (5)."""
    return _rows(published_folder() / METHODS_FILE)


def survey_methods_reasons() -> dict[str, dict[str, str]]:
    """By the survey's name of each transfer method (Table 4), a dict of two things.

    - ``runs_as``: the names of the transfer methods here that are the method, separated by semicolons.
    - ``reason``: why it does not run here, to be shown if no method of these names is registered.
    """
    return {row["method"]: row for row in _rows(published_folder() / REASONS_FILE)}


def survey_datasets() -> list[dict[str, str]]:
    """The survey's datasets, one dict a row: for pre-training (Table 1) and for evaluation (2)."""
    return _rows(published_folder() / DATASETS_FILE)


def _numbers(path: Path) -> list[Published]:
    rows = _rows(path)
    if rows and tuple(rows[0]) != COLUMNS:
        raise DataError(f"{path}: the columns are {', '.join(rows[0])}", hint=f"Expected: {', '.join(COLUMNS)}.")
    variants: dict[str, dict[str, str]] = {"": {}}  # rows of one model share one object
    numbers = []
    for line, row in enumerate(rows, start=2):
        try:
            variant = variants.setdefault(row["variant"], _variant(row["variant"]))
            numbers.append(Published(**{**row, "value": _fraction(row["value"]), "variant": variant}))  # type: ignore[arg-type]
        except ValueError as error:
            raise DataError(f"{path}, line {line}: {error}") from error
    return numbers


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            rows = []
            for row in reader:
                if None in row or None in row.values():
                    raise DataError(
                        f"{path}, line {reader.line_num}: the row has more or fewer fields than there are columns"
                    )
                rows.append(row)
            return rows
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error


def _fraction(text: str) -> float:
    value = float(text)
    if not (math.isfinite(value) and 0 <= value <= 1):
        raise ValueError(f"value {text} is not a fraction in [0, 1]")
    return value


def _variant(text: str) -> dict[str, str]:
    data = json.loads(text) if text else {}
    if not isinstance(data, dict) or not all(isinstance(value, str) for value in data.values()):
        raise ValueError(f"variant {text!r} is not a JSON object of strings")
    return data
