"""Finds the images of a dataset and the mask of each image, and counts every other file.

The source ``masks`` uses it.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from vlmbench.data.formats.folder_walk import (
    FolderWalk,
    PassedOver,
    entry_is_folder,
    is_junk_file,
    is_junk_folder,
    scan,
)
from vlmbench.data.formats.image_suffixes import is_image_name
from vlmbench.data.formats.masks.layout import Layout
from vlmbench.data.formats.masks.names import Pairing, composed, endings, masks_among, pair_by_name, starts, stem
from vlmbench.data.labels import listing
from vlmbench.data.location import exists, read_text
from vlmbench.errors import DataError
from vlmbench.wording import counted, either, listed

_MOST_ENDINGS = 3
_USUAL_IMAGE = ".jpg"
"""The ending of an image whose name is not stated."""


@dataclass(frozen=True)
class Collected:
    """The samples of a dataset.

    Attributes:
        images: the images' paths below the folder of images, in the order of the samples.
        masks: the path of each image's mask, below the folder of masks.
        passed: counts the files beside them that are not read.
    """

    images: tuple[str, ...]
    masks: tuple[str, ...]
    passed: PassedOver = field(default_factory=PassedOver)


@dataclass(frozen=True)
class _Files:
    """The files in the folders of images and masks, as sorted paths below them.

    Attributes:
        others: files in the folder of masks that are not masks, according to the options.
        passed: counts the files of both folders that are neither images nor masks.
    """

    images: list[str]
    masks: list[str]
    passed: PassedOver
    others: tuple[str, ...] = ()


def collect(layout: Layout, place: str, *, class_file: str = "", without_images: bool = False) -> Collected | None:
    """Find the images and masks of a layout and pair them.

    Args:
        class_file: the name of the file that states the classes; it is not counted as passed over.
        without_images: take the names of the images from those of the masks, because the images are not here.

    Returns:
        None if the dataset is not here: a folder or list that the options name does not exist, or no file has the name
        of a mask that they ask for.

    Raises:
        DataError: the options or a list say which images count, but an image or its mask is missing; or names are
            ambiguous.
    """
    needed = (layout.masks, layout.list) if without_images else (layout.images, layout.masks, layout.list)
    if not all(exists(layout.root / part) for part in needed):
        return None
    files = _of_masks(layout) if without_images else _files(layout, class_file)
    if layout.list:
        return _listed(layout, files, place)
    paired = _pairing(layout, files, place)
    if not paired.pairs and layout.stated:
        return None
    _refuse_other_endings(paired, layout, place)
    if paired.images and layout.stated:
        raise _incomplete(
            layout, "mask", [_mask_name(layout, path) for path in paired.images], len(files.images), place
        )
    passed = files.passed
    for path in paired.images:
        passed.add("without a mask", _below(layout.images, path))
    for path in _strangers(layout, files.images, [*paired.masks, *files.others]):
        if is_image_name(path):
            passed.add("without an image", _below(layout.masks, path))
        else:
            passed.add_suffix(_below(layout.masks, path))
    _count_beside(layout, passed)
    return Collected(tuple(image for image, _ in paired.pairs), tuple(mask for _, mask in paired.pairs), passed)


def _files(layout: Layout, class_file: str) -> _Files:
    passed, image_suffix, mask_suffix = PassedOver(), layout.image_suffix, layout.mask_suffix

    def is_image(name: str) -> bool:
        return is_image_name(name) if image_suffix is None else name.endswith(image_suffix)

    def is_mask(name: str) -> bool:
        return is_image_name(name) if mask_suffix is None else name.endswith(mask_suffix)

    def walked(folder: str, other: str, wanted: Callable[[str], bool]) -> list[str]:
        apart = frozenset((other,)) - {folder}
        walk = FolderWalk(layout.root, lambda name: wanted(name) or name == class_file, passed, apart)
        paths = (path.removeprefix(f"{folder}/") if folder else path for path in walk.files(folder))
        return [path for path in paths if not class_file or path.rpartition("/")[2] != class_file]

    if layout.images != layout.masks:
        images = walked(layout.images, layout.masks, is_image)
        if not layout.stated:
            return _Files(images, walked(layout.masks, layout.images, is_mask), passed)
        every = walked(layout.masks, layout.images, lambda _: True)
        masks = [path for path in every if is_mask(path)]
        return _Files(images, masks, passed, tuple(sorted({*every} - {*masks})))
    every = walked(layout.images, layout.images, lambda name: is_image(name) or is_mask(name))
    if mask_suffix is not None:
        masks = [path for path in every if path.endswith(mask_suffix)]
    else:
        masks = [path for own in _by_folder(every) for path in masks_among(own)]
    return _Files(sorted({*every} - {*masks}), sorted(masks), passed)


def has_images(layout: Layout) -> bool:
    """Whether there is any image in the layout's folder of images."""
    names = (name for _, _, files in os.walk(layout.root / layout.images) for name in files)
    return layout.images == layout.masks or any(is_image_name(name) and not is_junk_file(name) for name in names)


