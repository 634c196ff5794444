"""Reads PASCAL VOC's annotation files: one XML file per image, as the devkit, LabelImg, CVAT and Roboflow write it.

The source ``voc`` uses it, and the reader of folders with label files.
"""

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
        name: its class name.
        corners: left, top, right and bottom, as the file states them.
        difficult: whether it is marked difficult.
    """

    name: str
    corners: tuple[float, float, float, float]
    difficult: bool

    @property
    def xywh(self) -> tuple[float, float, float, float]:
        """Left, top, width and height, for corners in the devkit's form: pixels of the object, counted from 1."""
        left, top, right, bottom = self.corners
        return left - 1, top - 1, right - left + 1, bottom - top + 1


@dataclass(frozen=True)
class VocAnnotation:
    """The annotations of one image.

    Attributes:
        filename: the image's file name, as stated; empty if it is not stated.
        size: width and height; None if they are not stated, or stated as 0.
        objects: the objects.
    """

    filename: str
    size: tuple[int, int] | None
    objects: Sequence[VocObject]


def read_voc_xml(file: Path) -> VocAnnotation:
    """Read the objects of an image.

    Spaces and line ends around names, numbers and flags are removed; flags may be words.

    Raises:
        DataError: the file cannot be read or is not XML; an object has no name or no complete box; right or bottom is
            smaller than left or top; or a flag is neither 0 nor 1.
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
    """Whether a file is XML and its outermost element is that of VOC."""
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
        raise ValueError(f"object {number} has no name, or no complete box")
    where = f"object {number} ({name})"
    try:
        left, top, right, bottom = (stated_number(text) for text in texts)
    except ValueError as error:
        raise ValueError(f"{where} has a wrong box: {error}") from error
    if right < left or bottom < top:
        raise ValueError(
            f"{where} has a box of negative size: xmin {left:g}, ymin {top:g}, xmax {right:g}, ymax {bottom:g}"
        )
    try:
        difficult = stated_flag(node.findtext("difficult"))
    except ValueError as error:
        raise ValueError(f"{where} has a wrong value of 'difficult': {error}") from error
    return VocObject(name, (left, top, right, bottom), difficult)
