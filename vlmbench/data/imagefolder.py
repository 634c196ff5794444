"""Image folders: one sub-folder a class, images anywhere below it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from vlmbench.cards import SourceSpec
from vlmbench.data.base import ImageDataset, Sample, SourceContext, SourceInfo
from vlmbench.data.labels import TARGET_WORDS, listing, normalise
from vlmbench.data.location import check_options, files_state, find_local, missing
from vlmbench.errors import BadSampleError, DataError, LabelError

IMAGE_EXTENSIONS = frozenset(
    (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".jp2")
)


class ImageFolder:
    """The files of class folders. Holds their names only; each file is opened when it is read."""

    templates: tuple[str, ...] | None = None

    def __init__(
        self, root: Path, info: SourceInfo, files: Sequence[tuple[str, int]], classes: tuple[str, ...]
    ) -> None:
        self._root = root
        self.info = info
        self._paths = [path for path, _ in files]
        self.samples: Sequence[Sample] = [Sample(_readable(path), label) for path, label in files]
        self.classes: tuple[str, ...] | None = classes

    def read(self, index: int) -> bytes:
        """See :meth:`vlmbench.data.base.ImageDataset.read`."""
        sample = self.samples[index]
        path = self._root / self._paths[index]
        try:
            if not stat.S_ISREG(path.stat().st_mode):
                raise BadSampleError(sample.id, "not a regular file")  # opening a pipe would wait for ever
            return path.read_bytes()
        except OSError as error:
            raise BadSampleError(sample.id, f"cannot be read: {error.strerror or error}") from error

    def state(self) -> str:
        """See :meth:`vlmbench.data.base.ImageDataset.state`."""
        places = zip(self.samples, self._paths, strict=True)
        return files_state((f"{path}\0{sample.target}", self._root / path) for sample, path in places)


def open_source(spec: SourceSpec, context: SourceContext) -> ImageDataset:
    """Open ``<location>/<class folder>/**/<image>``.

    Extensions count in any case; hidden files and other extensions do not; links are followed. Only class
    folders are looked at: files beside them play no part, whatever they are. With a split,
    ``<location>/<split>`` is the folder of class folders. Labels come, in this order, from

    1. ``spec.folders``: exactly these folders, in label order;
    2. the card's class names: each folder is one of them after :func:`~vlmbench.data.labels.normalise`;
    3. the sorted folder names, which then are the class names (``_`` read as a blank).

    An empty class folder is a class without samples. Sample ids are POSIX paths relative to the location.

    Raises:
        MissingDataError: there is no such folder.
        LabelError: folders and class names do not fit together, or the task needs more than a class.
        DataError: it is no folder, or one below it cannot be read.
    """
    check_options(spec, ())
    place = f"{spec.kind} {spec.location!r}"
    if context.target != "class":
        raise LabelError(
            f"{place}: a folder gives each image one class, but the task needs {TARGET_WORDS[context.target]}"
        )
    root = find_local(spec, context)
    if spec.split is not None:
        root = root / spec.split
        if not root.exists():
            raise missing(spec, [root])
    if not root.is_dir():
        raise DataError(f"{place}: {root} is a file, not a folder of class folders")
    folders, classes = _label_order(_class_folders(root, place), spec, context, place)
    above = frozenset(_identity(folder) for folder in (root, *root.resolve().parents))
    files = [
        (path, label) for label, folder in enumerate(folders) for path in sorted(_images(root / folder, folder, above))
    ]
    if not files:
        raise DataError(
            f"{place}: no image in any of the {len(folders)} class folders of {root}",
            hint=f"Images are files that end in {', '.join(sorted(IMAGE_EXTENSIONS))}.",
        )
    return ImageFolder(root, SourceInfo(spec.kind, spec.location, split=spec.split), files, classes)


def _class_folders(root: Path, place: str) -> list[str]:
    entries = _entries(root)
    folders = sorted(entry.name for entry in entries if os.path.isdir(entry.path))
    if not folders:
        images = sum(Path(entry.name).suffix.lower() in IMAGE_EXTENSIONS for entry in entries)
        found = f"{images} images directly in it and no class folders" if images else "no class folders in it"
        raise LabelError(
            f"{place}: {root} has {found}",
            hint=f"Expected: {root}/<class name>/<any name>.jpg, one folder a class.",
        )
    return folders


def _label_order(
    found: list[str], spec: SourceSpec, context: SourceContext, place: str
) -> tuple[list[str], tuple[str, ...]]:
    """The class folders in label order, and the class names."""
    names = context.class_names
    if spec.folders is not None:
        if names is not None and len(names) != len(spec.folders):
            raise LabelError(f"{place}: {len(spec.folders)} folders for {len(names)} class names")
        _refuse_difference(set(spec.folders), set(found), place, hint="`folders` must name every class folder.")
        if len(set(spec.folders)) != len(spec.folders):
            raise LabelError(f"{place}: `folders` names a folder twice")
        return list(spec.folders), names or _as_class_names(spec.folders)
    if names is None:
        return found, _as_class_names(found)
    hint = "Rename the folders, or list the folders' own names in label order as `folders` of the card's source."
    folder_of: dict[str, str] = {}
    for folder in found:
        if (other := folder_of.setdefault(normalise(folder), folder)) != folder:
            raise LabelError(f"{place}: folders {other!r} and {folder!r} have the same class name", hint=hint)
    wanted = {normalise(name): name for name in names}
    if len(wanted) != len(names):
        raise LabelError(f"{place}: two classes of the card have the same name, so folders cannot tell them", hint=hint)
    _refuse_difference({folder_of.get(key, name) for key, name in wanted.items()}, set(found), place, hint=hint)
    return [folder_of[key] for key in wanted], names


def _as_class_names(folders: Sequence[str]) -> tuple[str, ...]:
    return tuple(_readable(folder).replace("_", " ") for folder in folders)


def _readable(name: str) -> str:
    """A file name as valid text: bytes that are no UTF-8 are spelled out, or no record could hold them."""
    return name.encode(errors="surrogateescape").decode(errors="backslashreplace")


def _refuse_difference(expected: set[str], found: set[str], place: str, *, hint: str) -> None:
    parts = []
    if absent := sorted(expected - found):
        parts.append(f"{len(absent)} missing: {listing(absent)}")
    if extra := sorted(found - expected):
        parts.append(f"{len(extra)} unexpected: {listing(extra)}")
    if parts:
        raise LabelError(f"{place}: the class folders do not fit the classes ({'; '.join(parts)})", hint=hint)


def _images(folder: Path, prefix: str, above: frozenset[tuple[int, int]]) -> Iterator[str]:
    """The paths below the root of every image in a folder; links back to a folder above are not followed."""
    identity = _identity(folder)
    if identity in above:
        return
    for entry in _entries(folder):
        path = f"{prefix}/{entry.name}"
        if os.path.isdir(entry.path):  # not entry.is_dir(), which raises where a link points to itself
            yield from _images(folder / entry.name, path, above | {identity})
        elif os.path.splitext(entry.name)[1].lower() in IMAGE_EXTENSIONS:
            yield path  # broken links too: they become bad samples that are reported


def _identity(folder: Path) -> tuple[int, int]:
    found = folder.stat()
    return found.st_dev, found.st_ino


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise DataError(f"folder {folder} cannot be read: {error.strerror or error}") from error
