"""Parses caption files into rows. :mod:`vlmbench.data.formats.captions.caption_files` calls it and checks the rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vlmbench.data.formats.captions.columns import AskedColumns, choose_columns
from vlmbench.data.formats.captions.rows import CaptionRow, Rows, several
from vlmbench.data.formats.captions.tables import read_table
from vlmbench.errors import DataError

_JSON = (".json", ".jsonl", ".ndjson")


def read_rows(text: str, path: Path, asked: AskedColumns) -> Rows:
    """The rows of a file's text. The format is recognised by the content.

    Raises:
        DataError: the format is not known, or the file is damaged.
    """
    if path.suffix.lower() in _JSON or text.lstrip().startswith(('{"', '[{"')):
        return _from_json(text, path, asked)
    return read_table(text, path, asked)


def _from_json(text: str, path: Path, asked: AskedColumns) -> Rows:
    data = _parsed(text, path)
    try:
        if isinstance(data, dict) and "annotations" in data:
            return Rows(_coco(data, path))
        if isinstance(data, dict) and "images" in data:
            return Rows([_karpathy(image) for image in data["images"]])
        if isinstance(data, dict) and data and all(_are_captions(value) for value in data.values()):
            return Rows([CaptionRow(image, several(captions)) for image, captions in data.items()])
        if isinstance(data, list) and all(isinstance(entry, dict) for entry in data):
            return _records(data, path, asked)
    except KeyError as error:
        raise DataError(f"{path}: an entry has no {error}") from error
    except (TypeError, AttributeError) as error:
        raise DataError(f"{path}: its entries do not have a known form: {error}") from error
    raise DataError(
        f"{path}: it is not a caption file of a known form",
        hint="Known forms of JSON are COCO's (images, annotations), Karpathy's (images with sentences), a list or "
        "lines of {image, caption}, and {image: captions}.",
    )


def _parsed(text: str, path: Path) -> Any:
    """The value of a JSON text, or the list of its lines' values."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        lines = [(number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
        if len(lines) < 2 or not all(line.strip().startswith("{") for _, line in lines):
            raise DataError(f"{path}: not valid JSON, or cut short: {error}") from error
    found = []
    for number, line in lines:
        try:
            found.append(json.loads(line))
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}: line {number} is not valid JSON, or cut short: {error}") from error
    return found


def _are_captions(value: object) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(own, str) for own in value))


def _records(data: Sequence[Mapping[str, object]], path: Path, asked: AskedColumns) -> Rows:
    """One row per record. The records' keys are used like the headings of a table."""
    keys = list(dict.fromkeys(key for entry in data for key in entry))
    if not keys:
        return Rows([])
    columns = choose_columns(keys, [[entry.get(key) for key in keys] for entry in data], asked, path)
    rows = []
    for entry in data:
        own = [keys[place] for place in columns.captions]
        if len(own) == 1:
            captions = several(entry[own[0]])
        else:
            captions = [caption for key in own for caption in several(entry.get(key)) if caption not in (None, "")]
        split = entry.get(keys[columns.split]) if columns.split is not None else None
        rows.append(CaptionRow(entry[keys[columns.image]], captions, None if split is None else str(split)))
    return Rows(rows, gathered=True)


def _coco(data: dict[str, Any], path: Path) -> list[CaptionRow]:
    """The images in the order of their ids, with their captions in the file's order, as torchvision's CocoCaptions."""
    captions: dict[Any, list[object]] = {image["id"]: [] for image in data["images"]}
    for annotation in data["annotations"]:
        if "caption" not in annotation:
            raise DataError(
                f"{path}: annotation {annotation.get('id')} has no caption",
                hint="It may be COCO's file of instances: name the file captions_*.json.",
            )
        if annotation["image_id"] not in captions:
            raise DataError(
                f"{path}: a caption belongs to image {annotation['image_id']}, which the file does not list"
            )
        captions[annotation["image_id"]].append(annotation["caption"])
    images = sorted(data["images"], key=lambda image: image["id"])
    return [CaptionRow(image["file_name"], captions[image["id"]]) for image in images]


def _karpathy(image: dict[str, Any]) -> CaptionRow:
    name = "/".join(filter(None, (image.get("filepath"), image["filename"])))
    return CaptionRow(name, [sentence["raw"] for sentence in image["sentences"]], image.get("split"))
