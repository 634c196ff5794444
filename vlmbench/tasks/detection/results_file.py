"""Reads a detector's results file: COCO's JSON, as detectron2 and mmdetection write it, or a Parquet file.

:mod:`vlmbench.tasks.detection.given` matches the rows with the data.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from vlmbench.errors import ModelError
from vlmbench.files import MOST_DATA_BYTES, read_bytes
from vlmbench.run_lengths import outlined
from vlmbench.tasks.given.base import PICKLES
from vlmbench.wording import listed

SUFFIXES = (".json", ".bbox.json", ".json.gz", ".parquet")
"""The endings of results files with boxes."""
OUTLINES = (".segm.json",)
"""The ending of mmdetection's results files with masks. They have boxes, too."""
RESULTS = (*SUFFIXES, *OUTLINES, *PICKLES)
"""The endings of all files that are looked for. ``--save-answers`` writes the first."""
RESULTS_OF_MASKS = tuple(suffix for suffix in RESULTS if suffix != ".bbox.json")
"""The endings for questions about masks."""
_PICKLE, _ZIP = b"\x80", b"PK\x03\x04"
_WRITE_JSON = (
    "Write COCO's results as JSON: detectron2's evaluator writes coco_instances_results.json into its output folder; "
    "mmdetection 3 writes PREFIX.bbox.json with --cfg-options test_evaluator.outfile_prefix=PREFIX, and mmdetection 2 "
    "with --format-only --eval-options jsonfile_prefix=PREFIX."
)
_FORM = (
    "A results file is a list of objects such as "
    '{"image_id": 42, "category_id": 18, "bbox": [left, top, width, height], "score": 0.9}.'
)
_SHOWN = 120

Id = int | str


@dataclass(frozen=True)
class RegionAnswers:
    """How a model ranked the classes for each of the data's own boxes, for N images; see :class:`.answers.Answer`.

    Attributes:
        image_ids: (N,) the images.
        labels: for each image, (R,) true classes.
        ranks: for each image, (R,) ranks of the true classes.
        top: for each image, (R, K) the classes with the highest scores.
    """

    image_ids: Sequence[Id]
    labels: Sequence[Sequence[int]]
    ranks: Sequence[Sequence[int]]
    top: Sequence[Sequence[Sequence[int]]]


@dataclass(frozen=True)
class ResultsFile:
    """D detections, in the order of the file.

    Attributes:
        path: the file, for messages.
        image_ids: (D,) the image of each detection: the data's own id, or a file name.
        categories: (D,) the class of each detection: the data's own category id, or a class name.
        xywh: (D, 4) left, top, width, height, in pixels.
        scores: (D,) higher is more certain.
        segmentations: (D,) the mask of each detection in the form of the file (COCO's run-length code or polygons),
            with None for detections without a mask; None if no detection has a mask.
        regions: the answers for the data's own boxes; None if the file has none.
        images_asked: the ids of all images of the file, also of those without detections; None if the file only lists
            detections.
    """

    path: Path
    image_ids: Sequence[Id]
    categories: Sequence[Id]
    xywh: NDArray[np.float64]
    scores: NDArray[np.float64]
    segmentations: Sequence[Any] | None = None
    regions: RegionAnswers | None = None
    images_asked: Sequence[Id] | None = None


def read_results(path: Path) -> ResultsFile:
    """Read a results file.

    Forms:

    - JSON, also compressed (``.json.gz``): COCO's results, a list with one object for each detection. If ``bbox`` is
      missing and there is a run-length code in ``segmentation``, the box is that of the mask, as in pycocotools.
      ``category_id`` may be a class name, and ``image_id`` a file name.
    - Parquet with the columns ``image_id``, ``category_id``, ``bbox`` and ``score``, one row for each detection.
    - Parquet with one row for each image, as in the predictions beside a record: ``boxes``, ``scores`` and
      ``category_ids``, and ``sample`` or ``image_id``.

    Raises:
        ModelError: the file cannot be read, has another form or no detections, or a value is not valid. The message
            names the row, counted from 0.
    """
    try:
        content = read_bytes(path)
        if path.name.endswith(".gz"):
            content = _unpacked(content)
    except (OSError, EOFError, zlib.error) as error:
        raise ModelError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if path.name.endswith(PICKLES) or content.startswith((_PICKLE, _ZIP)):
        raise ModelError(
            f"{path} is a pickle or an archive of PyTorch, which vlmbench does not open, because it can run code",
            hint=_WRITE_JSON,
        )
    return _of_parquet(path, content) if path.name.endswith(".parquet") else _of_json(path, content)


