"""The source ``torchvision``: datasets on disk in the layout of ``torchvision.datasets``. It downloads nothing.

``-t torchvision:NAME`` and cards with ``kind: torchvision`` use it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from vlmbench.cards import SourceSpec
from vlmbench.data.base import ImageDataset, Sample, Source, SourceContext, SourceInfo
from vlmbench.data.formats import netpbm
from vlmbench.data.formats.folder_walk import FolderWalk, entry_is_folder, scan
from vlmbench.data.formats.torchvision_layouts import LAYOUTS, Layout
from vlmbench.data.image_files import ImageFiles
from vlmbench.data.labels import TARGET_WORDS, check_class_names, listing, normalise
from vlmbench.data.location import exists, files_state, missing, roots
from vlmbench.errors import BadSampleError, DataError, LabelError, MissingDependencyError, UsageError
from vlmbench.registry import did_you_mean
from vlmbench.wording import counted, either, listed

DEFAULT_SPLIT = "test"
_REMEDY = "Download the dataset's files again: most often a download was interrupted."


@dataclass(eq=False)
class ImageArrays:
    """Images that are stored in an array. Each is read as a PPM or PGM file with exactly its pixels.

    Attributes:
        dataset: torchvision's dataset; ``dataset[index]`` is (image, label).
        files: the files from which it was read, as (name, path).
    """

    info: SourceInfo
    samples: Sequence[Sample]
    classes: tuple[str, ...] | None
    dataset: Any
    files: Sequence[tuple[str, Path]]
    templates: tuple[str, ...] | None = None

    def read(self, index: int) -> bytes:
        try:
            image, _ = self.dataset[index]
        except OSError as error:  # PCAM opens its file again for each image
            raise BadSampleError(self.samples[index].id, f"cannot be read: {error}") from error
        return netpbm.encode(image)

    def state(self) -> str:
        return files_state(self.files, salt=repr([sample.target for sample in self.samples]))


@dataclass(frozen=True)
class _Asked:
    """What a card's source asks for: a class of torchvision, its split and its arguments."""

    name: str
    layout: Layout
    split: str | None
    arguments: dict[str, Any]

    def path(self, template: str) -> str:
        options = {name: self.arguments.get(name, allowed[0]) for name, allowed in self.layout.options.items()}
        return template.format(split=self.split, **options)

    @property
    def needed(self) -> tuple[str, ...]:
        """The files that are needed to read the split."""
        of_split = self.layout.split_files.get(self.split or "", ())
        return tuple(map(self.path, (*of_split, *self.layout.files)))

    @property
    def files(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.needed, *map(self.path, self.layout.mark))))


def open_source(spec: SourceSpec, context: SourceContext) -> ImageDataset:
    """Open a dataset of ``torchvision.datasets``. The location is the name of a class in :data:`LAYOUTS`.

    The class's ``root`` is looked for in the data root and in the working directory: these folders themselves; a folder
    in them with the name of the class, with that name in lower case, or with the name that the option ``under`` gives;
    and their parent folder, if they are the dataset's own folder. Image files are read unchanged, in the order of their
    paths. Images in arrays (CIFAR, MNIST, STL10, SVHN, PCAM, FER2013) are read as binary PPM or PGM files with the same
    pixels, in the array's order.

    Options:

    - arguments of the class that :data:`LAYOUTS` lists.
    - ``under``: see above.
    - ``class_names: card``: the card renames the classes on purpose.
    - ``labels``: for data whose classes have another order than the card's. ``by-name``: the data's class names are the
      card's (``/`` is read as a space). A list: the card's class names in the order of the data's labels.

    Raises:
        UsageError: there is no such class, split or option.
        MissingDataError: the dataset is in none of these folders.
        MissingDependencyError: torchvision needs a package to read it, which is not installed.
        DataError: the dataset is incomplete or damaged.
        LabelError: labels and the card's classes do not match, or the task needs other targets than one class.
    """
    asked = _check(spec)
    place = f"{spec.kind} {spec.location!r}"
    if context.target != "class":
        raise LabelError(f"{place}: each image has one class, but the task needs {TARGET_WORDS[context.target]}")
    root = _find(asked, spec, context)
    _refuse_gaps(asked, root, place)
    dataset = _construct(asked, root, place)
    info = SourceInfo(spec.kind, spec.location, split=asked.split)
    classes = getattr(dataset, "classes", None) or asked.layout.names
    names, label_of = _relabel(tuple(classes) if classes is not None else None, spec, context, place)
    if asked.layout.images is not None:
        pairs = _image_files(dataset, asked, root, place)
        _tell_of_others(asked, root, place)
        return ImageFiles(root, info, [(path, _target(label, label_of, place)) for path, label in pairs], names)
    labels = enumerate(_array_labels(dataset, asked, root, place))
    samples = [Sample(str(row), _target(label, label_of, place)) for row, label in labels]
    return ImageArrays(info, samples, names, dataset, [(file, root / file) for file in asked.files])


