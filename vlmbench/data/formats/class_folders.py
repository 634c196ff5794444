"""Finds the class folders of a dataset with one folder per class, and the order of their labels.

The sources of images and of clips in class folders use it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vlmbench.cards import SourceSpec
from vlmbench.class_ids import has_wordnet_ids, words_of
from vlmbench.class_names import are_counted, label_order, numbers_of, own_in_order
from vlmbench.data.base import SourceContext
from vlmbench.data.formats.folder_walk import (
    FolderWalk,
    PassedOver,
    entry_is_folder,
    is_junk_folder,
    scan,
    subfolders,
)
from vlmbench.data.formats.split_folders import refuse_parts, refuse_splits, refuse_wrapped
from vlmbench.data.image_files import readable
from vlmbench.data.labels import TARGET_WORDS, listing, normalise
from vlmbench.data.location import existing_places, exists, find_local, missing
from vlmbench.errors import DataError, LabelError, MissingDataError, UsageError
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import EMPTY_CLASSES
from vlmbench.wording import counted, either

FOLDER_OPTIONS = ("other_folders", "shared")
"""Options that every source of class folders has, see :func:`find_class_folders`."""


@dataclass(frozen=True)
class ClassFolders:
    """The class folders of a source, in label order.

    Attributes:
        location: the source's location that was found.
        root: the folder that holds the class folders.
        folders: the names of the class folders.
        classes: the class name of each folder.
        passed: the files beside the class folders and in folders that are not classes. The source adds the files in
            class folders that it does not read, and then makes the remark.
    """

    location: str
    root: Path
    folders: tuple[str, ...]
    classes: tuple[str, ...]
    passed: PassedOver


@dataclass(frozen=True)
class Contents:
    """What a source reads in class folders, and the words for it in messages.

    Attributes:
        one: "image" or "clip".
        article: "an" or "a".
        example: a path of one below the class folder.
        wanted: whether a file of this name is one.
    """

    one: str
    article: str
    example: str
    wanted: Callable[[str], bool]


def find_class_folders(spec: SourceSpec, context: SourceContext, contents: Contents) -> ClassFolders:
    """Find the class folders in ``<location>[/<split>]`` and match them to the card's classes.

    Hidden folders and system folders are not class folders. The files in them and beside the class folders are counted
    as passed over. The labels come from the first of these that is given:

    1. ``spec.folders``: exactly these folders, in label order;
    2. the card's class names: each must be a folder's name after :func:`~vlmbench.data.labels.normalise`;
    3. the sorted folder names, which are then the class names (``_`` is read as a space). Names that differ only in a
       number are in the order of their numbers. If the user gives class names, they are matched to the folders by
       :func:`~vlmbench.class_names.own_in_order`.

    Options: with ``other_folders: ignore``, unexpected folders are not read (by default, they are an error). With
    ``shared: true``, a folder that holds none of the expected class folders belongs to another dataset and counts as
    missing (for names that many datasets use, such as ``val``).

    Raises:
        MissingDataError: there is no such folder.
        LabelError: folders and class names do not match, or the task needs other targets than one class.
        DataError: it is not a folder, cannot be read, or holds splits or other parts of a dataset instead of classes.
    """
    place = f"{spec.kind} {spec.location!r}"
    if context.target != "class":
        raise LabelError(
            f"{place}: a folder gives each {contents.one} one class, but the task needs {TARGET_WORDS[context.target]}"
        )
    location, root = _find(spec, context, place)
    walk = FolderWalk(root, contents.wanted)
    there = _class_folders(walk, place, contents)
    expected = {normalise(name) for name in spec.folders or context.class_names or context.own_names or ()}
    if not any(normalise(name) in expected for name in there):
        refuse_splits(root, there, _as_written(location, spec), spec.kind)
        refuse_parts(root, there, _as_written(location, spec), spec.kind)
    folders, classes = _label_order(there, spec, context, place)
    return ClassFolders(location, root, tuple(folders), classes, walk.passed)


def refuse_other_levels(paths: Sequence[str], found: ClassFolders, spec: SourceSpec, context: SourceContext) -> None:
    """Refuse class folders if one of them holds all samples, in folders that seem to be the classes.

    It is allowed if the card names the folders or the classes.

    Args:
        paths: the paths of all samples, below the root.

    Raises:
        DataError: names the folder that seems to hold the classes.
    """
    if spec.folders is None and context.class_names is None:
        refuse_wrapped(paths, _as_written(found.location, spec), spec.kind)


def without_samples(found: ClassFolders, contents: Contents, place: str, hint: str) -> DataError:
    """The error for class folders that hold no samples. It counts the files that were passed over."""
    passed = f"; files passed over: {found.passed.reasons_in_words}" if found.passed.count else ""
    folders = counted(len(found.folders), "class folder")
    return DataError(f"{place}: no {contents.one}s in the {folders} of {found.root}{passed}", hint=hint)


def _as_written(location: str, spec: SourceSpec) -> str:
    """The folder that holds the class folders, as the user would write it."""
    return location if spec.split is None else f"{location}/{spec.split}"


def tell_of_empty(found: ClassFolders, counts: Sequence[int], place: str, contents: Contents) -> None:
    """Make a remark about class folders without samples.

    Args:
        counts: the number of samples in each class folder.
    """
    empty = [folder for folder, count in zip(found.folders, counts, strict=True) if not count]
    if empty:
        say(
            EMPTY_CLASSES,
            f"{len(empty):,} of the {len(found.folders):,} class folders of {place} "
            f"{either(len(empty), 'holds', 'hold')} no {contents.one}",
            brief=f"{counted(len(empty), 'class', 'classes')} without {contents.article} {contents.one}",
            count=len(empty),
            examples=map(readable, empty),
        )


def _find(spec: SourceSpec, context: SourceContext, place: str) -> tuple[str, Path]:
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
        names = subfolders(root)
        if any((name if spec.folders is not None else normalise(name)) in keys for name in names):
            return found.location, root
        others.append(found.location)
    notes = [
        f"{name} (it exists, but has none of the {len(keys):,} class folders)" if name in others else name
        for name in (spec.location, *spec.other_locations)
    ]
    raise missing(spec, context, looked_for=notes)


def _class_folders(walk: FolderWalk, place: str, contents: Contents) -> list[str]:
    folders = [entry.name for entry in scan(walk.root) if entry_is_folder(entry)]
    loose = walk.loose_files()
    classes = sorted(name for name in folders if not is_junk_folder(name))
    if not classes:
        beside = f", but {counted(len(loose), contents.one)} directly in it" if loose else ""
        raise LabelError(
            f"{place}: {walk.root} has no class folders{beside}",
            hint=f"Expected: {walk.root}/<class name>/{contents.example}, one folder per class.",
        )
    for name in loose:
        walk.passed.add("beside the class folders", name)
    for name in folders:
        if is_junk_folder(name):
            walk.junk(name)
    return classes


def _label_order(
    found: list[str], spec: SourceSpec, context: SourceContext, place: str
) -> tuple[list[str], tuple[str, ...]]:
    names = context.class_names
    ignore_others = _ignores_others(spec, place)
    if spec.folders is not None:
        if names is not None and len(names) != len(spec.folders):
            raise LabelError(
                f"{place}: the card has {counted(len(spec.folders), 'folder')} for {counted(len(names), 'class name')}"
            )
        present = set(found) & set(spec.folders) if ignore_others else set(found)
        _refuse_difference(set(spec.folders), present, place, hint="The card's `folders` must name every class folder.")
        if len(set(spec.folders)) != len(spec.folders):
            raise LabelError(f"{place}: `folders` names a folder twice")
        return list(spec.folders), names or _as_class_names(spec.folders)
    if names is None:
        folders = label_order(found)
        return folders, folder_classes(_as_class_names(folders), context, place)
    hint = "Rename the folders, or list the folders' own names in label order as `folders` of the card's source."
    folder_of: dict[str, str] = {}
    for folder in found:
        if (other := folder_of.setdefault(normalise(folder), folder)) != folder:
            raise LabelError(f"{place}: folders {other!r} and {folder!r} have the same class name", hint=hint)
    wanted = {normalise(name): name for name in names}
    if len(wanted) != len(names):
        raise LabelError(f"{place}: two classes of the card have the same name, so no folder can be matched", hint=hint)
    expected = {folder_of.get(key, name) for key, name in wanted.items()}
    _refuse_difference(expected, set(found) & expected if ignore_others else set(found), place, hint=hint)
    return [folder_of[key] for key in wanted], names


def folder_classes(names: tuple[str, ...], context: SourceContext, place: str) -> tuple[str, ...]:
    """The class names of folders, if no card names the classes: the user's, or else the names of the folders.

    Args:
        names: the names of the folders, in label order.

    Raises:
        LabelError: some of the names that the user gives match folders, and others do not.
    """
    if context.own_names is None:
        return names
    words = words_of(names)
    order_stated = has_wordnet_ids(names) or are_counted(numbers_of(names))
    own = own_in_order(context.own_names, words, place=place, order_stated=order_stated)
    return own if len(own) == len(names) else names


def _as_class_names(folders: Sequence[str]) -> tuple[str, ...]:
    return tuple(folder.replace("_", " ") for folder in folders)


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
        raise LabelError(f"{place}: the class folders do not match the classes ({'; '.join(parts)})", hint=hint)
