"""Image folders: one sub-folder a class, images anywhere below it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from vlmbench.cards import SourceSpec
from vlmbench.data.base import ImageDataset, SourceContext, SourceInfo
from vlmbench.data.files import ImageFiles, readable
from vlmbench.data.labels import TARGET_WORDS, listing, normalise
from vlmbench.data.location import check_options, existing_places, exists, find_local, missing
from vlmbench.errors import DataError, LabelError, MissingDataError, UsageError

OPTIONS = ("other_folders", "shared")

IMAGE_EXTENSIONS = frozenset(
    (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".jp2")
)


def open_source(spec: SourceSpec, context: SourceContext) -> ImageDataset:
    """Open ``<location>/<class folder>/**/<image>``.

    Extensions count in any case; hidden files and other extensions do not; links are followed. Only class
    folders are looked at: files beside them play no part, whatever they are. With a split,
    ``<location>/<split>`` is the folder of class folders. Labels come, in this order, from

    1. ``spec.folders``: exactly these folders, in label order;
    2. the card's class names: each folder is one of them after :func:`~vlmbench.data.labels.normalise`;
    3. the sorted folder names, which then are the class names (``_`` read as a blank).

    An empty class folder is a class without samples. Sample ids are POSIX paths relative to the location.

    Options: ``other_folders: ignore`` (folders that are none of the expected ones are not read; by default they are
    an error); ``shared: true`` (other datasets have a folder of this name too, such as ``val``: one that holds none
    of the expected folders is another's, and counts as not there).

    Raises:
        MissingDataError: there is no such folder.
        LabelError: folders and class names do not fit together, or the task needs more than a class.
        DataError: it is no folder, or one below it cannot be read.
    """
    check_options(spec, OPTIONS)
    place = f"{spec.kind} {spec.location!r}"
    if context.target != "class":
        raise LabelError(
            f"{place}: a folder gives each image one class, but the task needs {TARGET_WORDS[context.target]}"
        )
    location, root = _find(spec, context, place)
    folders, classes = _label_order(_class_folders(root, place), spec, context, place)
    above = frozenset(_identity(folder) for folder in (root, *root.resolve().parents))
    files = [
        (path, label) for label, folder in enumerate(folders) for path in sorted(_images(root / folder, folder, above))
    ]
    if not files:
        raise DataError(
            f"{place}: no image in any of the {len(folders)} class folders of {root}",
            hint=f"Images are files that end in {', '.join(sorted(IMAGE_EXTENSIONS))}.",
        )
    return ImageFiles(root, SourceInfo(spec.kind, location, split=spec.split), files, classes)


def _find(spec: SourceSpec, context: SourceContext, place: str) -> tuple[str, Path]:
    """The location that is there, and the folder of its class folders.

    Raises:
        MissingDataError: none is there; with ``shared``, or none of them is this dataset's.
        DataError: it is a file.
    """
    shared = spec.options.get("shared", False)
    if not isinstance(shared, bool):
        raise UsageError(f"{place}: shared is true or false, not {shared!r}")
    if shared:
        return _find_shared(spec, context, place)
    found = find_local(spec, context)
    root = found.path if spec.split is None else found.path / spec.split
    if not exists(root):
        raise MissingDataError(f"{place}: no split {spec.split!r} in {found.path}")
    if not root.is_dir():
        raise DataError(f"{place}: {root} is a file, not a folder of class folders")
    return found.location, root


def _find_shared(spec: SourceSpec, context: SourceContext, place: str) -> tuple[str, Path]:
    keys = set(spec.folders) if spec.folders is not None else {normalise(name) for name in context.class_names or ()}
    if not keys:
        raise UsageError(f"{place}: with `shared`, the card must name its classes or `folders`")
    others = []
    for found in existing_places(spec, context):
        root = found.path if spec.split is None else found.path / spec.split
        if not root.is_dir():
            continue
        names = [entry.name for entry in _entries(root) if os.path.isdir(entry.path)]
        if any((name if spec.folders is not None else normalise(name)) in keys for name in names):
            return found.location, root
        others.append(found.location)
    notes = [
        f"{name} (there, but with none of the {len(keys)} class folders)" if name in others else name
        for name in (spec.location, *spec.other_locations)
    ]
    raise missing(spec, context, looked_for=notes)


def _class_folders(root: Path, place: str) -> list[str]:
    entries = _entries(root)
    folders = sorted(entry.name for entry in entries if os.path.isdir(entry.path))
    if not folders:
        images = sum(Path(entry.name).suffix.lower() in IMAGE_EXTENSIONS for entry in entries)
        found = f"{images} images directly in it and no class folders" if images else "no class folders in it"
        raise LabelError(
            f"{place}: {root} has {found}",
            hint=f"Expected: {root}/<class name>/<any name>.jpg, one folder a class.",
        )
    return folders


def _label_order(
    found: list[str], spec: SourceSpec, context: SourceContext, place: str
) -> tuple[list[str], tuple[str, ...]]:
    """The class folders in label order, and the class names."""
    names = context.class_names
    ignore_others = _ignores_others(spec, place)
    if spec.folders is not None:
        if names is not None and len(names) != len(spec.folders):
            raise LabelError(f"{place}: {len(spec.folders)} folders for {len(names)} class names")
        present = set(found) & set(spec.folders) if ignore_others else set(found)
        _refuse_difference(set(spec.folders), present, place, hint="`folders` must name every class folder.")
        if len(set(spec.folders)) != len(spec.folders):
            raise LabelError(f"{place}: `folders` names a folder twice")
        return list(spec.folders), names or _as_class_names(spec.folders)
    if names is None:
        return found, _as_class_names(found)
    hint = "Rename the folders, or list the folders' own names in label order as `folders` of the card's source."
    folder_of: dict[str, str] = {}
    for folder in found:
        if (other := folder_of.setdefault(normalise(folder), folder)) != folder:
            raise LabelError(f"{place}: folders {other!r} and {folder!r} have the same class name", hint=hint)
    wanted = {normalise(name): name for name in names}
    if len(wanted) != len(names):
        raise LabelError(f"{place}: two classes of the card have the same name, so folders cannot tell them", hint=hint)
    expected = {folder_of.get(key, name) for key, name in wanted.items()}
    _refuse_difference(expected, set(found) & expected if ignore_others else set(found), place, hint=hint)
    return [folder_of[key] for key in wanted], names


def _as_class_names(folders: Sequence[str]) -> tuple[str, ...]:
    return tuple(readable(folder).replace("_", " ") for folder in folders)


def _ignores_others(spec: SourceSpec, place: str) -> bool:
    asked = spec.options.get("other_folders", "refuse")
    if asked not in ("refuse", "ignore"):
        raise UsageError(f"{place}: other_folders is 'refuse' or 'ignore', not {asked!r}")
    return bool(asked == "ignore")


def _refuse_difference(expected: set[str], found: set[str], place: str, *, hint: str) -> None:
    parts = []
    if absent := sorted(expected - found):
        parts.append(f"{len(absent)} missing: {listing(absent)}")
    if extra := sorted(found - expected):
        parts.append(f"{len(extra)} unexpected: {listing(extra)}")
    if parts:
        raise LabelError(f"{place}: the class folders do not fit the classes ({'; '.join(parts)})", hint=hint)


def _images(folder: Path, prefix: str, above: frozenset[tuple[int, int]]) -> Iterator[str]:
    """The paths below the root of every image in a folder; links back to a folder above are not followed."""
    identity = _identity(folder)
    if identity in above:
        return
    for entry in _entries(folder):
        path = f"{prefix}/{entry.name}"
        if os.path.isdir(entry.path):  # not entry.is_dir(), which raises where a link points to itself
            yield from _images(folder / entry.name, path, above | {identity})
        elif os.path.splitext(entry.name)[1].lower() in IMAGE_EXTENSIONS:
            yield path  # broken links too: they become bad samples that are reported


def _identity(folder: Path) -> tuple[int, int]:
    found = folder.stat()
    return found.st_dev, found.st_ino


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise DataError(f"folder {folder} cannot be read: {error.strerror or error}") from error
