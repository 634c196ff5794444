"""Reads images and labels from the columns of a table that the ``datasets`` library can read.

The ``hub`` source uses it for repositories and folders without tar files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlmbench.cards import SourceSpec
from vlmbench.data.base import ImageDataset, Sample, SourceContext, SourceInfo, Target
from vlmbench.data.hub.client import quiet_unless_terminal
from vlmbench.data.labels import listing
from vlmbench.data.location import files_state
from vlmbench.errors import BadSampleError, DataError, LabelError, MissingDependencyError
from vlmbench.files import read_bytes

_USUAL_LABEL_COLUMNS = ("label", "labels")
_USUAL_CAPTION_COLUMNS = ("caption", "captions", "sentences", "text")


@dataclass(eq=False)
class TableDataset:
    """Rows of a memory-mapped table: ids are row numbers, images the stored bytes as they are."""

    info: SourceInfo
    samples: Sequence[Sample]
    classes: tuple[str, ...] | None
    images: Any
    image_column: str
    folder: Path
    templates: tuple[str, ...] | None = None

    def read(self, index: int) -> bytes:
        sample = self.samples[index]
        cell = self.images[index][self.image_column]
        if cell is None:
            raise BadSampleError(sample.id, f"its {self.image_column!r} is empty")
        if cell["bytes"] is not None:
            return bytes(cell["bytes"])
        try:
            return read_bytes(cell["path"])
        except (OSError, TypeError) as error:
            raise BadSampleError(sample.id, f"cannot be read: {error}") from error

    def state(self) -> str:
        files = sorted(path for path in self.folder.rglob("*") if path.is_file())
        named = [(path.relative_to(self.folder).as_posix(), path) for path in files]
        return files_state(named, salt=f"{self.info.revision}/{self.info.split}/{self.image_column}")


def read_table(
    folder: Path, info: SourceInfo, spec: SourceSpec, context: SourceContext, data_files: Sequence[str]
) -> ImageDataset:
    """The split of a local folder that ``datasets.load_dataset`` understands.

    Args:
        folder: a repository's snapshot, or any folder of Parquet, JSON, CSV or image files.
        info: what the dataset will report about itself; it names the split.
        spec: the source, with the options ``name``, ``image_column``, ``label_column`` and ``caption_column``.
        data_files: patterns of the split's files; if empty, the folder's card or file names decide.

    Raises:
        MissingDependencyError: ``datasets`` is not installed.
        DataError: no such split or configuration, no readable table, no image column.
        LabelError: no label or caption column, or rows without a usable label.
    """
    table = _load(folder, info, spec, data_files)
    place = f"{info.kind} {info.location!r}"
    image_column = _image_column(table, spec, place)
    if context.target == "captions":
        return _captioned(table, info, spec, folder, image_column)
    label_column = _label_column(table, spec, place)
    feature = table.features[label_column]
    inner = getattr(feature, "feature", feature)
    names = getattr(inner, "names", None)
    if names is None and context.target == "classes":
        raise LabelError(
            f"{place}: the lists in {label_column!r} may be class indices or 0/1 vectors: the table does not say which",
            hint="Multi-label tables need a column of lists of ClassLabel.",
        )
    targets = [
        _target(label, str(row), context, place)
        for row, label in enumerate(table.data.column(label_column).to_pylist())
    ]
    samples = [Sample(str(row), target) for row, target in enumerate(targets)]
    return TableDataset(
        info, samples, tuple(names) if names else None, _stored(table, image_column), image_column, folder
    )


def _captioned(table: Any, info: SourceInfo, spec: SourceSpec, folder: Path, image_column: str) -> ImageDataset:
    place = f"{info.kind} {info.location!r}"
    kinds = {name: getattr(feature, "feature", feature) for name, feature in table.features.items()}
    found = [name for name in _USUAL_CAPTION_COLUMNS if getattr(kinds.get(name), "dtype", None) == "string"]
    column = _choose("caption_column", found, table, spec, place, LabelError)
    samples = []
    for row, cell in enumerate(table.data.column(column).to_pylist()):
        captions = cell if isinstance(cell, list) else [cell]
        if not all(isinstance(caption, str) for caption in captions):
            raise LabelError(f"{place}: row {row}: its {column!r} is {cell!r}, not a caption or a list of captions")
        samples.append(Sample(str(row), tuple(caption.strip() for caption in captions)))
    return TableDataset(info, samples, None, _stored(table, image_column), image_column, folder)


def _stored(table: Any, image_column: str) -> Any:
    import datasets

    return table.select_columns([image_column]).cast_column(image_column, datasets.Image(decode=False))


def _load(folder: Path, info: SourceInfo, spec: SourceSpec, data_files: Sequence[str]) -> Any:
    try:
        import datasets
    except ImportError as error:
        raise MissingDependencyError(
            f"hub {info.location!r} is a table, which needs the package 'datasets'",
            hint="pip install datasets",
        ) from error
    try:
        with quiet_unless_terminal(datasets):
            return datasets.load_dataset(
                str(folder),
                name=spec.options.get("name"),
                split=info.split,
                data_files={info.split: list(data_files)} if data_files else None,
                # A card counts the samples of all its splits, and only one is loaded.
                verification_mode="no_checks",
            )
    except Exception as error:  # builders fail with ValueError, FileNotFoundError, ArrowInvalid, ...
        raise DataError(
            f"{info.kind} {info.location!r}: split {info.split!r} cannot be read as a table: {error}",
            hint="Check the source's `split`, and its options `name` (configuration) and `data_files`.",
        ) from error


def _image_column(table: Any, spec: SourceSpec, place: str) -> str:
    found = [name for name, feature in table.features.items() if type(feature).__name__ == "Image"]
    return _choose("image_column", found, table, spec, place, DataError)


def _label_column(table: Any, spec: SourceSpec, place: str) -> str:
    kinds = {name: getattr(feature, "feature", feature) for name, feature in table.features.items()}
    found = [name for name, kind in kinds.items() if type(kind).__name__ == "ClassLabel"]
    if not found:
        found = [name for name in _USUAL_LABEL_COLUMNS if "int" in str(getattr(kinds.get(name), "dtype", ""))]
    return _choose("label_column", found, table, spec, place, LabelError)


def _choose(option: str, found: list[str], table: Any, spec: SourceSpec, place: str, kind: type[DataError]) -> str:
    asked = spec.options.get(option)
    if asked is not None:
        if asked not in table.features:
            raise kind(f"{place}: {option}: no column {asked!r}; it has {listing(table.features)}")
        return str(asked)
    if len(found) == 1:
        return found[0]
    what = f"several fit: {listing(found)}" if found else f"no column fits; columns: {listing(table.features)}"
    raise kind(f"{place}: which is the {option}? {what}", hint=f"Name it in the card: options: {{{option}: …}}.")


def _target(label: object, row: str, context: SourceContext, place: str) -> Target:
    if isinstance(label, list) and context.target == "classes" and all(_is_index(item) for item in label):
        return tuple(sorted(set(label)))
    if _is_index(label) and context.target == "class":
        assert isinstance(label, int)
        return label
    wanted = "a list of class indices" if context.target == "classes" else "a class index"
    raise LabelError(f"{place}: row {row}: its label is {label!r}, not {wanted}")


def _is_index(label: object) -> bool:
    return isinstance(label, int) and not isinstance(label, bool)