def _layout(spec: SourceSpec) -> Layout:
    layout = LAYOUTS.get(spec.location)
    if layout is None:
        hint = did_you_mean(spec.location, LAYOUTS) or f"Known are {listed(sorted(LAYOUTS))}."
        raise UsageError(
            f"{spec.kind} {spec.location!r}: it is not one of torchvision's datasets that vlmbench can read", hint=hint
        )
    return layout


def _below_root(spec: SourceSpec) -> list[str]:
    """The folders below a data root that may hold the dataset: a folder of its own, or the folders of its marks."""
    own = [spec.location, spec.location.lower(), str(spec.options.get("under", spec.location))]
    marks = [mark.partition("/")[0] for mark in _layout(spec).mark if "/" in mark or "." not in mark]
    return list(dict.fromkeys((*own, *marks)))


SOURCE = Source(
    open_source,
    lambda spec: ("labels", "class_names", "under", *_layout(spec).options),
    split=True,
    below_root=_below_root,
)


def _check(spec: SourceSpec) -> _Asked:
    place = f"{spec.kind} {spec.location!r}"
    layout = _layout(spec)
    if not isinstance(spec.options.get("under", ""), str):
        raise UsageError(f"{place}: `under` must be the name of a folder, not {spec.options['under']!r}")
    arguments: dict[str, Any] = {}
    for option, allowed in layout.options.items():
        if option in spec.options:
            arguments[option] = spec.options[option]
            if arguments[option] not in allowed:
                choices = listing(map(str, allowed))
                raise UsageError(f"{place}: `{option}` must be one of {choices}, not {arguments[option]!r}")
    if not layout.splits:
        if spec.split is not None:
            raise UsageError(f"{place}: it has no splits", hint="Leave out `split`.")
        return _Asked(spec.location, layout, None, arguments)
    split = spec.split or DEFAULT_SPLIT
    if split not in layout.splits:
        raise UsageError(f"{place}: no split {split!r}", hint=f"It has {listed(layout.splits)}.")
    arguments |= {"train": split == "train"} if layout.train_flag else {"split": split}
    return _Asked(spec.location, layout, split, arguments)


def _find(asked: _Asked, spec: SourceSpec, context: SourceContext) -> Path:
    """The first ``root`` for torchvision that has one of the layout's marks."""
    marks = [asked.path(mark) for mark in asked.layout.mark]
    folders: dict[str, None] = dict.fromkeys(
        (spec.location, spec.location.lower(), spec.options.get("under", spec.location))
    )
    for base in roots(context):
        own_folder = [base.parent] if any(mark.startswith(f"{base.name}/") for mark in marks) else []
        for root in (base, *(base / folder for folder in folders), *own_folder):
            if any(exists(root / mark) for mark in marks):
                return root
    shown = f"{asked.path(asked.layout.shown)}, also below {', '.join(f'{folder}/' for folder in folders)}"
    raise missing(spec, context, looked_for=[shown])


def _refuse_gaps(asked: _Asked, root: Path, place: str) -> None:
    absent = [path for path in asked.needed if not exists(root / path)]
    if absent:
        raise DataError(
            f"{place}: the dataset in {root} is incomplete: {counted(len(absent), 'file')} "
            f"{either(len(absent), 'is', 'are')} missing: {listing(absent)}",
            hint="Unpack the dataset's archives again. If this is not the dataset, move the files to another folder.",
        )


def _construct(asked: _Asked, root: Path, place: str) -> Any:
    if asked.layout.package is not None and find_spec(asked.layout.package) is None:
        raise MissingDependencyError(
            f"{place}: torchvision needs {asked.layout.package} to read it, which is not installed",
            hint="pip install 'vlmbench[layouts]'",
        )
    from torchvision import datasets

    arguments = dict(asked.arguments)
    if asked.layout.images == "loader":
        arguments["loader"] = str  # an image is its path, so that reading the labels opens no image
    try:
        return of_one_split(getattr(datasets, asked.name), asked)(root=str(root), **arguments)
    except MemoryError:
        raise
    except Exception as error:  # for bad files, pickle, csv, json, scipy and h5py raise errors of many types
        raise DataError(f"{place}: the dataset in {root} {_damage(error)}", hint=_REMEDY) from error


def of_one_split(kind: Any, asked: _Asked) -> Any:
    """torchvision's class, changed so that its lists name only the files of one split.

    The constructor checks the MD5 sums of all files in the lists before it reads any. So the files of the split are
    still checked, and the files of other splits may be missing.
    """
    if not asked.layout.lists:
        return kind
    names = {Path(path).name for path in asked.needed}
    own = {
        attribute: [entry for entry in getattr(kind, attribute) if entry[0].removesuffix(".gz") in names]
        for attribute in asked.layout.lists
    }
    return type(kind.__name__, (kind,), own)


