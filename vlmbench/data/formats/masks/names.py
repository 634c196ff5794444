"""Pairs images with their masks by the names of the files. The source ``masks`` uses it."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from vlmbench.data.labels import listing
from vlmbench.errors import DataError
from vlmbench.wording import counted, either, listed

_OF_BOTH = frozenset(
    ("image", "img", "images", "imgs", "photo", "picture", "pic", "rgb", "sat", "leftimg8bit", "input")
)
_OF_MASKS = frozenset(
    (
        *("mask", "masks", "m", "label", "labels", "labelid", "labelids", "labeltrainid", "labeltrainids", "lbl", "l"),
        *("gt", "gtfine", "gtcoarse", "groundtruth", "truth", "seg", "segm", "segmentation", "semantic", "segmask"),
        *("annotation", "annotations", "anno", "annot", "ann", "target"),
    )
)
_ENDINGS = frozenset(("png", "jpg", "jpeg", "tif", "tiff", "bmp"))
"""Words before or after the name that an image and its mask share. A mask's name may contain the image's ending, such
as ``x.jpg.png``."""
_FIRST, _LAST = _OF_BOTH | _OF_MASKS, _OF_MASKS | _ENDINGS
_SEPARATOR = re.compile(r"[_\-. ]+")
_MOST_ENDINGS = 4


@dataclass(frozen=True)
class Pairing:
    """Paired images and masks, as paths below their folders.

    Attributes:
        pairs: (image, mask), in the order of the images' names.
        images: the images without a mask.
        masks: the masks without an image.
    """

    pairs: tuple[tuple[str, str], ...]
    images: tuple[str, ...]
    masks: tuple[str, ...]


def stem(path: str) -> str:
    """A path without the ending of its file, in composed characters (NFC), because some systems decompose them."""
    return composed(os.path.splitext(path)[0])


def composed(path: str) -> str:
    """A path in composed characters (NFC)."""
    return path if path.isascii() else unicodedata.normalize("NFC", path)


def bare_image(path: str) -> str:
    """An image's path in lower case, without words that mean "image": ``x`` for ``image_x.jpg``."""
    return _without(path, _OF_BOTH, _OF_BOTH)[-1]


def bare_mask(path: str, images: Container[str]) -> str:
    """A mask's path in lower case, without words that mean "mask": ``x`` for ``x_mask.png``.

    Args:
        images: the names of the images in lower case. Words are removed one by one until the name is one of them; if it
            never is, all of them are removed.
    """
    shorter = [*_without(path, frozenset(), _LAST), *_without(path, _FIRST, _FIRST | _LAST)]
    return next((name for name in shorter if name in images), shorter[-1])


def masks_among(names: Sequence[str]) -> list[str]:
    """The sorted names of the masks in a folder of images and masks: ``x_mask.png`` beside ``x.jpg``."""
    called = {name for path in names for name in (stem(path).casefold(), bare_image(path))}

    def is_mask(path: str) -> bool:
        shorter = {*_without(path, frozenset(), _OF_MASKS)[1:], *_without(path, _FIRST, _FIRST)[1:]}
        return any(name in called for name in shorter - {bare_image(path)})

    return sorted(path for path in names if is_mask(path))


def _without(path: str, first: Container[str], last: Container[str]) -> list[str]:
    """A path, then without its last word, without its last two, and so on; then also without its first words.

    Only words in ``first`` and ``last`` are left out.
    """
    folder, _, name = stem(path).casefold().rpartition("/")
    found = [name]
    while (parts := _SEPARATOR.split(found[-1]))[1:] and parts[-1] in last:
        found.append(found[-1][: -len(parts[-1])].rstrip("_-. "))
    while (parts := _SEPARATOR.split(found[-1]))[1:] and parts[0] in first:
        found.append(found[-1][len(parts[0]) :].lstrip("_-. "))
    return [f"{folder}/{each}" if folder else each for each in found]


def pair_by_name(images: Sequence[str], masks: Sequence[str], place: str, *, thorough: bool) -> Pairing:
    """Pair every image with the mask that has its name. File endings may differ.

    Args:
        place: the source, for messages.
        thorough: names that differ in letter case, or in words such as ``_mask`` and ``_gt``, are the same name, too.

    Raises:
        DataError: two images share a name with a mask, or two masks share a name with an image.
    """
    lone = list(images), list(masks)
    found = _step(lone, stem, stem, place, exact=True)
    for of_image in (lambda path: stem(path).casefold(), bare_image) if thorough else ():
        called = {of_image(path) for path in lone[0]}
        found |= _step(lone, of_image, partial(bare_mask, images=called), place)
    return Pairing(tuple(sorted(found.items())), tuple(sorted(lone[0])), tuple(sorted(lone[1])))


def _step(
    lone: tuple[list[str], list[str]],
    of_image: Callable[[str], str],
    of_mask: Callable[[str], str],
    place: str,
    *,
    exact: bool = False,
) -> dict[str, str]:
    """Pair images and masks that have no partner yet, and remove the pairs from ``lone``."""
    images, masks = _grouped(lone[0], of_image), _grouped(lone[1], of_mask)
    both = sorted(images.keys() & masks.keys())
    if exact and (twice := [path for name in both for path in images[name] if len(images[name]) > 1]):
        raise DataError(
            f"{place}: {len(twice):,} images have the same names, except the endings, and a mask cannot belong to "
            f"several images: {listing(sorted(twice))}",
            hint="Keep one image of each name.",
        )
    if several := {name: masks[name] for name in both if len(masks[name]) > 1 and len(images[name]) == 1}:
        raise _ambiguous(several, place)
    found = {images[name][0]: masks[name][0] for name in both if len(images[name]) == 1}
    taken = set(found.values())
    lone[0][:] = [path for path in lone[0] if path not in found]
    lone[1][:] = [path for path in lone[1] if path not in taken]
    return found


def _ambiguous(several: dict[str, list[str]], place: str) -> DataError:
    after = Counter(_ending_after(name, path) for name, paths in several.items() for path in paths)
    found = [f"{ending} ({counted(count, 'mask')})" for ending, count in after.most_common(_MOST_ENDINGS)]
    return DataError(
        f"{place}: {counted(len(several), 'image')} {either(len(several), 'has', 'have')} several masks with matching "
        f"names, such as {listing(next(iter(several.values())))}",
        hint="State the ending of the masks to use in a card's source, as options: {mask_suffix: …}. There are "
        f"{listed(found)}.",
    )


def _ending_after(name: str, path: str) -> str:
    base, file = name.rpartition("/")[2], path.rpartition("/")[2]
    place = file.casefold().find(base.casefold())
    return file[place + len(base) :] if place >= 0 else file


def _grouped(paths: Iterable[str], key: Callable[[str], str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        groups[key(path)].append(path)
    return groups


def endings(images: Sequence[str], masks: Sequence[str]) -> Counter[str]:
    """What follows an image's name in the names of masks, with the number of masks: candidates for ``mask_suffix``."""
    stems = {stem(path) for path in images}
    found: Counter[str] = Counter()
    for path in masks:
        whole = composed(path)
        if start := next((start for start in starts(whole) if start in stems), ""):
            found[whole[len(start) :]] += 1
    return found


def starts(path: str) -> Iterator[str]:
    """The beginnings of a path, each up to a character that is neither letter nor digit, the longest first."""
    return (path[:place] for place in range(len(path) - 1, 0, -1) if not path[place].isalnum())
