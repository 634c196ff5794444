"""Reads the outlines of objects from an annotation file of COCO's or LVIS' form, when a metric needs masks.

Outlines are nine tenths of such a file, so :mod:`.coco_json` drops them, and most tasks never read them. The source
:mod:`vlmbench.data.sources.coco` uses it.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Collection, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from vlmbench.errors import DataError
from vlmbench.files import read_bytes


class Outlines:
    """The outlines of an annotation file's objects. The file is read at the first call.

    Args:
        path: the file, which :func:`~.coco_json.read_annotations` has read and checked.
        image_ids: the id of each sample.
        categories: the ids of the categories whose objects count.
    """

    def __init__(self, path: Path, image_ids: Sequence[int], categories: Collection[int]) -> None:
        self._path = path
        self._image_ids = image_ids
        self._categories = frozenset(categories)

    def __call__(self, index: int) -> tuple[object, ...]:
        """The ``segmentation`` of each object of a sample, in the order of the file; None if an object has none.

        Raises:
            DataError: the file can no longer be read.
        """
        return tuple(self._of_images.get(self._image_ids[index], ()))

    @cached_property
    def _of_images(self) -> dict[int, list[object]]:
        found: dict[int, list[object]] = {}
        try:
            entries = json.loads(read_bytes(self._path), object_hook=_compact)["annotations"]
            for entry in entries:
                if entry["category_id"] in self._categories:
                    found.setdefault(entry["image_id"], []).append(entry.get("segmentation"))
        except OSError as error:
            raise DataError(f"{self._path} cannot be read: {error.strerror or error}") from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise DataError(f"{self._path} changed while it was read: {error!r}") from error
        return found


def _compact(entry: dict[str, Any]) -> dict[str, Any]:
    """An object of the file, with only the keys that are needed and with polygons in an eighth of the memory."""
    if "image_id" in entry and "category_id" in entry:
        kept = {key: entry.get(key) for key in ("image_id", "category_id", "segmentation")}
        if isinstance(kept["segmentation"], list):
            kept["segmentation"] = [_numbers(part) for part in kept["segmentation"]]
        return kept
    return entry


def _numbers(part: object) -> object:
    """A polygon as an array; anything else is kept as it is, for the message that refuses it."""
    try:
        return array("d", part) if isinstance(part, list) else part
    except (TypeError, OverflowError):
        return part
