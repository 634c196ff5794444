"""The source ``filelist``: images that a text file lists, such as the splits of SUN397.

``-t filelist:PATH`` and cards with ``kind: filelist`` use it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from vlmbench.cards import SourceSpec
from vlmbench.class_names import label_order
from vlmbench.data.base import ImageDataset, Source, SourceContext, SourceInfo
from vlmbench.data.formats.class_folders import folder_classes
from vlmbench.data.image_files import ImageFiles, tell_of_missing
from vlmbench.data.labels import TARGET_WORDS, listing, normalise
from vlmbench.data.location import find_local, is_below, read_text
from vlmbench.errors import DataError, LabelError, NoImagesError, UsageError
from vlmbench.wording import counted, either, listed

OPTIONS = ("images", "skip_folders")


def open_source(spec: SourceSpec, context: SourceContext) -> ImageDataset:
    """Open the images that a text file lists, one path per line, in its order.

    An image's class is its folder in the list, where ``/`` and ``_`` are read as spaces. It must be equal to one of the
    card's class names after :func:`~vlmbench.data.labels.normalise`. If the card has no class names, the sorted folders
    are the classes.

    Options:

    - ``images``: the folder to which the paths are relative, itself relative to the list's folder; or several folders,
      of which the first that has a listed image is used. The default is the list's folder.
    - ``skip_folders``: the number of folders at the beginning of each path that are not part of the class (1 for
      SUN397's ``/a/abbey/sun_x.jpg``).

    Raises:
        MissingDataError: there is no such list.
        DataError: the list cannot be read, is empty or names a file twice, or none of its images exists.
        LabelError: a folder is not one of the card's classes, or a class has no image.
    """
    place = f"{spec.kind} {spec.location!r}"
    if context.target != "class":
        raise LabelError(
            f"{place}: each image has one class, its folder, but the task needs {TARGET_WORDS[context.target]}"
        )
    found = find_local(spec, context)
    paths = _listed(found.path)
    no_images = None
    try:
        root = _images_folder(spec, found.path, paths, place)
    except NoImagesError as error:
        if not context.images_optional:
            raise
        root, no_images = found.path.parent, error
    names = [_folder_name(path, spec, place) for path in paths]
    label_of, classes = _labels(names, context, found.path, place)
    files = [(path, label_of[normalise(name)]) for path, name in zip(paths, names, strict=True)]
    if no_images is None:
        tell_of_missing(root, paths, found.path)
    return ImageFiles(root, SourceInfo(spec.kind, found.location), files, classes, no_images=no_images)


SOURCE = Source(open_source, OPTIONS, other_locations=True)


def _listed(file: Path) -> list[str]:
    paths = [path for line in read_text(file).splitlines() if (path := line.strip().lstrip("/"))]
    if not paths:
        raise DataError(f"{file} lists no images")
    if outside := [path for path in paths if not is_below(path)]:
        raise DataError(f"{file} lists paths that are not below the folder of images: {listing(outside)}")
    if twice := [path for path, count in Counter(paths).items() if count > 1]:
        raise DataError(f"{file} lists {counted(len(twice), 'file')} more than once: {listing(twice)}")
    return paths


def _images_folder(spec: SourceSpec, file: Path, paths: Sequence[str], place: str) -> Path:
    asked = spec.options.get("images", ".")
    if not isinstance(asked, str | list) or not all(isinstance(folder, str) for folder in asked):
        raise UsageError(f"{place}: `images` must be a folder or a list of folders, not {asked!r}")
    folders: list[str] = [asked] if isinstance(asked, str) else asked
    for folder in folders:
        if any((file.parent / folder / path).exists() for path in paths):
            return file.parent / folder
    raise NoImagesError(
        f"{place}: {file} exists, but none of the {len(paths):,} images that it lists",
        hint=f"Expected {paths[0]} below {listed([str(file.parent / folder) for folder in folders], 'or')}.",
    )


def _folder_name(path: str, spec: SourceSpec, place: str) -> str:
    skipped = spec.options.get("skip_folders", 0)
    if not isinstance(skipped, int) or skipped < 0:
        raise UsageError(f"{place}: `skip_folders` must be a whole number, not {skipped!r}")
    folders = PurePosixPath(path).parts[skipped:-1]
    if not folders:
        raise LabelError(f"{place}: the listed path {path!r} has no folder that could be its class")
    return " ".join(folders).replace("_", " ")


def _labels(
    names: Sequence[str], context: SourceContext, file: Path, place: str
) -> tuple[dict[str, int], tuple[str, ...]]:
    card = context.class_names
    classes = card if card is not None else tuple(label_order(set(names)))
    label_of = {normalise(name): label for label, name in enumerate(classes)}
    if len(label_of) != len(classes):
        raise LabelError(f"{file}: two classes have the same name, so folders cannot be matched to them")
    named = {normalise(name) for name in names}
    if unknown := sorted(named - set(label_of)):
        what = f"{counted(len(unknown), 'folder')} {either(len(unknown), 'is', 'are')}"
        raise LabelError(f"{file}: {what} not among the card's classes: {listing(unknown)}")
    if absent := [name for key, name in zip(label_of, classes, strict=True) if key not in named]:
        raise LabelError(f"{file}: it lists no images of {counted(len(absent), 'class', 'classes')}: {listing(absent)}")
    return label_of, classes if card is not None else folder_classes(classes, context, place)
