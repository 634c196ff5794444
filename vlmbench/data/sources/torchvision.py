"""Datasets on disk as torchvision keeps them. Nothing is ever downloaded."""

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

DEFAULT_SPLIT = "test"
_REMEDY = "Download the dataset's files anew; an interrupted download is the usual cause."


@dataclass(eq=False)
class ImageArrays:
    """Images that are rows of an array: each is handed on as a PPM or PGM file of exactly its pixels.

    Attributes:
        dataset: of torchvision; ``dataset[index]`` is (image, label).
        files: what it was read from.
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
        except OSError as error:  # of PCAM, which reads its file anew each time
            raise BadSampleError(self.samples[index].id, f"cannot be read: {error}") from error
        return netpbm.encode(image)

    def state(self) -> str:
        return files_state(self.files, salt=repr([sample.target for sample in self.samples]))


@dataclass(frozen=True)
class _Asked:
    """What a card's source asks of one torchvision class."""

    name: str
    layout: Layout
    split: str | None
    arguments: dict[str, Any]

    def path(self, template: str) -> str:
        options = {name: self.arguments.get(name, allowed[0]) for name, allowed in self.layout.options.items()}
        return template.format(split=self.split, **options)

    @property
    def needed(self) -> tuple[str, ...]:
        """The files without which the split cannot be read."""
        of_split = self.layout.split_files.get(self.split or "", ())
        return tuple(map(self.path, (*of_split, *self.layout.files)))

    @property
    def files(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.needed, *map(self.path, self.layout.mark))))


def open_source(spec: SourceSpec, context: SourceContext) -> ImageDataset:
    """Open the dataset of one class of ``torchvision.datasets``, of those in :data:`LAYOUTS`.

    Its ``root`` is the data root or the working directory, a folder in them named like the class (in its own
    spelling, in small letters, or as the option ``under`` says), or their parent where they are the dataset's own
    folder. Image files are handed on byte by byte, in the order of their paths; images in arrays (CIFAR, MNIST,
    STL10, SVHN, PCAM, FER2013) as binary PPM or PGM files of the same pixels, in the array's order.

    Options: arguments of the class that :data:`LAYOUTS` lists; ``under``; ``class_names: card``; and ``labels``,
    where the data numbers its classes otherwise than the card: ``by-name`` (the data's class names are the card's,
    ``/`` read as a blank), or a list of the card's class names in the order of the data's labels.

    Raises:
        UsageError: no such class, split or option.
        MissingDataError: no mark of it is there.
        MissingDependencyError: torchvision needs a package to read it.
        DataError: it is there, but incomplete or damaged.
        LabelError: labels and the card's classes do not fit together, or the task needs more than a class.
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
        hint = did_you_mean(spec.location, LAYOUTS) or f"Known: {', '.join(sorted(LAYOUTS))}."
        raise UsageError(
            f"{spec.kind} {spec.location!r}: not among the torchvision datasets that can be read here", hint=hint
        )
    return layout


SOURCE = Source(open_source, lambda spec: ("labels", "class_names", "under", *_layout(spec).options), split=True)


def _check(spec: SourceSpec) -> _Asked:
    place = f"{spec.kind} {spec.location!r}"
    layout = _layout(spec)
    if not isinstance(spec.options.get("under", ""), str):
        raise UsageError(f"{place}: under is the name of a folder, not {spec.options['under']!r}")
    arguments: dict[str, Any] = {}
    for option, allowed in layout.options.items():
        if option in spec.options:
            arguments[option] = spec.options[option]
            if arguments[option] not in allowed:
                raise UsageError(f"{place}: {option} is one of {listing(map(str, allowed))}, not {arguments[option]!r}")
    if not layout.splits:
        if spec.split is not None:
            raise UsageError(f"{place}: it has no splits, so none can be asked for")
        return _Asked(spec.location, layout, None, arguments)
    split = spec.split or DEFAULT_SPLIT
    if split not in layout.splits:
        raise UsageError(f"{place}: no split {split!r}", hint=f"It has {', '.join(layout.splits)}.")
    arguments |= {"train": split == "train"} if layout.train_flag else {"split": split}
    return _Asked(spec.location, layout, split, arguments)


def _find(asked: _Asked, spec: SourceSpec, context: SourceContext) -> Path:
    """The first ``root`` for torchvision under which one of the marks is."""
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
            f"{place}: the dataset in {root} is incomplete; {len(absent)} missing: {listing(absent)}",
            hint="Unpack the dataset's archives anew, or move what is there out of the way.",
        )


def _construct(asked: _Asked, root: Path, place: str) -> Any:
    if asked.layout.package is not None and find_spec(asked.layout.package) is None:
        raise MissingDependencyError(
            f"{place}: torchvision reads it with {asked.layout.package}, which is not installed",
            hint="pip install 'vlmbench[layouts]'",
        )
    from torchvision import datasets

    arguments = dict(asked.arguments)
    if asked.layout.images == "loader":
        arguments["loader"] = str  # the path itself: no image is opened to learn the labels
    try:
        return of_one_split(getattr(datasets, asked.name), asked)(root=str(root), **arguments)
    except MemoryError:
        raise
    except Exception as error:  # bad files meet pickle, csv, json, scipy and h5py, each with errors of its own
        raise DataError(f"{place}: the dataset in {root} {_damage(error)}", hint=_REMEDY) from error


def of_one_split(kind: Any, asked: _Asked) -> Any:
    """torchvision's class with the files of one split in its lists.

    Its constructor compares the MD5 sums of all that its lists name before it reads one of them, so that these files
    of the split are still compared, and others need not be there.
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
    """What torchvision's refusal means, now that every file is known to be there."""
    text = str(error).splitlines()[0] if str(error).strip() else type(error).__name__
    if "corrupted" in text:
        return "is damaged or another version: a file has not the MD5 sum that torchvision knows"
    if isinstance(error, OSError) and error.filename is not None:
        return f"cannot be read: {error.filename}: {error.strerror}"
    return f"is damaged: {type(error).__name__}: {text}"


