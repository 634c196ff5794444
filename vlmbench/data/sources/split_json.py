"""The source ``split-json``: the splits of CoOp (``split_zhou_*.json``), one JSON file for train, val and test.

Cards with ``kind: split-json`` and ``-t split-json:PATH`` use it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlmbench.cards import SourceSpec
from vlmbench.data.base import ImageDataset, Source, SourceContext, SourceInfo
from vlmbench.data.image_files import ImageFiles, tell_of_missing
from vlmbench.data.labels import TARGET_WORDS, listing, normalise
from vlmbench.data.location import find_local, is_below, read_text
from vlmbench.errors import DataError, LabelError, NoImagesError, UsageError
from vlmbench.wording import counted, listed

OPTIONS = ("images", "class_names")
DEFAULT_SPLIT = "test"


@dataclass(frozen=True)
class _Entry:
    path: str
    label: int
    name: str


def open_source(spec: SourceSpec, context: SourceContext) -> ImageDataset:
    """Open one split of a file ``{"train": [[path, label, class name], …], "val": …, "test": …}``, in its order.

    This is the form in which CoOp (github: KaiyangZhou/CoOp, ``datasets/oxford_pets.py``) publishes its splits. Labels
    count from 0 over all splits of the file, and each has one name. If the card has class names, each name of the file
    is looked for among them. A name fits if it has the same letters, or the same words in another order: CoOp writes
    "2012 Acura TL Sedan" and "indoor church". The label is then the card's.

    Options:

    - ``images``: the folder to which the paths are relative, itself relative to the file's folder; or several folders,
      of which the first that has an image of the split is used. The default is the file's folder.
    - ``class_names: card``: the card renames the classes on purpose, and the file's labels are the card's.

    Raises:
        MissingDataError: there is no such file.
        DataError: the file cannot be read, has another form, has no such split, or names an image twice or outside
            the folder of images; or none of the split's images exists.
        LabelError: labels have a gap, a label has two names, or the names are not the card's.
    """
    place = f"{spec.kind} {spec.location!r}"
    if context.target != "class":
        raise LabelError(f"{place}: each image has one class, but the task needs {TARGET_WORDS[context.target]}")
    split = spec.split or DEFAULT_SPLIT
    found = find_local(spec, context)
    splits = _read(found.path)
    if split not in splits:
        raise DataError(f"{found.path} has no split {split!r}", hint=f"It has {listed(sorted(splits))}.")
    names = _names(splits, found.path)
    entries = splits[split]
    _check_paths(entries, found.path, split)
    classes, label_of = _labels(names, spec, context, found.path)
    no_images = None
    try:
        root = _images_folder(spec, found.path, entries, place)
    except NoImagesError as error:
        if not context.images_optional:
            raise
        root, no_images = found.path.parent, error
    if no_images is None:
        tell_of_missing(root, [entry.path for entry in entries], found.path)
    files = [(entry.path, label_of[entry.label]) for entry in entries]
    info = SourceInfo(spec.kind, found.location, split=split)
    return ImageFiles(root, info, files, classes, [found.path], no_images=no_images)


SOURCE = Source(open_source, OPTIONS, other_locations=True, split=True)


def _read(file: Path) -> Mapping[str, Sequence[_Entry]]:
    try:
        content = json.loads(read_text(file))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file} is not JSON: {error}", hint="Download it again.") from error
    if not isinstance(content, dict) or not all(isinstance(rows, list) for rows in content.values()):
        raise DataError(
            f"{file} is not a file of splits", hint='Expected {"train": [[path, label, class name], …], …}.'
        )
    return {
        split: [_entry(given, f"{file}: {split}[{row}]") for row, given in enumerate(rows)]
        for split, rows in content.items()
    }


def _entry(given: Any, place: str) -> _Entry:
    """One image, from ``[path, label, class name]``.

    Raises:
        DataError: it has another form.
    """
    match given:
        case [str() as path, int() as label, str() as name] if not isinstance(label, bool) and name.strip():
            return _Entry(path, label, name)
    raise DataError(f"{place} is {_short(given)}, not [path, label, class name]")


def _short(given: object, most: int = 60) -> str:
    text = repr(given)
    return text if len(text) <= most else f"{text[:most]}…"


def _names(splits: Mapping[str, Sequence[_Entry]], file: Path) -> list[str]:
    """The class names in label order.

    Raises:
        DataError: the file lists no image.
        LabelError: a label has two names, two labels have one name, or labels have a gap.
    """
    name_of: dict[int, str] = {}
    for entry in (entry for entries in splits.values() for entry in entries):
        if name_of.setdefault(entry.label, entry.name) != entry.name:
            raise LabelError(f"{file}: label {entry.label} has two names: {name_of[entry.label]!r} and {entry.name!r}")
    if not name_of:
        raise DataError(f"{file} lists no images")
    expected = next(label for label in range(len(name_of) + 1) if label not in name_of)
    if expected != len(name_of):
        raise LabelError(
            f"{file}: it lists no image with label {expected}, but images with label {max(name_of)}",
            hint="Labels must count from 0 without a gap.",
        )
    if twice := [name for name, count in Counter(map(normalise, name_of.values())).items() if count > 1]:
        raise LabelError(f"{file}: {counted(len(twice), 'class name')} with several labels: {listing(twice)}")
    return [name_of[label] for label in range(len(name_of))]


def _check_paths(entries: Sequence[_Entry], file: Path, split: str) -> None:
    if not entries:
        raise DataError(f"{file} lists no images under {split!r}")
    if outside := [entry.path for entry in entries if not is_below(entry.path)]:
        raise DataError(f"{file} lists paths that are not below the folder of images: {listing(outside)}")
    if twice := [path for path, count in Counter(entry.path for entry in entries).items() if count > 1]:
        raise DataError(f"{file} lists {counted(len(twice), 'image')} of {split!r} more than once: {listing(twice)}")


def _labels(
    names: Sequence[str], spec: SourceSpec, context: SourceContext, file: Path
) -> tuple[tuple[str, ...], Sequence[int]]:
    """The class names of the dataset, and its label for each label of the file."""
    own = spec.options.get("class_names")
    if own not in (None, "card"):
        raise UsageError(f"{spec.kind} {spec.location!r}: `class_names` can only be card, not {own!r}")
    card = context.class_names
    if card is None or own == "card":  # the caller compares these names with the card's, label by label
        return tuple(names), range(len(names))
    holders: dict[str, set[int]] = {}
    for label, name in enumerate(card):
        for key in _keys(name):
            holders.setdefault(key, set()).add(label)
    label_of = {key: labels.copy().pop() for key, labels in holders.items() if len(labels) == 1}
    found = [next((label_of[key] for key in _keys(name) if key in label_of), None) for name in names]
    unknown = [name for name, label in zip(names, found, strict=True) if label is None]
    absent = [name for label, name in enumerate(card) if label not in found]
    if unknown or absent or len(found) != len(card):
        raise LabelError(
            f"{file}: its {counted(len(names), 'class', 'classes')} are not the card's {len(card):,}"
            + (f"; only in the file: {listing(unknown)}" if unknown else "")
            + (f"; only in the card: {listing(absent)}" if absent else ""),
        )
    return card, [label for label in found if label is not None]


def _keys(name: str) -> tuple[str, str]:
    """The forms in which two names may be equal: the letters without spaces, and the words in alphabetical order."""
    words = normalise(name.replace("/", " ")).split()
    return "".join(words), " ".join(sorted(words))


def _images_folder(spec: SourceSpec, file: Path, entries: Sequence[_Entry], place: str) -> Path:
    asked = spec.options.get("images", ".")
    if not isinstance(asked, str | list) or not all(isinstance(folder, str) for folder in asked):
        raise UsageError(f"{place}: `images` must be a folder or a list of folders, not {asked!r}")
    folders: list[str] = [asked] if isinstance(asked, str) else asked
    for folder in folders:
        if any((file.parent / folder / entry.path).exists() for entry in entries):
            return file.parent / folder
    raise NoImagesError(
        f"{place}: {file} exists, but none of the {len(entries):,} images that it lists",
        hint=f"Expected {entries[0].path} below {listed([str(file.parent / folder) for folder in folders], 'or')}.",
    )
