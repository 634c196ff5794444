"""One folder a class: which folders there are and in which order, for images and for clips alike."""

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

FOLDER_OPTIONS = ("other_folders", "shared")
"""What sources of class folders understand besides their own options, see :func:`find_class_folders`."""


@dataclass(frozen=True)
class ClassFolders:
    """The class folders of a source, in label order.

    Attributes:
        location: the one of the source's locations that is there.
        root: the folder they lie in.
        folders: their names.
        classes: the class names, as many.
        passed: the files that lie beside these folders, and below folders that are no class's. The source adds what
            it passes over in the class folders, and then makes the remark.
    """

    location: str
    root: Path
    folders: tuple[str, ...]
    classes: tuple[str, ...]
    passed: PassedOver


@dataclass(frozen=True)
class Contents:
    """What sources call the things in class folders, for messages.

    Attributes:
        one: "image", "clip".
        article: that goes before it.
        example: a path below the class folder.
        wanted: whether a file's name is one of them.
    """

    one: str
    article: str
    example: str
    wanted: Callable[[str], bool]


def find_class_folders(spec: SourceSpec, context: SourceContext, contents: Contents) -> ClassFolders:
    """The class folders of ``<location>[/<split>]``, matched to the card's classes.

    Hidden folders and those that systems leave behind are no class folders; files that lie in them and beside the
    class folders are counted. Labels come, in this order, from

    1. ``spec.folders``: exactly these folders, in label order;
    2. the card's class names: each folder is one of them after :func:`~vlmbench.data.labels.normalise`;
    3. the sorted folder names, which then are the class names (``_`` read as a blank). Numbers and names that differ
       by a number alone are in the order of these. The user's class names, if there are any, are matched to them by
       :func:`~vlmbench.class_names.own_in_order`.

    Options: ``other_folders: ignore`` (folders that are none of the expected ones are not read; by default they are
    an error); ``shared: true`` (other datasets have a folder of this name too, such as ``val``: one that holds none
    of the expected folders is another's, and counts as not there).

    Raises:
        MissingDataError: there is no such folder.
        LabelError: folders and class names do not fit together, or the task needs more than a class.
        DataError: it is no folder, cannot be read, or holds splits or other parts of a dataset, no classes.
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
    """Refuse class folders of which one holds all samples in folders that seem to be the classes.

    Args:
        paths: of all samples, below the root.

    Raises:
        DataError: names that folder. Not if the card says which folders there are to be.
    """
    if spec.folders is None and context.class_names is None:
        refuse_wrapped(paths, _as_written(found.location, spec), spec.kind)


def _as_written(location: str, spec: SourceSpec) -> str:
    """The folder of class folders, as the user would write it."""
    return location if spec.split is None else f"{location}/{spec.split}"


def tell_of_empty(found: ClassFolders, counts: Sequence[int], place: str, contents: Contents) -> None:
    """Make a remark of class folders without samples.

    Args:
        counts: how many samples each has.
    """
    empty = [folder for folder, count in zip(found.folders, counts, strict=True) if not count]
    if empty:
        one = len(empty) == 1
        say(
            EMPTY_CLASSES,
            f"{len(empty):,} of the {len(found.folders):,} class folders of {place} hold{'s' * one} no {contents.one}",
            brief=f"{len(empty):,} class{'es' * (not one)} without {contents.article} {contents.one}",
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
        f"{name} (there, but with none of the {len(keys)} class folders)" if name in others else name
        for name in (spec.location, *spec.other_locations)
    ]
    raise missing(spec, context, looked_for=notes)


def _class_folders(walk: FolderWalk, place: str, contents: Contents) -> list[str]:
    folders = [entry.name for entry in scan(walk.root) if entry_is_folder(entry)]
    loose = walk.loose_files()
    classes = sorted(name for name in folders if not is_junk_folder(name))
    if not classes:
        what = (
            f"{len(loose)} {contents.one}s directly in it and no class folders" if loose else "no class folders in it"
        )
        raise LabelError(
            f"{place}: {walk.root} has {what}",
            hint=f"Expected: {walk.root}/<class name>/{contents.example}, one folder a class.",
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
            raise LabelError(f"{place}: {len(spec.folders)} folders for {len(names)} class names")
        present = set(found) & set(spec.folders) if ignore_others else set(found)
        _refuse_difference(set(spec.folders), present, place, hint="`folders` must name every class folder.")
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
        raise LabelError(f"{place}: two classes of the card have the same name, so folders cannot tell them", hint=hint)
    expected = {folder_of.get(key, name) for key, name in wanted.items()}
    _refuse_difference(expected, set(found) & expected if ignore_others else set(found), place, hint=hint)
    return [folder_of[key] for key in wanted], names


def folder_classes(names: tuple[str, ...], context: SourceContext, place: str) -> tuple[str, ...]:
    """The class names of folders that no card names: the user's, each for its folder, else the folders' own.

    Args:
        names: the folders' own, in label order.

    Raises:
        LabelError: some of the user's names are those of folders, and others are not.
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
        raise LabelError(f"{place}: the class folders do not fit the classes ({'; '.join(parts)})", hint=hint)
