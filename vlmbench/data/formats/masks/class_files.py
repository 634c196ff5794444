"""Reads the files that state the classes of masks: their names and, in the files of some tools, colours or values.

The source ``masks`` uses it.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

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
_NAME_KEYS = ("names", "classes", "class_names", "labels")
"""Keys of a YAML file that may hold the names of the classes."""


@dataclass(frozen=True)
class StatedClasses:
    """The classes that a dataset states.

    Attributes:
        file: the file that states them.
        names: the class names, in label order.
        values: how the values or colours of masks become labels; None if the file states only names, in the order of
            the values.
    """

    file: Path
    names: tuple[str, ...]
    values: MaskValues | None


def stated_classes(folders: Iterable[Path], *, names_only: bool = True) -> StatedClasses | None:
    """The classes that the first file of a known name in these folders states; None if there is no such file.

    - ``labelmap.txt`` (CVAT's "Segmentation mask"): one line ``name:red,green,blue:parts:actions`` per class. Masks
      hold the colours or, if they are grey, the numbers of the lines. Source:
      https://docs.cvat.ai/docs/dataset_management/formats/format-smask
    - ``class_dict.csv`` (CamVid and others): the columns name, r, g, b.
    - ``_classes.csv`` (Roboflow's semantic segmentation): the columns "Pixel Value" and "Class".
    - ``class_names.txt`` (LabelMe's labelme2voc.py): one name per line; the first has the value 0. A first line
      ``__ignore__`` has no value.
    - ``classes.txt``, ``labels.txt`` and the like: one name per line; the first has the value 0.
    - ``data.yaml``, ``config.yaml`` and the like: under ``names`` or ``classes``, a list of names, a mapping of values
      to names, or a mapping of names to values.

    Args:
        names_only: whether to read the last two, which are not made by one tool.

    Raises:
        DataError: the file cannot be read, or names a class, a value or a colour twice.
    """
    readers = {**_READERS, **(_NAME_READERS if names_only else {})}
    for folder in dict.fromkeys(folders):
        for name, read in readers.items():
            if (folder / name).is_file() and (found := read(folder / name)) is not None:
                return found
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
    return _by_value(file, found)


def _by_value(file: Path, found: Mapping[str, int]) -> StatedClasses:
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


def _name_lines(file: Path) -> StatedClasses | None:
    return _names_in_order(file, _lines(file))


def _yaml(file: Path) -> StatedClasses | None:
    try:
        content = yaml.safe_load(read_text(file))
    except yaml.YAMLError as error:
        raise DataError(f"{file} is not valid YAML: {error}") from error
    given = next((content[key] for key in _NAME_KEYS if key in content), None) if isinstance(content, dict) else None
    if isinstance(given, list) and given and all(isinstance(name, str) for name in given):
        return _names_in_order(file, given)
    if not isinstance(given, dict) or not given:
        return None
    found: dict[str, int] = {}
    for key, value in given.items():
        name, number = (value, key) if _is_whole(key) else (key, value)
        if not isinstance(name, str) or not _is_whole(number):
            return None
        _add(found, name.strip(), number, file)
    return _by_value(file, dict(sorted(found.items(), key=lambda entry: entry[1])))


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _names_in_order(file: Path, names: Sequence[str]) -> StatedClasses | None:
    if twice := _repeated(names):
        raise DataError(f"{file} names {counted(len(twice), 'class', 'classes')} more than once: {listing(twice)}")
    return StatedClasses(file, tuple(names), None) if names else None


_READERS: Mapping[str, Callable[[Path], StatedClasses | None]] = {
    "labelmap.txt": _labelmap,
    "class_dict.csv": _class_dict,
    "_classes.csv": _roboflow,
    "class_names.txt": _labelme,
}
_YAML_NAMES = ("data", "dataset", "config", "classes")
_NAME_READERS: Mapping[str, Callable[[Path], StatedClasses | None]] = {
    **dict.fromkeys(("classes.txt", "classnames.txt", "labels.txt", "names.txt"), _name_lines),
    **dict.fromkeys(
        (f"{name}.{end}" for name in ("data", "dataset", "config", "classes") for end in ("yaml", "yml")), _yaml
    ),
}
"""Names of files that people and several tools use for lists of classes."""


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
    return sorted(name for name, count in Counter(names).items() if count > 1)
