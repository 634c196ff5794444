"""Reads tables of the ``datasets`` library: the stored images, and the labels and class names from the label's column.

:mod:`vlmbench.data.memory.parts` calls it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from vlmbench.class_names import listing
from vlmbench.data.memory.items import CAPTION_KEYS, IMAGE_KEYS, LABEL_KEYS, Columns
from vlmbench.errors import DataError, UsageError


@dataclass(frozen=True)
class TableParts:
    """The parts of a table: the image and the label of each row, and class names.

    Attributes:
        image: returns the image of a row.
        labels: the label of each row.
        classes: class names in label order; None if the column states no names.
    """

    image: Callable[[int], Any]
    labels: Sequence[Any]
    classes: tuple[str, ...] | None


def is_table(data: Any) -> bool:
    """Whether the data is an object of the ``datasets`` library. The library need not be installed."""
    return type(data).__module__.split(".")[0] == "datasets"


def table_parts(table: Any, columns: Columns) -> TableParts:
    """The images and labels of a table. The table's format and transform are ignored, so images are the stored ones.

    Raises:
        UsageError: the data has several splits, or can only be read from start to end.
        DataError: the column of the images or of the labels is not known.
    """
    _refuse_other_kinds(table)
    plain = table.with_format(None)
    kinds = {name: getattr(feature, "feature", feature) for name, feature in plain.features.items()}
    pictures_of = [name for name, kind in kinds.items() if type(kind).__name__ == "Image"]
    image = _column(columns.image, pictures_of or [name for name in IMAGE_KEYS if name in kinds], kinds, "image")
    label = _label_column(columns, kinds)
    names = getattr(kinds[label], "names", None)
    pictures = plain.select_columns([image])
    if type(kinds[image]).__name__ == "Image":
        from datasets import Image

        pictures = pictures.cast_column(image, Image(decode=False))
    elif getattr(kinds[image], "dtype", None) not in ("string", "large_string", "binary", "large_binary"):
        pictures = pictures.with_format("numpy")
    labels = plain.select_columns([label])[:][label]
    return TableParts(lambda row: pictures[row][image], labels, tuple(names) if names else None)


def _refuse_other_kinds(table: Any) -> None:
    kind = type(table).__name__
    if kind in ("DatasetDict", "IterableDatasetDict"):
        first = next(iter(table), "test")
        raise UsageError(
            f"as_task: this is a {kind} with the splits {listing(map(repr, table))}",
            hint=f"Give one split: dataset[{first!r}].",
        )
    if not hasattr(table, "with_format") or not hasattr(table, "__len__"):
        raise UsageError(
            f"as_task: a {kind} can only be read from start to end, but a run reads samples by their number",
            hint="Load it without streaming=True, or take some: datasets.Dataset.from_list(list(dataset.take(1000))).",
        )


def _label_column(columns: Columns, kinds: dict[str, Any]) -> str:
    if columns.captions:
        found = [name for name in CAPTION_KEYS if getattr(kinds.get(name), "dtype", None) == "string"]
        return _column(columns.label, found, kinds, "label")
    found = [name for name, kind in kinds.items() if type(kind).__name__ == "ClassLabel"]
    usual = [name for name in LABEL_KEYS if name in kinds]
    return _column(columns.label, found or usual, kinds, "label")


def _column(asked: str | int | None, found: list[str], kinds: dict[str, Any], what: str) -> str:
    if asked is not None:
        if asked not in kinds:
            raise DataError(f"as_task: there is no column {asked!r}; the table has {listing(kinds)}")
        return str(asked)
    usual = [name for name in found if name in (IMAGE_KEYS if what == "image" else (*LABEL_KEYS, *CAPTION_KEYS))]
    chosen = found if len(found) == 1 else usual
    if len(chosen) == 1:
        return chosen[0]
    several = f"may be any of {listing(found)}" if found else f"is not known; the table has {listing(kinds)}"
    raise DataError(
        f"as_task: the column of the {what} {several}", hint=f"Name the column: as_task(dataset, {what}='…')."
    )
