"""The source ``masks``: images with mask files, such as VOC, ADE20K, Cityscapes, COCO-Stuff, or your own.

``-t masks:PATH`` and cards with ``kind: masks`` use it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vlmbench.cards import SourceSpec
from vlmbench.data.base import ImageDataset, Sample, Source, SourceContext, SourceInfo
from vlmbench.data.formats.masks.class_files import StatedClasses, stated_classes
from vlmbench.data.formats.masks.collect import Collected, collect, has_images
from vlmbench.data.formats.masks.found import files_in, what_lies_in, where_else
from vlmbench.data.formats.masks.layout import OPTIONS as LAYOUT_OPTIONS
from vlmbench.data.formats.masks.layout import Layout, stated_layout, usual_layout
from vlmbench.data.formats.masks.options import OPTIONS as VALUE_OPTIONS
from vlmbench.data.formats.masks.options import mask_values, states_values
from vlmbench.data.formats.masks.palettes import PaletteCheck
from vlmbench.data.formats.masks.stored import stored_mask
from vlmbench.data.formats.masks.two_classes import say_unscored, settled
from vlmbench.data.formats.masks.values import DEFAULT_IGNORED, IGNORE, MaskValues
from vlmbench.data.image_files import read_file, readable
from vlmbench.data.labels import TARGET_WORDS
from vlmbench.data.location import Place, existing_places, files_state, missing
from vlmbench.errors import DataError, LabelError, MissingDataError, NoImagesError

OPTIONS = (*LAYOUT_OPTIONS, *VALUE_OPTIONS)


class MaskFiles:
    """Image files, each with a mask file; see :class:`vlmbench.data.base.MaskDataset`. It keeps only their names.

    A sample's id is the image's path below the folder of images. If no image is here, ``no_images`` says so, and the
    ids are made from the names of the masks.
    """

    templates: tuple[str, ...] | None = None
    ignore_label = IGNORE
    no_images: NoImagesError | None = None

    def __init__(
        self,
        layout: Layout,
        info: SourceInfo,
        collected: Collected,
        values: MaskValues,
        classes: tuple[str, ...] | None = None,
    ) -> None:
        self.info = info
        self.classes = classes
        self.mask_values = str(values)
        self.samples: Sequence[Sample] = [Sample(readable(path), None) for path in collected.images]
        self._root = layout.root
        self._images = [f"{layout.images}/{path}" if layout.images else path for path in collected.images]
        self._masks = [f"{layout.masks}/{path}" if layout.masks else path for path in collected.masks]
        self.mask_names: Sequence[str] = [readable(path) for path in collected.masks]
        self._values = values
        self._assumes_unscored = not values.ignore_stated and values.classes == 2 and values.values is None

    def read(self, index: int) -> bytes:
        return read_file(self._root / self._images[index], self.samples[index].id)

    def read_mask(self, index: int) -> bytes:
        return read_file(self._root / self._masks[index], self.samples[index].id)

    def labels(self, data: bytes, sample_id: str) -> NDArray[np.int64]:
        stored = stored_mask(data, sample_id)
        labels = self._values.labels_of(stored)
        if self._values.colours is None:
            self._palettes.compare(stored)
        if self._assumes_unscored and DEFAULT_IGNORED in stored.held:
            say_unscored(sample_id)
        return labels

    def state(self) -> str:
        files = ((path, self._root / path) for path in (*self._images, *self._masks))
        return files_state(files, salt=self.mask_values)

    @cached_property
    def _palettes(self) -> PaletteCheck:
        """The check against the palette of the first sample's mask."""
        try:
            return PaletteCheck(stored_mask(self.read_mask(0), self.samples[0].id))
        except DataError:  # it is reported when the first sample is read
            return PaletteCheck(None)


