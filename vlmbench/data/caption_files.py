"""Files that say which captions an image has: COCO's, Karpathy's, BLIP's JSON, and Flickr's tables and token files."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from vlmbench.errors import DataError

_TOKEN = re.compile(r"^(?P<image>[^\t]+)#\d+\t(?P<caption>.*)$")
"""``1000268201_693b08cb0e.jpg#0<tab>A child in a pink dress .``: Flickr8k.token.txt, results_20130124.token."""
_NUMBERED = re.compile(r"^(?P<image>[^|]+)\|\s*\d+\s*\|?(?P<caption>.*)$")
"""``1000092795.jpg| 0| Two young guys ...``: Flickr30k's results.csv, one line of which lacks its second bar."""
_PLAIN = re.compile(r"^(?P<image>[^,]+\.\w+),(?P<caption>.*)$")
"""``1000268201_693b08cb0e.jpg,A child , in pink .``: captions.txt, quoted or not where the caption has commas."""


@dataclass(frozen=True, slots=True)
class CaptionedImage:
    """An image's path, as its annotations name it, and its captions in their order."""

    image: str
    captions: tuple[str, ...]


def read_captions(path: Path, split: str | None) -> list[CaptionedImage]:
    """Every image of an annotation file with its captions.

    Known are, told apart by their content: COCO's captions JSON (``images`` and ``annotations``); Karpathy's
    ``dataset_*.json`` (``images`` with ``sentences`` and a ``split``); BLIP's lists of
    ``{"image": …, "caption": […]}``; ``image,caption`` tables; Flickr's token files and ``image| number| caption``
    tables; and tables with the columns ``filename`` and ``raw``, a JSON list of captions.

    Args:
        path: the file.
        split: which part, in files that have several; None: all.

    Raises:
        DataError: the file is none of these, damaged, or has not one image of the split.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    entries = list(_from_json(text, split, path) if path.suffix.lower() == ".json" else _from_text(text, split, path))
    if not entries:
        raise DataError(f"{path}: not one captioned image" + (f" of the split {split!r}" if split else ""))
    seen: set[str] = set()
    for entry in entries:
        parts = PurePosixPath(entry.image)
        if parts.is_absolute() or ".." in parts.parts or not entry.image.strip():
            raise DataError(f"{path}: {entry.image!r} is no path below the folder of images")
        if entry.image in seen:
            raise DataError(f"{path}: image {entry.image!r} is listed twice")
        seen.add(entry.image)
    return entries


def _from_json(text: str, split: str | None, path: Path) -> Iterator[CaptionedImage]:
    try:
        data = json.loads(text)
    except ValueError as error:
        raise DataError(f"{path}: not valid JSON, or cut short: {error}") from error
    try:
        if isinstance(data, dict) and "annotations" in data:
            return iter(_coco(data, path))
        if isinstance(data, dict) and "images" in data:
            return iter(_karpathy(data, split, path))
        if isinstance(data, list) and all(isinstance(entry, dict) and "image" in entry for entry in data):
            return iter(_gathered((entry["image"], _listed(entry["caption"])) for entry in data))
    except KeyError as error:
        raise DataError(f"{path}: an entry has no {error}") from error
    except (TypeError, AttributeError) as error:
        raise DataError(f"{path}: its entries are not as any known format has them: {error}") from error
    raise DataError(
        f"{path}: not a known caption file",
        hint="Known JSON: COCO (images, annotations), Karpathy (images with sentences), a list of {image, caption}.",
    )


def _coco(data: dict[str, Any], path: Path) -> list[CaptionedImage]:
    """In the order of the image ids, each with its captions in the file's order, as torchvision's CocoCaptions."""
    captions: dict[int, list[str]] = {image["id"]: [] for image in data["images"]}
    for annotation in data["annotations"]:
        if "caption" not in annotation:
            raise DataError(f"{path}: annotation {annotation.get('id')} has no caption: is it an instances file?")
        if annotation["image_id"] not in captions:
            raise DataError(f"{path}: a caption is of image {annotation['image_id']}, which the file does not list")
        captions[annotation["image_id"]].append(annotation["caption"].strip())
    images = sorted(data["images"], key=lambda image: image["id"])
    return [CaptionedImage(image["file_name"], tuple(captions[image["id"]])) for image in images]


def _karpathy(data: dict[str, Any], split: str | None, path: Path) -> list[CaptionedImage]:
    splits = {image["split"] for image in data["images"]}
    if split is not None and split not in splits:
        raise DataError(f"{path}: no split {split!r}; it has {', '.join(sorted(splits))}")
    return [
        CaptionedImage(
            "/".join(filter(None, (image.get("filepath"), image["filename"]))),
            tuple(sentence["raw"].strip() for sentence in image["sentences"]),
        )
        for image in data["images"]
        if split is None or image["split"] == split
    ]


def _from_text(text: str, split: str | None, path: Path) -> Iterator[CaptionedImage]:
    # Not splitlines(): it also breaks at characters that may stand in a caption.
    lines = [line.rstrip("\r") for line in text.split("\n")]
    header = lines[0].strip().casefold()
    if {"raw", "filename"} <= set(header.split(",")):
        return iter(_raw_table(lines, split, path))
    if _TOKEN.match(lines[0]):
        return iter(_gathered(_matches(lines, _TOKEN, path, first=1)))
    if "|" in header:
        return iter(_gathered(_matches(lines[1:], _NUMBERED, path, first=2)))
    skipped = 0 if _PLAIN.match(lines[0]) else 1  # a header
    return iter(_gathered(_matches(lines[skipped:], _PLAIN, path, first=1 + skipped)))


def _matches(
    lines: Iterable[str], pattern: re.Pattern[str], path: Path, *, first: int
) -> Iterator[tuple[str, list[str]]]:
    for number, line in enumerate(lines, start=first):
        if not line.strip():
            continue
        match = pattern.match(line)
        if match is None:
            raise DataError(
                f"{path}: line {number} is not like the others: {line[:60]!r}",
                hint="Known tables: image,caption; image| number| caption; image#number<tab>caption.",
            )
        yield match["image"].strip(), [_unquoted(match["caption"].strip())]


def _unquoted(caption: str) -> str:
    """A caption that a table quotes because of its commas; others may well begin or end with a quotation mark."""
    if len(caption) > 1 and caption[0] == caption[-1] == '"':
        return caption[1:-1].replace('""', '"').strip()
    return caption


def _raw_table(lines: list[str], split: str | None, path: Path) -> list[CaptionedImage]:
    rows = list(csv.DictReader(lines))
    splits = {row.get("split") for row in rows} - {None}
    if split is not None and splits and split not in splits:
        raise DataError(f"{path}: no split {split!r}; it has {', '.join(sorted(map(str, splits)))}")
    try:
        return [
            CaptionedImage(row["filename"], tuple(caption.strip() for caption in json.loads(row["raw"])))
            for row in rows
            if split is None or row.get("split", split) == split
        ]
    except (ValueError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: its column 'raw' is not a JSON list of captions everywhere: {error}") from error


def _listed(captions: str | list[str]) -> list[str]:
    return [caption.strip() for caption in (captions if isinstance(captions, list) else [captions])]


def _gathered(pairs: Iterable[tuple[str, list[str]]]) -> list[CaptionedImage]:
    """One entry an image, in the order of their first captions."""
    captions: dict[str, list[str]] = {}
    for image, found in pairs:
        captions.setdefault(image, []).extend(found)
    return [CaptionedImage(image, tuple(found)) for image, found in captions.items()]
