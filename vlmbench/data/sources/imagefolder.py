"""Image folders: one sub-folder a class, images anywhere below it."""

from __future__ import annotations

from vlmbench.cards import SourceSpec
from vlmbench.data.base import ImageDataset, Source, SourceContext, SourceInfo
from vlmbench.data.formats.class_folders import FOLDER_OPTIONS, Contents, find_class_folders
from vlmbench.data.formats.folder_walk import FolderWalk
from vlmbench.data.formats.image_suffixes import is_image_name, usual_suffixes
from vlmbench.data.image_files import ImageFiles
from vlmbench.errors import DataError

_IMAGES = Contents("image", "<any name>.jpg", is_image_name)


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
    walk = FolderWalk(found.root, is_image_name, found.passed)
    files = [(path, label) for label, folder in enumerate(found.folders) for path in walk.files(folder)]
    place = f"{spec.kind} {spec.location!r}"
    if not files:
        raise DataError(
            f"{place}: no image in any of the {len(found.folders)} class folders of {found.root}",
            hint=f"Images are files that end in {usual_suffixes()}.",
        )
    walk.passed.say(place)
    return ImageFiles(found.root, SourceInfo(spec.kind, found.location, split=spec.split), files, found.classes)


SOURCE = Source(open_source, FOLDER_OPTIONS, folders=True, other_locations=True, split=True)