def open_source(spec: SourceSpec, context: SourceContext) -> ImageDataset:
    """Open a folder of images and the folder of their masks.

    Without options, the folders are found by usual names (``images`` and ``masks``, ``JPEGImages`` and
    ``SegmentationClass``, ``img`` and ``labels``, …), and files may have any image format. One split of a dataset is
    named as ``<location>/val``, ``<location>/images/val`` or ``<location>/ImageSets/Segmentation/val.txt``, or by
    ``split``. Images without a mask and masks without an image are left out, with a remark. If a file states the
    classes, it is read, see :func:`~vlmbench.data.formats.masks.class_files.stated_classes`.

    Options:

    - ``images``, ``masks``: the two folders.
    - ``image_suffix``, ``mask_suffix``: what follows the name that an image and its mask share. The shared name
      includes folders (``frankfurt/frankfurt_000000_000294`` + ``_leftImg8bit.png`` or ``_gtFine_labelTrainIds.png``).
    - ``list``: a file of shared names, one per line. The samples have its order; without it, all images are used in the
      order of their names.
    - how masks are read, see :func:`~vlmbench.data.formats.masks.options.mask_values`.

    If the options say which files count, an image without a mask is an error. If no file has the name of a mask that
    the options ask for, the dataset counts as missing: the same folders may hold another conversion of it, which
    another source of the card reads.

    Raises:
        MissingDataError: it is in none of the places.
        DataError: some images or masks are missing, names or folders are ambiguous, or the list cannot be read.
        LabelError: the task does not need masks.
        UsageError: an option has a wrong form.
    """
    place = f"{spec.kind} {spec.location!r}"
    if context.target != "mask":
        raise LabelError(f"{place}: it has masks, but the task needs {TARGET_WORDS[context.target]}")
    mask_values(spec, context.classes)  # wrong options are an error also if the data is missing
    there: list[Place] = []
    for found in existing_places(spec, context):
        there.append(found)
        layout = stated_layout(spec, found.path) or usual_layout(spec, found.path)
        if layout is None and context.images_optional and (found.path / "masks").is_dir():
            layout = Layout(found.path, "images", "masks", stated=True)
        if layout is None:
            continue
        stated = _stated_classes(spec, context, layout)
        class_file = stated.file.name if stated else ""
        collected = collect(layout, place, class_file=class_file)
        if collected is not None:
            return _dataset(spec, context, found, layout, collected, stated)
        if context.images_optional and not has_images(layout):
            collected = collect(layout, place, class_file=class_file, without_images=True)
        if collected is not None:
            dataset = _dataset(spec, context, found, layout, collected, stated)
            dataset.no_images = NoImagesError(f"{place}: {layout.root / layout.images} has no images")
            return dataset
    raise _missing(spec, context, there)


SOURCE = Source(open_source, OPTIONS, other_locations=True, split=True)


def _dataset(
    spec: SourceSpec,
    context: SourceContext,
    found: Place,
    layout: Layout,
    collected: Collected,
    stated: StatedClasses | None,
) -> MaskFiles:
    place = f"{spec.kind} {found.location!r}"
    collected.passed.say(place)
    if stated is not None and stated.values is not None:
        values = stated.values
    else:
        count = len(stated.names) if stated is not None and context.classes is None else context.classes
        paths = [layout.root / layout.masks / path for path in collected.masks]
        values = settled(mask_values(spec, count), paths, place)
    info = SourceInfo(spec.kind, found.location, split=spec.split or layout.split or None)
    return MaskFiles(layout, info, collected, values, stated.names if stated else None)


def _stated_classes(spec: SourceSpec, context: SourceContext, layout: Layout) -> StatedClasses | None:
    """The classes that a file beside the folders states; None if there is no such file, or options state values."""
    if not layout.usual or states_values(spec):
        return None
    folders = (layout.root, layout.root / layout.images, layout.root / layout.masks)
    above = [(layout.root / layout.images).parent] if layout.images else []
    return stated_classes((*folders, *above), names_only=context.class_names is None and context.own_names is None)


def _missing(spec: SourceSpec, context: SourceContext, there: Sequence[Place]) -> MissingDataError:
    if any(spec.options.get(name) for name in LAYOUT_OPTIONS):
        stated = Layout(
            Path(),
            spec.options.get("images") or "images",
            spec.options.get("masks") or "masks",
            spec.options.get("list") or "",
            spec.options.get("image_suffix"),
            spec.options.get("mask_suffix"),
        )
        counts = {place.location: files_in(place.path, (stated.images, stated.masks)) for place in there}
        notes = {
            name: f" (it has {found}, but no image and mask with these names)"
            for name, found in counts.items()
            if found
        }
        locations = (spec.location, *spec.other_locations)
        looked_for = [f"{location} with {stated}{notes.get(location, '')}" for location in locations]
        return missing(spec, context, looked_for=looked_for)
    folders = [place.path for place in there if place.path.is_dir()]
    if not folders:
        return missing(spec, context)
    return MissingDataError(
        f"{spec.kind} {spec.location!r}: {folders[0]} has no folder of images with a folder of masks beside it; it "
        f"holds {what_lies_in(folders[0])}",
        hint=where_else(folders[0], spec.kind),
    )