def _unpacked(content: bytes) -> bytes:
    with gzip.GzipFile(fileobj=BytesIO(content)) as file:
        whole = file.read(MOST_DATA_BYTES + 1)
    if len(whole) > MOST_DATA_BYTES:
        raise OSError("it is too large when it is unpacked")
    return whole


def _of_json(path: Path, content: bytes) -> ResultsFile:
    try:
        entries = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} is not valid JSON: {error}", hint=_FORM) from error
    if isinstance(entries, dict):
        keys = listed([repr(key) for key in entries], most=5)
        what = "the annotations of a dataset" if "annotations" in entries else "an object"
        raise ModelError(f"{path} holds {what} with {keys}, not a list of detections", hint=_FORM)
    if not isinstance(entries, list):
        raise ModelError(f"{path} holds one {type(entries).__name__}, not a list of detections", hint=_FORM)
    if not entries:
        raise ModelError(f"{path} holds no detection: the list is empty", hint="Run the detector again.")
    for row, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise _odd(path, row, entry, "is not an object", hint=_WRITE_JSON if isinstance(entry, list) else _FORM)
    if "boxes" in entries[0] and "bbox" not in entries[0]:
        raise ModelError(
            f"{path}: entry 0 holds all boxes of an image, but a results file has one entry for each box", hint=_FORM
        )
    masks = [entry.get("segmentation") for entry in entries]
    boxes = [entry.get("bbox") or _box_of_mask(path, row, entry) for row, entry in enumerate(entries)]
    return ResultsFile(
        path,
        _ids(path, entries, "image_id"),
        _ids(path, entries, "category_id"),
        *_numbers(path, boxes, [entry.get("score") for entry in entries], lambda row: repr(entries[row])),
        segmentations=masks if any(mask is not None for mask in masks) else None,
    )


def _ids(path: Path, entries: Sequence[Mapping[str, Any]], key: str) -> list[Id]:
    """The ids of all entries. A number with a fraction of 0 is a whole number: pandas writes ids so."""
    found = [entry.get(key) for entry in entries]
    for row, value in enumerate(found):
        if type(value) is int or type(value) is str:
            continue
        if isinstance(value, float) and value.is_integer():
            found[row] = int(value)
        elif value is None:
            raise _odd(path, row, entries[row], f"has no {key!r}")
        else:
            raise _odd(path, row, entries[row], f"has the {key} {value!r}, which is neither a whole number nor a name")
    return found  # type: ignore[return-value]  # the loop has replaced or refused all others


def _box_of_mask(path: Path, row: int, entry: Mapping[str, Any]) -> list[float]:
    """The box of an entry that only has a mask."""
    mask = entry.get("segmentation")
    if mask is None:
        raise _odd(path, row, entry, "has no 'bbox'")
    try:
        height, width = mask["size"]
        return list(outlined({"size": [height, width], "counts": mask["counts"]}, height, width).box())
    except (KeyError, TypeError, ValueError) as error:
        raise _odd(path, row, entry, f"has no 'bbox', and no mask in COCO's run-length code ({error})") from error


