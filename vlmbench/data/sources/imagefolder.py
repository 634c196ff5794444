"""Image folders: one sub-folder a class, images anywhere below it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from vlmbench.cards import SourceSpec
from vlmbench.data.base import ImageDataset, Source, SourceContext, SourceInfo
from vlmbench.data.formats.class_folders import (
    FOLDER_OPTIONS,
    IMAGE_EXTENSIONS,
    Contents,
    entries,
    find_class_folders,
    identities_above,
    identity,
)
from vlmbench.data.image_files import ImageFiles
from vlmbench.errors import DataError

_IMAGES = Contents("image", "<any name>.jpg", IMAGE_EXTENSIONS)


def open_source(spec: SourceSpec, context: SourceContext) -> ImageDataset:
    """Open ``<location>/<class folder>/**/<image>``.

    Extensions count in any case; hidden files and other extensions do not; links are followed. Only class folders are
    looked at: files beside them play no part, whatever they are. With a split, ``<location>/<split>`` is the folder of
    class folders. :func:`~vlmbench.data.formats.class_folders.find_class_folders` says where labels come from and what
    the options are. An empty class folder is a class without samples. Sample ids are POSIX paths relative to the
    location.

    Raises:
        MissingDataError: there is no such folder.
        LabelError: folders and class names do not fit together, or the task needs more than a class.
        DataError: it is no folder, or one below it cannot be read.
    """
    found = find_class_folders(spec, context, _IMAGES)
    above = identities_above(found.root)
    files = [
        (path, label)
        for label, folder in enumerate(found.folders)
        for path in sorted(_images(found.root / folder, folder, above))
    ]
    if not files:
        raise DataError(
            f"{spec.kind} {spec.location!r}: no image in any of the {len(found.folders)} class folders of {found.root}",
            hint=f"Images are files that end in {', '.join(sorted(IMAGE_EXTENSIONS))}.",
        )
    return ImageFiles(found.root, SourceInfo(spec.kind, found.location, split=spec.split), files, found.classes)


SOURCE = Source(open_source, FOLDER_OPTIONS, folders=True, other_locations=True, split=True)


def _images(folder: Path, prefix: str, above: frozenset[tuple[int, int]]) -> Iterator[str]:
    """The paths below the root of every image in a folder; links back to a folder above are not followed."""
    here = identity(folder)
    if here in above:
        return
    for entry in entries(folder):
        path = f"{prefix}/{entry.name}"
        if os.path.isdir(entry.path):  # not entry.is_dir(), which raises where a link points to itself
            yield from _images(folder / entry.name, path, above | {here})
        elif os.path.splitext(entry.name)[1].lower() in IMAGE_EXTENSIONS:
            yield path  # broken links too: they become bad samples that are reported