def _of_masks(layout: Layout) -> _Files:
    """The masks, and the names that their images would have."""
    passed, suffix = PassedOver(), layout.mask_suffix
    walk = FolderWalk(layout.root, lambda name: name.endswith(suffix) if suffix else is_image_name(name), passed)
    masks = [path.removeprefix(f"{layout.masks}/") if layout.masks else path for path in walk.files(layout.masks)]
    bare = [path.removesuffix(suffix) if suffix else os.path.splitext(path)[0] for path in masks]
    return _Files([f"{name}{layout.image_suffix or _USUAL_IMAGE}" for name in bare], masks, passed)


def _by_folder(paths: Sequence[str]) -> list[list[str]]:
    found: dict[str, list[str]] = {}
    for path in paths:
        found.setdefault(path.rpartition("/")[0], []).append(path)
    return list(found.values())


def _pairing(layout: Layout, files: _Files, place: str) -> Pairing:
    if layout.mask_suffix is None:
        return pair_by_name(files.images, files.masks, place, thorough=layout.usual)
    masks = {composed(path): path for path in files.masks}
    found = {path: masks.get(composed(_mask_name(layout, path))) for path in files.images}
    pairs = tuple((image, mask) for image, mask in found.items() if mask is not None)
    used = {mask for _, mask in pairs}
    return Pairing(pairs, tuple(path for path, mask in found.items() if mask is None), tuple({*files.masks} - used))


def _refuse_other_endings(paired: Pairing, layout: Layout, place: str) -> None:
    """Refuse images without a mask if masks exist whose names are the images' names with another ending."""
    others = endings(paired.images, paired.masks)
    several = [(ending, count) for ending, count in others.most_common(_MOST_ENDINGS) if count > 1 or not paired.pairs]
    if several:
        every = counted(len(paired.images) + len(paired.pairs), "image")
        raise DataError(
            f"{place}: {len(paired.images):,} of the {every} in {layout.root / layout.images} "
            f"{either(len(paired.images), 'has', 'have')} no mask, unless the names of masks end in another way: "
            f"{listed([f'{ending} ({count:,})' for ending, count in several], 'or')}",
            hint=f"State the ending in a card's source, as options: {{mask_suffix: {several[0][0]}}}, or rename the "
            "masks.",
        )
    if not paired.pairs:
        raise DataError(
            f"{place}: no mask has the name of an image: there are {counted(len(paired.images), 'image')} in "
            f"{layout.root / layout.images}, such as {listing(paired.images[:3])}, and "
            f"{counted(len(paired.masks), 'mask')} in {layout.root / layout.masks}, such as "
            f"{listing(paired.masks[:3])}",
            hint="Name each mask like its image, or state how their names end in a card's source, as options: "
            "{image_suffix: …, mask_suffix: …}.",
        )


def _strangers(layout: Layout, images: Sequence[str], others: Sequence[str]) -> list[str]:
    """The files in the folder of masks that do not belong to any image.

    If the options say which masks count, an image's other files (Cityscapes has five files per image) are left out on
    purpose and not counted.
    """
    if not layout.stated:
        return list(others)
    known = {composed(_image_name(layout, path)) for path in images}
    return [path for path in others if not any(start in known for start in starts(composed(path)))]


