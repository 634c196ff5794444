"""The source ``imagefolder``: images in one folder per class.

``-t imagefolder:PATH`` and cards with ``kind: imagefolder`` use it.
"""

from __future__ import annotations

from vlmbench.cards import SourceSpec
from vlmbench.data.base import ImageDataset, Source, SourceContext, SourceInfo
from vlmbench.data.formats.class_folders import (
    FOLDER_OPTIONS,
    Contents,
    find_class_folders,
    refuse_other_levels,
    tell_of_empty,
    without_samples,
)
from vlmbench.data.formats.folder_walk import FolderWalk
from vlmbench.data.formats.image_suffixes import is_image_name, usual_suffixes
from vlmbench.data.image_files import ImageFiles

_IMAGES = Contents("image", "an", "<any name>.jpg", is_image_name)


def open_source(spec: SourceSpec, context: SourceContext) -> ImageDataset:
    """Open ``<location>/<class folder>/**/<image>``.

    Images have the suffix of a format that Pillow decodes, in any letter case. Links are followed. Every other file
    below the folder, also hidden ones and those beside the class folders, is counted in a remark. If a split is named,
    ``<location>/<split>`` holds the class folders. :func:`~vlmbench.data.formats.class_folders.find_class_folders`
    explains where labels come from, and the options. A class folder without images is a class without samples, and a
    remark. A sample's id is its POSIX path relative to the folder that holds the class folders.

    Raises:
        MissingDataError: there is no such folder.
        LabelError: folders and class names do not match, or the task needs other targets than one class.
        DataError: it is not a folder, a folder below it cannot be read, or there are no images.
    """
    found = find_class_folders(spec, context, _IMAGES)
    walk = FolderWalk(found.root, is_image_name, found.passed)
    of_classes = [walk.files(folder) for folder in found.folders]
    files = [(path, label) for label, paths in enumerate(of_classes) for path in paths]
    place = f"{spec.kind} {spec.location!r}"
    if not files:
        raise without_samples(found, _IMAGES, place, f"Images are files that end in {usual_suffixes()}.")
    refuse_other_levels([path for path, _ in files], found, spec, context)
    walk.passed.say(place)
    tell_of_empty(found, list(map(len, of_classes)), place, _IMAGES)
    return ImageFiles(found.root, SourceInfo(spec.kind, found.location, split=spec.split), files, found.classes)


SOURCE = Source(open_source, FOLDER_OPTIONS, folders=True, other_locations=True, split=True)
