"""Images and their masks in two folders, paired by name: VOC, ADE20K, Cityscapes, COCO-Stuff and one's own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlmbench.cards import SourceSpec
from vlmbench.data.base import ImageDataset, Sample, Source, SourceContext, SourceInfo
from vlmbench.data.formats.mask_values import IGNORE, MaskValues, mask_values
from vlmbench.data.formats.mask_values import OPTIONS as VALUE_OPTIONS
from vlmbench.data.image_files import read_file, readable
from vlmbench.data.labels import TARGET_WORDS, listing
from vlmbench.data.location import existing_places, exists, files_state, missing, read_text
from vlmbench.errors import DataError, LabelError, UsageError

OPTIONS = ("images", "masks", "list", "image_suffix", "mask_suffix", *VALUE_OPTIONS)


@dataclass(frozen=True)
class Layout:
    """Where images and masks lie below a dataset's folder.

    Attributes:
        list: the file of names that a split has; None: every image.
        image_suffix: how an image's file goes on behind the name.
        mask_suffix: how a mask's does.
    """

    images: str
    masks: str
    list: str | None
    image_suffix: str
    mask_suffix: str

    def __str__(self) -> str:
        listed = f" and {self.list}" if self.list else ""
        return f"{self.images}/*{self.image_suffix}, {self.masks}/*{self.mask_suffix}{listed}"


class MaskFiles:
    """Image files with a mask file each; see :class:`vlmbench.data.base.MaskDataset`. Holds their names only.

    Args:
        names: of the samples, without suffixes; with its suffix, an image's is its id.
    """

    classes: tuple[str, ...] | None = None
    templates: tuple[str, ...] | None = None
    ignore_label = IGNORE

    def __init__(self, root: Path, info: SourceInfo, layout: Layout, names: Sequence[str], values: MaskValues) -> None:
        self.info = info
        self.mask_values = str(values)
        self.samples: Sequence[Sample] = [Sample(readable(name + layout.image_suffix), None) for name in names]
        self._root = root
        self._images = [f"{layout.images}/{name}{layout.image_suffix}" for name in names]
        self._masks = [f"{layout.masks}/{name}{layout.mask_suffix}" for name in names]
        self._values = values

    def read(self, index: int) -> bytes:
        return read_file(self._root / self._images[index], self.samples[index].id)

    def read_mask(self, index: int) -> bytes:
        return read_file(self._root / self._masks[index], self.samples[index].id)

    def labels(self, data: bytes, sample_id: str) -> NDArray[np.int64]:
        return self._values.labels(data, sample_id)

    def state(self) -> str:
        files = ((path, self._root / path) for path in (*self._images, *self._masks))
        return files_state(files, salt=self.mask_values)


def open_source(spec: SourceSpec, context: SourceContext) -> ImageDataset:
    """Open the images of ``<location>/<images>`` that have their masks in ``<location>/<masks>``.

    Options: ``images`` and ``masks``, the two folders (by default these very names); ``image_suffix`` (``.jpg``) and
    ``mask_suffix`` (``.png``), what follows the name that both share, folders included
    (``frankfurt/frankfurt_000000_000294`` + ``_leftImg8bit.png``, ``_gtFine_labelTrainIds.png``); ``list``, a file of
    such names, one a line, in whose order samples come; without it, all images in the order of their names; and how
    masks are read: see :func:`~vlmbench.data.formats.mask_values.mask_values`.

    A place without a single mask of this name does not count as the dataset: the same folders may hold another
    conversion, which another source of the card reads.

    Raises:
        MissingDataError: it is in none of the places.
        DataError: some images or masks are missing, or the list cannot be read.
        LabelError: the task needs no masks.
        UsageError: an option is of the wrong form.
    """
    place = f"{spec.kind} {spec.location!r}"
    if context.target != "mask":
        raise LabelError(f"{place}: it has masks, but the task needs {TARGET_WORDS[context.target]}")
    layout, values = _layout(spec, place), mask_values(spec, context.class_names)
    for found in existing_places(spec, context):
        if (names := _names(found.path, layout)) is not None:
            _check_complete(found.path, layout, names, place)
            return MaskFiles(found.path, SourceInfo(spec.kind, found.location), layout, names, values)
    layouts = [f"{location} with {layout}" for location in (spec.location, *spec.other_locations)]
    raise missing(spec, context, looked_for=layouts)


SOURCE = Source(open_source, OPTIONS, other_locations=True)


def _layout(spec: SourceSpec, place: str) -> Layout:
    usual = {"images": "images", "masks": "masks", "image_suffix": ".jpg", "mask_suffix": ".png", "list": None}
    chosen: dict[str, Any] = {name: spec.options.get(name, default) for name, default in usual.items()}
    for name, value in chosen.items():
        if not isinstance(value, str) and not (name == "list" and value is None):
            raise UsageError(f"{place}: {name} is a name, not {value!r}")
    return Layout(**chosen)


def _names(root: Path, layout: Layout) -> list[str] | None:
    """The names of the samples; None where this is not the place: no folders, no list, or no such mask."""
    folders = [root / layout.images, root / layout.masks]
    listed = root / layout.list if layout.list else None
    if not all(exists(path) for path in (*folders, *([listed] if listed else []))):
        return None
    names = _listed(listed, layout) if listed else _all(folders[0], layout.image_suffix)
    return names if any(exists(_mask(root, layout, name)) for name in names) else None


def _listed(file: Path, layout: Layout) -> list[str]:
    lines = [line.strip() for line in read_text(file).splitlines()]
    names = [line.removesuffix(layout.image_suffix) for line in lines if line]
    if not names:
        raise DataError(f"{file} lists no images")
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise DataError(f"{file} lists {len(twice)} images more than once: {listing(twice)}")
    return names


def _all(folder: Path, suffix: str) -> list[str]:
    files = (path for path in folder.rglob(f"*{suffix}") if not path.name.startswith("."))  # macOS leaves ._x.jpg
    return sorted(path.relative_to(folder).as_posix().removesuffix(suffix) for path in files)


def _mask(root: Path, layout: Layout, name: str) -> Path:
    return root / layout.masks / f"{name}{layout.mask_suffix}"


def _check_complete(root: Path, layout: Layout, names: Sequence[str], place: str) -> None:
    """Refuse a dataset with holes: what is left would give another number under the same name."""
    for what, folder, suffix in (
        ("image", layout.images, layout.image_suffix),
        ("mask", layout.masks, layout.mask_suffix),
    ):
        absent = [f"{name}{suffix}" for name in names if not exists(root / folder / f"{name}{suffix}")]
        if absent:
            whose = f"listed in {layout.list}" if layout.list else f"in {layout.images}"
            raise DataError(
                f"{place}: {len(absent):,} of the {len(names):,} images {whose} have no {what} file in "
                f"{root / folder}: {listing(absent)}",
                hint=None
                if layout.list
                else "If only some images are to be scored, name them in a file and give it as the option `list`.",
            )