def _image_files(dataset: Any, asked: _Asked, root: Path, place: str) -> list[tuple[str, int]]:
    """(path relative to the root, label from 0) of every image, by path: SUN397 lists in the file system's order."""
    attribute, first = asked.layout.images, asked.layout.first_label
    pairs: Iterable[tuple[str | Path, int]]
    if attribute == "loader":
        pairs = (dataset[index] for index in range(len(dataset)))
    else:
        found: Any = getattr(dataset, str(attribute), None)
        labels: Any = getattr(dataset, "_labels", None)
        if found is None or (attribute != "_samples" and labels is None):
            raise MissingDependencyError(
                f"{place}: this version of torchvision keeps its list of files elsewhere than those known here",
                hint="Install another version of torchvision.",
            )
        pairs = found if attribute == "_samples" else zip(found, labels, strict=True)
    return sorted((Path(path).relative_to(root).as_posix(), int(label) - first) for path, label in pairs)


def _tell_of_others(asked: _Asked, root: Path, place: str) -> None:
    """Count the files that lie among the images, if torchvision looks for these by their names."""
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
        if asked.name == "PCAM":  # whose dataset[index] opens two files for each label
            labels = _pcam_labels(root / asked.path(asked.layout.files[1]))
            if len(labels) != len(dataset):
                raise ValueError(f"{len(dataset)} images, but {len(labels)} labels")
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
    """The class names to state, and which label of the card each of the data's labels is (None: the same)."""
    asked = spec.options.get("labels")
    if asked is None:
        return found, None
    card = context.class_names
    if card is None:
        raise UsageError(f"{place}: `labels` needs a card with class names")
    if asked == "by-name":
        if found is None:
            raise UsageError(f"{place}: this dataset has no class names to go by: list them as `labels`")
        keys, label_of = [_key(name) for name in found], {_key(name): label for label, name in enumerate(card)}
    elif isinstance(asked, list):
        keys, label_of = asked, {name: label for label, name in enumerate(card)}
        if found is not None:  # words may differ, the order of those that do not may not
            check_class_names(found, [str(key) for key in keys], place=place, card_names_win=True)
    else:
        raise UsageError(f"{place}: `labels` is by-name or a list of class names, not {asked!r}")
    different = sorted(set(map(str, keys)) ^ set(label_of))
    if different or len(keys) != len(card):
        raise LabelError(
            f"{place}: {len(keys)} classes of the data do not pair with {len(card)} of the card"
            + (f"; only in one of them: {listing(different)}" if different else "")
        )
    return card, [label_of[key] for key in keys]


def _key(name: str) -> str:
    return normalise(name.replace("/", " "))


def _target(label: int, label_of: list[int] | None, place: str) -> int:
    if label_of is None:
        return label
    if not 0 <= label < len(label_of):
        raise LabelError(f"{place}: the data has label {label}, outside the range 0 to {len(label_of) - 1}")
    return label_of[label]
