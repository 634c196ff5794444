"""The images of a layout and the mask of each, and every file beside them that is not read."""

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

_MOST_ENDINGS = 3


@dataclass(frozen=True)
class Collected:
    """A layout's samples.

    Attributes:
        images: paths below the folder of images, in the order of the samples.
        masks: of each its mask's, below the folder of masks.
        passed: files that lie beside them and are not read.
    """

    images: tuple[str, ...]
    masks: tuple[str, ...]
    passed: PassedOver = field(default_factory=PassedOver)


@dataclass(frozen=True)
class _Files:
    """Paths below the two folders, sorted.

    Attributes:
        others: files in the folder of masks of which options say that they are none.
        passed: files of either folder that are neither image nor mask.
    """

    images: list[str]
    masks: list[str]
    passed: PassedOver
    others: tuple[str, ...] = ()


def collect(layout: Layout, place: str, *, class_file: str = "") -> Collected | None:
    """Find the files of a layout and pair them.

    Args:
        class_file: the name of the file that states the classes, which is read too.

    Returns:
        None if this is not the dataset: a folder or list that options state is not there, or no mask that they name.

    Raises:
        DataError: options or a list say which images count, and one has no mask or is not there; or names are
            ambiguous.
    """
    if not all(exists(layout.root / part) for part in (layout.images, layout.masks, layout.list)):
        return None
    files = _files(layout, class_file)
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
    """Images and masks that are both alone, and would not be by another ending, are hardly meant to be."""
    others = endings(paired.images, paired.masks)
    several = [(ending, count) for ending, count in others.most_common(_MOST_ENDINGS) if count > 1 or not paired.pairs]
    if several:
        listed = ", ".join(f"{ending} ({count:,})" for ending, count in several)
        raise DataError(
            f"{place}: {len(paired.images):,} of the {len(paired.images) + len(paired.pairs):,} images in "
            f"{layout.root / layout.images} have a mask only by another ending: {listed}",
            hint=f"State it in a card's source, as options: {{mask_suffix: {several[0][0]}}}, or rename the masks.",
        )
    if not paired.pairs:
        raise DataError(
            f"{place}: of the {len(paired.images):,} images in {layout.root / layout.images} and the "
            f"{len(paired.masks):,} masks in {layout.root / layout.masks}, no two have one name; images are "
            f"{listing(paired.images[:3])}; masks are {listing(paired.masks[:3])}",
            hint="Name each mask like its image, or state how their names go on in a card's source, as options: "
            "{image_suffix: …, mask_suffix: …}.",
        )


def _strangers(layout: Layout, images: Sequence[str], others: Sequence[str]) -> list[str]:
    """Of files in the folder of masks that are not read those that say nothing of an image.

    Where options say which masks count, an image's further ones (Cityscapes has five files an image) are left out by
    choice.
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
        raise DataError(f"{file} lists {len(twice)} images more than once: {listing(twice)}")
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
    """Paths by themselves and by their names without endings."""
    found: dict[str, list[str]] = {}
    for path in paths:
        whole, name = composed(path), stem(path)
        for key in (whole,) if whole == name else (whole, name):
            found.setdefault(key, []).append(path)
    return found


def _find(name: str, bare: str, suffix: str | None, paths: dict[str, list[str]], place: str) -> str | None:
    """The file of a listed name, which may have an ending of its own."""
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
    """What is left of a dataset with holes would give another number under the same name."""
    folder = layout.images if what == "image" else layout.masks
    whose = f"listed in {layout.list}" if layout.list else f"in {layout.images or layout.root}"
    return DataError(
        f"{place}: {len(absent):,} of the {count:,} images {whose} have no {what} file in "
        f"{layout.root / folder}: {listing(absent)}",
        hint=None
        if layout.list
        else "If only some images are to be scored, name them in a file and give it as the option `list`.",
    )


def _image_name(layout: Layout, image: str) -> str:
    return image.removesuffix(layout.image_suffix) if layout.image_suffix else os.path.splitext(image)[0]


def _mask_name(layout: Layout, image: str) -> str:
    return f"{_image_name(layout, image)}{layout.mask_suffix or '.png'}"


def _count_beside(layout: Layout, passed: PassedOver) -> None:
    """Files of the system beside the two folders, and images there."""
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
