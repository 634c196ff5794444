"""Reads webdatasets (images and labels in tar shards) in the layout of LAION's CLIP_benchmark.

The sources ``wds``, ``hub`` and ``captions`` use it.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from vlmbench.cards import check_templates
from vlmbench.data.base import Sample, SourceContext, SourceInfo, Target, TargetKind
from vlmbench.data.formats.decode import CONVERT_HEIC
from vlmbench.data.formats.folder_walk import FolderWalk, PassedOver
from vlmbench.data.formats.image_suffixes import HEIC_SUFFIXES, image_suffixes
from vlmbench.data.formats.shards import (
    CLASS_NAMES,
    DATASET_TYPE,
    METADATA_FILES,
    SHARD_COUNT,
    TEMPLATES,
    Shards,
)
from vlmbench.data.formats.tar_index import Member, TarSample, read_member, scan
from vlmbench.data.labels import TARGET_WORDS, listing
from vlmbench.data.location import files_state, read_text
from vlmbench.errors import DataError, LabelError
from vlmbench.markup import is_blank
from vlmbench.wording import counted

LABEL_SUFFIX: dict[TargetKind, str] = {"class": "cls", "classes": "npy", "captions": "txt"}
"""The suffix of the file that holds a sample's target."""
_KNOWN_SUFFIXES = frozenset((*LABEL_SUFFIX.values(), "json"))
"""Suffixes of files that are not images and not counted as passed over: labels for all kinds of tasks, and metadata."""
_LONGEST_LABEL = 18
"""The most digits of a label, so that it fits into 64 bits. Python raises an error of its own for very long numbers."""


@dataclass(eq=False)
class WebDataset:
    """The images of tar shards. It keeps only their positions; each image is read when it is needed."""

    info: SourceInfo
    shards: Shards
    samples: Sequence[Sample]
    images: Sequence[Member]
    classes: tuple[str, ...] | None
    templates: tuple[str, ...] | None

    def read(self, index: int) -> bytes:
        return read_member(self.images[index], self.samples[index].id)

    def state(self) -> str:
        metadata = [path for name in METADATA_FILES if (path := self.shards.metadata_file(name))]
        return files_state((path.name, path) for path in (*self.shards.tars, *metadata))


class Scan(Protocol):
    """Lists the samples of one shard, as :func:`~vlmbench.data.formats.tar_index.scan` does."""

    def __call__(self, shard: Path, *, load: frozenset[str], passed: PassedOver) -> Iterable[TarSample]: ...


def read_shards(shards: Shards, info: SourceInfo, context: SourceContext, scan: Scan = scan) -> WebDataset:
    """Open the dataset of shards that have already been found. It raises the errors of
    :func:`vlmbench.data.sources.wds.open_source`.

    Args:
        scan: lists the samples of a shard.
    """
    _check_type(shards, context)
    classes = _lines(shards.metadata_file(CLASS_NAMES))
    for line, name in enumerate(classes or ()):
        # In CLIP_benchmark's CLEVR distances, one class has no name. It is allowed if the card's class has no name,
        # too.
        if not name and (context.class_names or ())[line : line + 1] != ("",):
            raise LabelError(f"{shards.metadata_file(CLASS_NAMES)}: line {line + 1} is empty")
    names = classes if classes is not None else context.class_names
    found: list[tuple[str, str, Target]] = []
    images: list[Member] = []
    label_suffix = LABEL_SUFFIX[context.target]
    passed = PassedOver()
    _count_beside(shards, passed)
    for shard in shards.tars:
        for sample in scan(shard, load=frozenset((label_suffix,)), passed=passed):
            where = f"shard {shard}: sample {sample.key!r}"
            images.append(_only_image(sample, where))
            for suffix in sample.members:
                if not _is_image(suffix) and suffix not in _KNOWN_SUFFIXES:
                    passed.add_suffix(f"{shard.name}/{sample.key}.{suffix}")
            label = _label(sample, label_suffix, where)
            found.append((shard.stem, sample.key, _target(label, context.target, len(names) if names else None, where)))
    passed.say(f"{info.kind} {info.location!r}")
    return WebDataset(info, shards, _with_ids(found), images, classes, _templates(shards))


def _count_beside(shards: Shards, passed: PassedOver) -> None:
    """Count the files below a split's folder that are neither shards nor known files.

    If the location names the shards themselves, nothing is counted.
    """
    if shards.split is None:
        return
    folder = shards.tars[0].parent
    known = {*(tar.name for tar in shards.tars), SHARD_COUNT, *METADATA_FILES}
    for path in FolderWalk(folder, known.__contains__, passed).files():
        if "/" in path:
            passed.add("in folders beside the shards", path)


def _target(label: bytes, kind: TargetKind, classes: int | None, where: str) -> Target:
    if kind == "captions":
        return captions(label, where)
    return present_classes(label, classes, where) if kind == "classes" else class_index(label, where)


