"""Reads the files in which annotation tools write the classes of masks, with the colour or the value of each class."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vlmbench.data.formats.masks.options import colour_code
from vlmbench.data.formats.masks.values import DEFAULT_IGNORED, MaskValues
from vlmbench.data.labels import listing
from vlmbench.data.location import read_text
from vlmbench.errors import DataError
from vlmbench.wording import counted, listed

_NOT_CLASSES = frozenset(("__ignore__", "ignore", "ignored", "void"))
"""Names that tools give to pixels without a class."""
_VOC_VOID = colour_code(224, 224, 192)
"""The colour of VOC's value 255. Converters between VOC's formats add it to the colours of the classes."""
_COLOUR_COLUMNS = ("r", "g", "b")


@dataclass(frozen=True)
class StatedClasses:
    """The classes that a dataset states.

    Attributes:
        file: the file that states them.
        names: the class names, in label order.
        values: how the values or colours of masks become labels.
    """

    file: Path
    names: tuple[str, ...]
    values: MaskValues


def stated_classes(folders: Iterable[Path]) -> StatedClasses | None:
    """The classes that the first file of a known name in these folders states; None without such a file.

    - ``labelmap.txt`` (CVAT's "Segmentation mask"): a line ``name:red,green,blue:parts:actions`` a class. Masks hold
      the colours, or, where they are grey, the lines' numbers.
      Source: https://docs.cvat.ai/docs/dataset_management/formats/format-smask
    - ``class_dict.csv`` (CamVid and others): columns name, r, g, b.
    - ``_classes.csv`` (Roboflow's semantic segmentation): columns "Pixel Value" and "Class".
    - ``class_names.txt`` (LabelMe's labelme2voc.py): a name a line, the first that of 0; a first line ``__ignore__``
      has no value.

    Raises:
        DataError: it cannot be read, or names a class or colour twice.
    """
    for folder in dict.fromkeys(folders):
        for name, read in _READERS.items():
            if (folder / name).is_file():
                return read(folder / name)
    return None


def _labelmap(file: Path) -> StatedClasses:
    colours: dict[str, int] = {}
    for line in _lines(file):
        if line.startswith("#"):
            continue
        name, _, rest = line.partition(":")
        _add(colours, name.strip(), _colour(rest.partition(":")[0].split(","), line, file), file)
    return _by_colour(file, colours)


def _class_dict(file: Path) -> StatedClasses:
    colours: dict[str, int] = {}
    for row in _rows(file):
        if not {"name", *_COLOUR_COLUMNS} <= row.keys():
            raise DataError(f"{file}: it must have the columns name, r, g and b, but has {listed([*row])}")
        _add(colours, row["name"], _colour([row[column] for column in _COLOUR_COLUMNS], str(row), file), file)
    return _by_colour(file, colours)


def _roboflow(file: Path) -> StatedClasses:
    found: dict[str, int] = {}
    for row in _rows(file):
        if not {"pixel value", "class"} <= row.keys():
            raise DataError(f"{file}: it must have the columns Pixel Value and Class, but has {listed([*row])}")
        _add(found, row["class"], _whole(row["pixel value"], str(row), file), file)
    names = tuple(name for name in found if name.casefold() not in _NOT_CLASSES)
    values = {found[name]: label for label, name in enumerate(names)}
    ignored = {value for name, value in found.items() if name not in names} | ({DEFAULT_IGNORED} - set(values))
    return StatedClasses(file, names, MaskValues(frozenset(ignored), values=values, classes=len(names)))


def _labelme(file: Path) -> StatedClasses:
    names = [line for line in _lines(file) if line != "__ignore__"]
    if twice := _repeated(names):
        raise DataError(f"{file} names {counted(len(twice), 'class', 'classes')} more than once: {listing(twice)}")
    tidy = tuple("background" if name == "_background_" else name for name in names)
    return StatedClasses(file, tidy, MaskValues(classes=len(tidy)))


_READERS: Mapping[str, Callable[[Path], StatedClasses]] = {
    "labelmap.txt": _labelmap,
    "class_dict.csv": _class_dict,
    "_classes.csv": _roboflow,
    "class_names.txt": _labelme,
}


def _by_colour(file: Path, colours: Mapping[str, int]) -> StatedClasses:
    names = tuple(name for name in colours if name.casefold() not in _NOT_CLASSES)
    void = {code for name, code in colours.items() if name not in names}
    void |= {_VOC_VOID} - set(colours.values())
    values = MaskValues(
        classes=len(names),
        colours={colours[name]: label for label, name in enumerate(names)},
        ignored_colours=frozenset(void),
    )
    return StatedClasses(file, names, values)


def _add(found: dict[str, int], name: str, value: int, file: Path) -> None:
    if not name or name in found:
        raise DataError(
            f"{file} names the class {name!r} more than once" if name else f"{file} has a class without a name"
        )
    if other := [each for each, known in found.items() if known == value]:
        raise DataError(
            f"{file} gives the classes {other[0]!r} and {name!r} the same colour or value, so that masks cannot tell "
            "them apart"
        )
    found[name] = value


def _colour(parts: Sequence[str], line: str, file: Path) -> int:
    numbers = [_whole(part, line, file) for part in parts]
    if len(numbers) != 3 or not all(0 <= number <= 255 for number in numbers):
        raise DataError(f"{file}: there is no colour in {line!r}")
    return colour_code(*numbers)


def _whole(text: str, line: str, file: Path) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise DataError(f"{file}: {text.strip()!r} in {line!r} is not a whole number") from error


def _lines(file: Path) -> list[str]:
    return [line.strip() for line in read_text(file).splitlines() if line.strip()]


def _rows(file: Path) -> list[dict[str, str]]:
    """The rows of a CSV file. Column names are in lower case, and spaces around names and cells are removed."""
    rows = csv.DictReader(_lines(file), skipinitialspace=True)
    return [{str(key).strip().lower(): str(value).strip() for key, value in row.items()} for row in rows]


def _repeated(names: Sequence[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})
