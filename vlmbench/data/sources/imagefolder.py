"""Image folders: one sub-folder a class, images anywhere below it."""

from __future__ import annotations

from vlmbench.cards import SourceSpec
from vlmbench.data.base import ImageDataset, Source, SourceContext, SourceInfo
from vlmbench.data.formats.class_folders import (
    FOLDER_OPTIONS,
    Contents,
    find_class_folders,
    refuse_other_levels,
    tell_of_empty,
)
from vlmbench.data.formats.folder_walk import FolderWalk
from vlmbench.data.formats.image_suffixes import is_image_name, usual_suffixes
from vlmbench.data.image_files import ImageFiles
from vlmbench.errors import DataError

_IMAGES = Contents("image", "an", "<any name>.jpg", is_image_name)


def open_source(spec: SourceSpec, context: SourceContext) -> ImageDataset:
    """Open ``<location>/<class folder>/**/<image>``.

    Images have the suffix of a format that Pillow decodes, in any case; links are followed. Every other file below the
    folder is counted, hidden ones and those beside the class folders too, and a remark tells of them. With a split,
    ``<location>/<split>`` is the folder of class folders.
    :func:`~vlmbench.data.formats.class_folders.find_class_folders` says where labels come from and what the options
    are. A class folder without an image is a class without samples, and a remark. Sample ids are POSIX paths relative
    to the location.

    Raises:
        MissingDataError: there is no such folder.
        LabelError: folders and class names do not fit together, or the task needs more than a class.
        DataError: it is no folder, or one below it cannot be read.
    """
    found = find_class_folders(spec, context, _IMAGES)
    walk = FolderWalk(found.root, is_image_name, found.passed)
    of_classes = [walk.files(folder) for folder in found.folders]
    files = [(path, label) for label, paths in enumerate(of_classes) for path in paths]
    place = f"{spec.kind} {spec.location!r}"
    if not files:
        passed = f"; {walk.passed.reasons_in_words}" if walk.passed.count else ""
        raise DataError(
            f"{place}: no image in any of the {len(found.folders)} class folders of {found.root}{passed}",
            hint=f"Images are files that end in {usual_suffixes()}.",
        )
    refuse_other_levels([path for path, _ in files], found, spec, context)
    walk.passed.say(place)
    tell_of_empty(found, list(map(len, of_classes)), place, _IMAGES)
    return ImageFiles(found.root, SourceInfo(spec.kind, found.location, split=spec.split), files, found.classes)


SOURCE = Source(open_source, FOLDER_OPTIONS, folders=True, other_locations=True, split=True)