def _listed(layout: Layout, files: _Files, place: str) -> Collected | None:
    file = layout.root / layout.list
    names = [line.strip() for line in read_text(file).splitlines() if line.strip()]
    if not names:
        raise DataError(f"{file} lists no images")
    images, masks = _index(files.images), _index(files.masks)
    bare = [name.removesuffix(layout.image_suffix or ".jpg") for name in names]
    if twice := [name for name, count in Counter(bare).items() if count > 1]:
        raise DataError(f"{file} lists {counted(len(twice), 'image')} more than once: {listing(twice)}")
    found = [_find(*each, layout.image_suffix, images, place) for each in zip(names, bare, strict=True)]
    of_found = [_find(*each, layout.mask_suffix, masks, place) for each in zip(names, bare, strict=True)]
    if layout.usual and layout.mask_suffix is None and None in of_found:
        lone = [image for image, mask in zip(found, of_found, strict=True) if image is not None and mask is None]
        more = dict(pair_by_name(lone, sorted({*files.masks} - {*of_found}), place, thorough=True).pairs)
        of_found = [mask or more.get(image or "") for image, mask in zip(found, of_found, strict=True)]
    if not any(of_found):
        return None
    for what, suffix, each in (
        ("image", layout.image_suffix or ".jpg", found),
        ("mask", layout.mask_suffix or ".png", of_found),
    ):
        if absent := [f"{name}{suffix}" for name, path in zip(bare, each, strict=True) if path is None]:
            raise _incomplete(layout, what, absent, len(names), place)
    return Collected(tuple(path for path in found if path), tuple(path for path in of_found if path))


def _index(paths: Sequence[str]) -> dict[str, list[str]]:
    """Paths by their full names, and by their names without endings."""
    found: dict[str, list[str]] = {}
    for path in paths:
        whole, name = composed(path), stem(path)
        for key in (whole,) if whole == name else (whole, name):
            found.setdefault(key, []).append(path)
    return found


def _find(name: str, bare: str, suffix: str | None, paths: dict[str, list[str]], place: str) -> str | None:
    """The file with a listed name, which may be listed with or without an ending; None if there is no such file."""
    endless = os.path.splitext(name)[0] if is_image_name(name) else name
    for key in (f"{bare}{suffix}",) if suffix is not None else (name, endless):
        there = paths.get(composed(key), [])
        if len(there) > 1:
            raise DataError(
                f"{place}: {len(there)} files have the listed name {name}: {listing(there)}",
                hint="Keep one of them, or list it with its ending.",
            )
        if there:
            return there[0]
    return None


def _incomplete(layout: Layout, what: str, absent: Sequence[str], count: int, place: str) -> DataError:
    """The error for missing files: the remaining samples would give another number under the dataset's name."""
    folder = layout.images if what == "image" else layout.masks
    whose = f"listed in {layout.list}" if layout.list else f"in {layout.images or layout.root}"
    return DataError(
        f"{place}: {len(absent):,} of the {count:,} images {whose} {either(len(absent), 'has', 'have')} no "
        f"{what} file in {layout.root / folder}: {listing(absent)}",
        hint=None
        if layout.list
        else "To score only some images, list their names in a file and give it as the option `list`.",
    )


def _image_name(layout: Layout, image: str) -> str:
    return image.removesuffix(layout.image_suffix) if layout.image_suffix else os.path.splitext(image)[0]


def _mask_name(layout: Layout, image: str) -> str:
    return f"{_image_name(layout, image)}{layout.mask_suffix or '.png'}"


def _count_beside(layout: Layout, passed: PassedOver) -> None:
    """Count hidden files, system files and images beside the two folders as passed over."""
    if not (layout.images and layout.masks):
        return
    walk = FolderWalk(layout.root, is_image_name, passed)
    for entry in scan(layout.root):
        if entry_is_folder(entry):
            if is_junk_folder(entry.name):
                walk.junk(entry.name)
        elif is_junk_file(entry.name):
            passed.add("hidden" if entry.name.startswith(".") else "of the system's", entry.name)
        elif is_image_name(entry.name):
            passed.add("beside the folders", entry.name)


def _below(folder: str, path: str) -> str:
    return f"{folder}/{path}" if folder else path
