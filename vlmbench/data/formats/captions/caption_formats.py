"""Caption files read into rows as they stand; :mod:`vlmbench.data.formats.captions.caption_files` checks them."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlmbench.errors import DataError

_TOKEN = re.compile(r"^(?P<image>[^\t]+)#\d+\t(?P<caption>.*)$")
"""``1000268201_693b08cb0e.jpg#0<tab>A child in a pink dress .``: Flickr8k.token.txt, results_20130124.token."""
_NUMBERED = re.compile(r"^(?P<image>[^|]+)\|\s*\d+\s*\|?(?P<caption>.*)$")
"""``1000092795.jpg| 0| Two young guys ...``: Flickr30k's results.csv, one line of which lacks its second bar."""
_PLAIN = re.compile(r"^(?P<image>[^,]+\.\w+),(?P<caption>.*)$")
"""``1000268201_693b08cb0e.jpg,A child , in pink .``: captions.txt, quoted or not where the caption has commas."""
_QUOTED = re.compile(r'"((?:[^"]|"")*)"')
"""A cell as CSV quotes it: other captions may well begin and end with a quotation mark."""
_HEADINGS = ("image", "image_name", "filename", "file_name", "file", "img")
"""What the first column of a table is called, in a first line that is no caption."""


@dataclass(frozen=True, slots=True)
class CaptionRow:
    """What a file says of one image, unchecked.

    Attributes:
        image: its name; a string, if the file is sound.
        captions: strings, if the file is sound.
        split: the part it belongs to; None where the file says nothing of splits.
    """

    image: object
    captions: list[object]
    split: str | None = None


@dataclass(frozen=True)
class Rows:
    """A file's rows.

    Attributes:
        gathered: an image has a row for each of its captions; else all captions are in one.
    """

    rows: list[CaptionRow]
    gathered: bool = False


def read_rows(text: str, path: Path) -> Rows:
    """The rows of a file's text, its format being told by its content.

    Raises:
        DataError: it is none of the known formats, or damaged.
    """
    return _from_json(text, path) if path.suffix.lower() == ".json" else _from_text(text, path)


def _from_json(text: str, path: Path) -> Rows:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not valid JSON, or cut short: {error}") from error
    try:
        if isinstance(data, dict) and "annotations" in data:
            return Rows(_coco(data, path))
        if isinstance(data, dict) and "images" in data:
            return Rows([_karpathy(image) for image in data["images"]])
        if isinstance(data, list) and all(isinstance(entry, dict) and "image" in entry for entry in data):
            return Rows([CaptionRow(entry["image"], _several(entry["caption"])) for entry in data], gathered=True)
    except KeyError as error:
        raise DataError(f"{path}: an entry has no {error}") from error
    except (TypeError, AttributeError) as error:
        raise DataError(f"{path}: its entries are not as any known format has them: {error}") from error
    raise DataError(
        f"{path}: not a known caption file",
        hint="Known JSON: COCO (images, annotations), Karpathy (images with sentences), a list of {image, caption}.",
    )


def _coco(data: dict[str, Any], path: Path) -> list[CaptionRow]:
    """In the order of the image ids, each with its captions in the file's order, as torchvision's CocoCaptions."""
    captions: dict[Any, list[object]] = {image["id"]: [] for image in data["images"]}
    for annotation in data["annotations"]:
        if "caption" not in annotation:
            raise DataError(f"{path}: annotation {annotation.get('id')} has no caption: is it an instances file?")
        if annotation["image_id"] not in captions:
            raise DataError(f"{path}: a caption is of image {annotation['image_id']}, which the file does not list")
        captions[annotation["image_id"]].append(annotation["caption"])
    images = sorted(data["images"], key=lambda image: image["id"])
    return [CaptionRow(image["file_name"], captions[image["id"]]) for image in images]


def _karpathy(image: dict[str, Any]) -> CaptionRow:
    name = "/".join(filter(None, (image.get("filepath"), image["filename"])))
    return CaptionRow(name, [sentence["raw"] for sentence in image["sentences"]], image["split"])


def _from_text(text: str, path: Path) -> Rows:
    # Not splitlines(): it also breaks at characters that may stand in a caption.
    lines = [line.rstrip("\r") for line in text.split("\n")]
    header = lines[0].strip()
    if {"raw", "filename"} <= set(header.split(",")):
        return Rows(_raw_table(lines, path))
    if _TOKEN.match(lines[0]):
        return Rows(list(_matches(lines, _TOKEN, path)), gathered=True)
    pattern = _NUMBERED if "|" in header else _PLAIN
    return Rows(list(_matches(lines, pattern, path)), gathered=True)


def _matches(lines: Iterable[str], pattern: re.Pattern[str], path: Path) -> Iterator[CaptionRow]:
    for number, line in enumerate(lines, start=1):
        if not line.strip() or (number == 1 and re.split(r"[,|]", line)[0].strip().casefold() in _HEADINGS):
            continue
        match = pattern.match(line)
        if match is None:
            raise DataError(
                f"{path}: line {number} is not like the others: {line[:60]!r}",
                hint="Known tables: image,caption; image| number| caption; image#number<tab>caption.",
            )
        caption = match["caption"].strip()
        quoted = _QUOTED.fullmatch(caption) if pattern is _PLAIN else None  # the other two never quote
        yield CaptionRow(match["image"].strip(), [quoted[1].replace('""', '"') if quoted else caption])


def _raw_table(lines: list[str], path: Path) -> list[CaptionRow]:
    try:
        return [
            CaptionRow(row["filename"], _several(json.loads(row["raw"])), row.get("split"))
            for row in csv.DictReader(lines)
        ]
    except (ValueError, TypeError, RecursionError, csv.Error) as error:
        raise DataError(f"{path}: its column 'raw' is not a JSON list of captions everywhere: {error}") from error


def _several(captions: object) -> list[object]:
    return captions if isinstance(captions, list) else [captions]