def _damage(error: Exception) -> str:
    """What an error of torchvision means, in words. All files are known to exist."""
    text = str(error).splitlines()[0] if str(error).strip() else type(error).__name__
    if "corrupted" in text:
        return "is damaged or another version: the MD5 sum of a file is not the one that torchvision knows"
    if isinstance(error, OSError) and error.filename is not None:
        return f"cannot be read: {error.filename}: {error.strerror}"
    return f"is damaged: {type(error).__name__}: {text}"


def _image_files(dataset: Any, asked: _Asked, root: Path, place: str) -> list[tuple[str, int]]:
    """(path relative to the root, label from 0) of every image, sorted by path.

    They are sorted because torchvision lists SUN397 in the file system's order.
    """
    attribute, first = asked.layout.images, asked.layout.first_label
    pairs: Iterable[tuple[str | Path, int]]
    if attribute == "loader":
        pairs = (dataset[index] for index in range(len(dataset)))
    else:
        found: Any = getattr(dataset, str(attribute), None)
        labels: Any = getattr(dataset, "_labels", None)
        if found is None or (attribute != "_samples" and labels is None):
            raise MissingDependencyError(
                f"{place}: the installed version of torchvision stores its list of files in a way that vlmbench does "
                "not know",
                hint="Install another version of torchvision.",
            )
        pairs = found if attribute == "_samples" else zip(found, labels, strict=True)
    return sorted((Path(path).relative_to(root).as_posix(), int(label) - first) for path, label in pairs)


def _tell_of_others(asked: _Asked, root: Path, place: str) -> None:
    """Make a remark about other files among the images, for datasets whose images torchvision finds by their names."""
    if asked.layout.walked is None:
        return
    folder, pattern = asked.layout.walked
    walk = FolderWalk(root / folder, partial(fnmatchcase, pat=pattern))
    for entry in scan(walk.root):
        if entry_is_folder(entry):
            walk.files(entry.name)
    walk.passed.say(place)


def _array_labels(dataset: Any, asked: _Asked, root: Path, place: str) -> list[int]:
    try:
        if asked.name == "PCAM":  # its dataset[index] would open two files for each label
            labels = _pcam_labels(root / asked.path(asked.layout.files[1]))
            if len(labels) != len(dataset):
                raise ValueError(f"{counted(len(dataset), 'image')}, but {counted(len(labels), 'label')}")
            return labels
        return [int(dataset[index][1]) for index in range(len(dataset))]
    except (OSError, KeyError, IndexError, ValueError, TypeError) as error:
        raise DataError(f"{place}: the dataset in {root} {_damage(error)}", hint=_REMEDY) from error


def _pcam_labels(path: Path) -> list[int]:
    import h5py

    with h5py.File(path) as file:
        return [int(label) for label in file["y"][:].reshape(-1)]


def _relabel(
    found: tuple[str, ...] | None, spec: SourceSpec, context: SourceContext, place: str
) -> tuple[tuple[str, ...] | None, list[int] | None]:
    """The dataset's class names, and the card's label for each label of the data (None if they are the same)."""
    asked = spec.options.get("labels")
    if asked is None:
        return found, None
    card = context.class_names
    if card is None:
        raise UsageError(f"{place}: `labels` can only be used in a card with class names")
    if asked == "by-name":
        if found is None:
            raise UsageError(f"{place}: this dataset states no class names: list them under `labels`")
        keys, label_of = [_key(name) for name in found], {_key(name): label for label, name in enumerate(card)}
    elif isinstance(asked, list):
        keys, label_of = asked, {name: label for label, name in enumerate(card)}
        if found is not None:  # names may differ, but equal names must have the same place
            check_class_names(found, [str(key) for key in keys], place=place, card_names_win=True)
    else:
        raise UsageError(f"{place}: `labels` must be by-name or a list of class names, not {asked!r}")
    different = sorted(set(map(str, keys)) ^ set(label_of))
    if different or len(keys) != len(card):
        raise LabelError(
            f"{place}: the {counted(len(keys), 'class', 'classes')} of the data do not match the "
            f"{counted(len(card), 'class', 'classes')} of the card"
            + (f"; only in one of them: {listing(different)}" if different else "")
        )
    return card, [label_of[key] for key in keys]


def _key(name: str) -> str:
    return normalise(name.replace("/", " "))


def _target(label: int, label_of: list[int] | None, place: str) -> int:
    if label_of is None:
        return label
    if not 0 <= label < len(label_of):
        raise LabelError(f"{place}: the data has label {label}, outside the allowed range 0 to {len(label_of) - 1}")
    return label_of[label]
