"""PASCAL VOC's annotation files: one XML an image, as the devkit, LabelImg, CVAT and Roboflow write it."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vlmbench.data.formats.boxes.stated import stated_flag, stated_number, stated_size
from vlmbench.errors import DataError
from vlmbench.files import MOST_TEXT_BYTES, open_regular, read_bytes

ROOT = "annotation"
"""The name of the outermost element."""
_CORNERS = ("xmin", "ymin", "xmax", "ymax")


@dataclass(frozen=True)
class VocObject:
    """One object of an image.

    Attributes:
        corners: left, top, right and bottom, as the file has them.
    """

    name: str
    corners: tuple[float, float, float, float]
    difficult: bool

    @property
    def xywh(self) -> tuple[float, float, float, float]:
        """Corners are pixels that belong to the object, counted from 1, as the devkit has them."""
        left, top, right, bottom = self.corners
        return left - 1, top - 1, right - left + 1, bottom - top + 1


@dataclass(frozen=True)
class VocAnnotation:
    """One image's file.

    Attributes:
        filename: of the image, as the file states it; empty where it does not.
        size: width and height; None where they are not stated, or as 0.
    """

    filename: str
    size: tuple[int, int] | None
    objects: Sequence[VocObject]


def read_voc_xml(file: Path) -> VocAnnotation:
    """The objects of an image.

    Names, numbers and flags may stand between blanks and line ends, and flags in words.

    Raises:
        DataError: it cannot be read, is no XML, or has an object without a name or a whole box, a box whose right or
            bottom is before its left or top, or a flag that is neither 0 nor 1.
    """
    try:
        root = ET.fromstring(read_bytes(file, most=MOST_TEXT_BYTES))
        return VocAnnotation(
            (root.findtext("filename") or "").strip(),
            stated_size(root.findtext("size/width"), root.findtext("size/height")),
            [_object(node, number) for number, node in enumerate(root.findall("object"), 1)],
        )
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror or error}") from error
    except (ET.ParseError, ValueError, OverflowError, LookupError) as error:  # LookupError: an unknown encoding
        raise DataError(f"{file} is damaged: {error}") from error


def is_voc_xml(file: Path) -> bool:
    """Whether a file's outermost element is that of VOC. One that is no XML at all is not."""
    try:
        with open_regular(file) as content:
            _, root = next(iter(ET.iterparse(content, events=("start",))))
            return bool(root.tag == ROOT)
    except (OSError, ET.ParseError, StopIteration, ValueError, LookupError):
        return False


def _object(node: ET.Element, number: int) -> VocObject:
    name = (node.findtext("name") or "").strip()
    texts = [node.findtext(f"bndbox/{corner}") for corner in _CORNERS]
    if not name or None in texts:
        raise ValueError("an object without a name or a whole box")
    where = f"object {number} ({name})"
    try:
        left, top, right, bottom = (stated_number(text) for text in texts)
    except ValueError as error:
        raise ValueError(f"{where} has a box of which {error}") from error
    if right < left or bottom < top:
        raise ValueError(
            f"{where} has a box of negative size: xmin {left:g}, ymin {top:g}, xmax {right:g}, ymax {bottom:g}"
        )
    try:
        difficult = stated_flag(node.findtext("difficult"))
    except ValueError as error:
        raise ValueError(f"{where} is marked difficult in a way that is not known: {error}") from error
    return VocObject(name, (left, top, right, bottom), difficult)