def _numbers(
    path: Path, boxes: Sequence[Any], scores: Sequence[Any], shown: Callable[[int], str]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(D, 4) boxes and (D,) scores.

    Args:
        shown: a text that shows a row, for messages.
    """
    for row, (box, score) in enumerate(zip(boxes, scores, strict=True)):
        if not (isinstance(box, list) and len(box) == 4 and all(map(_is_number, box))):
            raise _odd(path, row, shown(row), "has a 'bbox' that is not a list of four numbers")
        if not _is_number(score):
            what = "no 'score'" if score is None else "a 'score' that is not a number"
            raise _odd(path, row, shown(row), f"has {what}")
    try:
        xywh = np.array(boxes, dtype=np.float64).reshape(-1, 4)
        certain = np.array(scores, dtype=np.float64)
    except OverflowError as error:
        raise ModelError(f"{path}: a box or a score is too large") from error
    checks = {
        "has a box or a score that is NaN or infinite": ~(np.isfinite(xywh).all(axis=1) & np.isfinite(certain)),
        "has a box with a negative width or height": (xywh[:, 2:] < 0).any(axis=1),
    }
    for what, wrong in checks.items():
        if wrong.any():
            row = int(wrong.argmax())
            others = int(wrong.sum()) - 1
            raise _odd(path, row, shown(row), what + (f" (and {others:,} more)" if others else ""))
    return xywh, certain


def _is_number(value: Any) -> bool:
    return type(value) is float or type(value) is int


def _odd(path: Path, row: int, entry: object, what: str, *, hint: str = _FORM) -> ModelError:
    text = entry if isinstance(entry, str) else repr(entry)
    text = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    return ModelError(f"{path}: entry {row} {what}: {text}", hint=hint)


def _of_parquet(path: Path, content: bytes) -> ResultsFile:
    try:
        table = pq.read_table(pa.BufferReader(content))
    except (pa.ArrowException, OSError) as error:
        raise ModelError(f"{path} is not a Parquet file that can be read: {error}") from error
    columns = set(table.column_names)
    if {"boxes", "scores", "category_ids"} <= columns and columns & {"sample", "image_id"}:
        return _of_images(path, table)
    if missing := [name for name in ("image_id", "category_id", "bbox", "score") if name not in columns]:
        raise ModelError(
            f"{path} lacks the column{'s' if len(missing) > 1 else ''} {listed([repr(name) for name in missing])}; it "
            f"has {listed([repr(name) for name in table.column_names], most=8)}",
            hint="One row is one detection, with image_id, category_id, bbox (left, top, width, height) and score.",
        )
    rows = table.select(["image_id", "category_id", "bbox", "score"]).to_pylist()
    if not rows:
        raise ModelError(f"{path} holds no detection: the table is empty", hint="Run the detector again.")
    return ResultsFile(
        path,
        _ids(path, rows, "image_id"),
        _ids(path, rows, "category_id"),
        *_numbers(path, [row["bbox"] for row in rows], [row["score"] for row in rows], lambda row: repr(rows[row])),
    )


def _of_images(path: Path, table: pa.Table) -> ResultsFile:
    """Detections from a table with one row for each image."""
    has_regions = set(_OF_REGIONS) <= set(table.column_names)
    for name, depth in {**_OF_IMAGES, **(_OF_REGIONS if has_regions else {})}.items():
        if not _is_nested(table[name], depth):
            raise ModelError(
                f"{path}: the column {name!r} is of type {table[name].type}, and each row needs a list"
                f"{' of lists' if depth > 1 else ''} without gaps"
            )
    rows = table.to_pylist()
    key = "sample" if "sample" in table.column_names else "image_id"
    images = _ids(path, rows, key)
    lists = {name: [row[name] for row in rows] for name in _OF_IMAGES}
    counts = [len(own) for own in lists["scores"]]
    for row, count in enumerate(counts):
        if any(len(lists[name][row]) != count for name in _OF_IMAGES):
            raise ModelError(f"{path}: row {row} (image {images[row]}) has {_counts(lists, row)}")
    owners = np.repeat(np.arange(len(rows)), counts).tolist()
    flat = {name: [item for own in lists[name] for item in own] for name in _OF_IMAGES}
    if not owners:
        raise ModelError(f"{path} holds no detection: all lists are empty", hint="Run the detector again.")
    regions = None
    if has_regions:
        labels, ranks, top = ([row[name] for row in rows] for name in _OF_REGIONS)
        regions = RegionAnswers(images, labels, ranks, top)
    return ResultsFile(
        path,
        [images[row] for row in owners],
        _ids(path, [{"category_id": value} for value in flat["category_ids"]], "category_id"),
        *_numbers(path, flat["boxes"], flat["scores"], lambda row: f"image {images[owners[row]]}"),
        regions=regions,
        images_asked=images,
    )


_OF_IMAGES = {"boxes": 2, "scores": 1, "category_ids": 1}
"""The columns with detections, and how deep their lists are nested."""
_OF_REGIONS = {"region_labels": 1, "region_ranks": 1, "region_top": 2}


def _is_nested(column: pa.ChunkedArray, depth: int) -> bool:
    """Whether each row is a list, or a list of lists, and nothing is null."""
    values = column.combine_chunks()
    for _ in range(depth):
        kind = values.type
        lists = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
        if not lists or values.null_count:
            return False
        values = values.flatten()
    return not pa.types.is_nested(values.type) and not values.null_count


def _counts(lists: Mapping[str, Sequence[Sequence[Any]]], row: int) -> str:
    return f"{listed([f'{len(lists[name][row]):,} {name}' for name in _OF_IMAGES])}, but needs as many of each"