def captions(data: bytes, where: str) -> tuple[str, ...]:
    r"""The captions in a ``.txt`` file: its lines, without the spaces around them and without empty lines.

    CLIP_benchmark (webdataset_builder.py) writes a newline in a caption as the two characters ``\n`` and does not
    convert them back; many captions of COCO end in a newline. Here they become a newline again, so that the captions
    are those of COCO's JSON.

    Raises:
        LabelError: it is not UTF-8, or has no captions.
    """
    try:
        lines = [line.replace(r"\n", "\n").strip() for line in data.decode("utf-8-sig").split("\n")]
    except UnicodeDecodeError as error:
        raise LabelError(f"{where}: its .txt is not UTF-8 text: {error}") from error
    found = tuple(line for line in lines if not is_blank(line))
    if not found:
        raise LabelError(f"{where}: its .txt has no captions")
    return found


def class_index(data: bytes, where: str) -> int:
    """The integer of a ``.cls`` file.

    Raises:
        LabelError: it is not an integer.
    """
    text = data.strip()
    if not text.removeprefix(b"-").isdigit() or len(text) > _LONGEST_LABEL:
        raise LabelError(f"{where}: its .cls is not an integer: {data[:40]!r}")
    return int(text)


def present_classes(data: bytes, classes: int | None, where: str) -> tuple[int, ...]:
    """The indices of the numbers 1 in a ``.npy`` vector of shape (C,).

    Raises:
        LabelError: it is not such a vector, its length is not the number of classes, or it has values other than 0
            and 1.
    """
    import numpy as np

    try:
        vector = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise LabelError(f"{where}: its .npy cannot be read: {error}") from error
    if not isinstance(vector, np.ndarray) or vector.ndim != 1:
        raise LabelError(f"{where}: its .npy is not a vector with one number per class")
    if classes is not None and len(vector) != classes:
        raise LabelError(
            f"{where}: its .npy has {counted(len(vector), 'number')}, but the task has "
            f"{counted(classes, 'class', 'classes')}"
        )
    if not np.isin(vector, (0, 1)).all():
        raise LabelError(f"{where}: its .npy has values other than 0 and 1")
    return tuple(int(label) for label in np.flatnonzero(vector))


def _check_type(shards: Shards, context: SourceContext) -> None:
    path = shards.metadata_file(DATASET_TYPE)
    if context.target not in LABEL_SUFFIX:
        raise LabelError(f"{shards.tars[0]}: a webdataset does not have {TARGET_WORDS[context.target]}")
    kind = (_lines(path) or ("",))[0].lower()
    if kind == "retrieval" and context.target != "captions":
        raise DataError(f"{path}: a retrieval set has captions, not classes", hint="Use a retrieval task for it.")
    if kind and kind != "retrieval" and context.target == "captions":
        raise LabelError(f"{path}: a {kind} set has classes, not captions")
    if kind == "multilabel" and context.target == "class":
        raise LabelError(
            f"{path}: the set is multi-label, but the task is not", hint="Set multi_label: true in the card."
        )


def _is_image(suffix: str) -> bool:
    return f".{suffix}" in image_suffixes()


def _only_image(sample: TarSample, where: str) -> Member:
    found = [suffix for suffix in sample.members if _is_image(suffix)]
    if not found:
        suffixes = [f".{suffix}" for suffix in sample.members]
        raise DataError(
            f"{where}: it has no image, only {listing(suffixes)}",
            hint=f"Convert HEIC images {CONVERT_HEIC}." if HEIC_SUFFIXES.intersection(suffixes) else None,
        )
    if len(found) > 1:
        raise DataError(
            f"{where}: it has {len(found)} images ({listing(f'.{suffix}' for suffix in found)}), and it must have one"
        )
    return sample.members[found[0]]


def _label(sample: TarSample, suffix: str, where: str) -> bytes:
    if suffix in sample.small:
        return sample.small[suffix]
    hint = None
    for other, words in (("npy", "multi-label"), ("cls", "single-label"), ("txt", "retrieval")):
        if other != suffix and other in sample.members:
            hint = f"It has a .{other}: is this a {words} set?"
            break
    raise LabelError(f"{where}: it has no label (.{suffix})", hint=hint)


def _with_ids(found: Sequence[tuple[str, str, Target]]) -> list[Sample]:
    keys = {key for _, key, _ in found}
    if len(keys) == len(found):
        return [Sample(key, target) for _, key, target in found]
    samples = [Sample(f"{shard}/{key}", target) for shard, key, target in found]
    seen: set[str] = set()
    for sample in samples:
        if sample.id in seen:
            raise DataError(
                f"two samples have the id {sample.id!r} (shard and key): the files of a sample must follow each other "
                "in the shard"
            )
        seen.add(sample.id)
    return samples


def _templates(shards: Shards) -> tuple[str, ...] | None:
    path = shards.metadata_file(TEMPLATES)
    templates = tuple(line for line in _lines(path) or () if line)
    try:
        check_templates(list(templates) or None)
    except ValueError as error:
        raise DataError(f"{path}: {error}") from error
    return templates or None


def _lines(path: Path | None) -> tuple[str, ...] | None:
    """The stripped lines of a file, as CLIP_benchmark reads them, without empty lines at the end."""
    if path is None:
        return None
    lines = [line.strip() for line in read_text(path).splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    return tuple(lines)
