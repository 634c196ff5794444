"""Checks a dataset source against :mod:`vlmbench.data.base`; authors of sources call :func:`check_source`."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from vlmbench.cards import SourceSpec, check_templates
from vlmbench.data import SOURCES
from vlmbench.data.base import (
    ClipDataset,
    ImageDataset,
    MaskDataset,
    OpenSource,
    Sample,
    Source,
    SourceContext,
    SourceInfo,
    TargetKind,
    as_source,
)
from vlmbench.data.formats.pixels import decode_rgb
from vlmbench.data.labels import check_dataset
from vlmbench.data.location import candidates
from vlmbench.data.open import checked_source
from vlmbench.errors import BadSampleError, DataError, MissingDataError, UsageError
from vlmbench.markup import is_blank
from vlmbench.remarks.base import gathered_remarks
from vlmbench.remarks.codes import WARNING
from vlmbench.testing.checks.clips_and_masks import check_clips, check_masks
from vlmbench.testing.conformance import Conformance, Inspection
from vlmbench.testing.one_entry import registered

_THREADS = 4
_MOST = 32
"""At most this number of samples is read."""
_MOST_FILES, _MOST_BYTES = 10_000, 2**30
"""At most this much is copied beside a dataset's file."""
_LATER_S = 10
"""By how many seconds the files of a copy are made newer."""
_UNREGISTERED = "source-under-test"


def check_source(
    source: str | Source | OpenSource,
    location: str | Path,
    *,
    target: TargetKind = "class",
    class_names: Sequence[str] | None = None,
    data_root: Path | None = None,
    **fields: Any,
) -> Conformance:
    """Check everything that a source and its dataset promise, on a small dataset of yours.

    If the location is a file or folder of this machine, it is copied into a temporary folder, and the copies are
    changed. Your own files are not changed.

    Args:
        source: its registered name, a :class:`~vlmbench.data.base.Source`, or a function that opens a dataset.
        location: the text that a card would have in ``location``.
        target: the kind of target that each sample must have.
        class_names: the card's class names, if it has some.
        data_root: the folder in which a relative location is looked up.
        fields: other fields that a card would have for the source, such as ``split`` or ``options``.

    Raises:
        ConformanceError: promises are broken; it lists all of them.
    """
    if not isinstance(source, str):
        with registered(SOURCES, _UNREGISTERED, as_source(source)):
            return check_source(
                _UNREGISTERED, location, target=target, class_names=class_names, data_root=data_root, **fields
            )
    spec = SourceSpec.model_validate({"kind": source, "location": str(location), **fields})
    names = tuple(class_names) if class_names is not None else None
    context = SourceContext(data_root=data_root, offline=True, class_names=names, target=target)
    inspection = Inspection(f"the source {source!r} at {str(location)!r}")
    with gathered_remarks(WARNING):
        _check(inspection, spec, context)
    return inspection.conclude()


def _check(inspection: Inspection, spec: SourceSpec, context: SourceContext) -> None:
    opener, datasets = as_source(SOURCES.get(spec.kind)), list[ImageDataset]()
    with inspection.promise(
        "It opens the dataset", fix="Return a dataset. If you cannot, raise a DataError that says what is wrong."
    ):
        datasets.append(opener.open(spec, context))
    _check_refusals(inspection, opener, spec, context)
    if not datasets:
        return
    dataset, before = datasets[0], len(inspection.broken)
    _check_samples(inspection, dataset, spec, context)
    if len(inspection.broken) > before:
        return
    _check_reading(inspection, dataset)
    with inspection.promise(
        "If it is opened again, it has the same samples, classes and state",
        fix="Sort the names in a folder, and use no times and no random numbers in ids and in state().",
    ):
        again = opener.open(spec, context)
        inspection.require(list(again.samples) == list(dataset.samples), "the samples or their order differ")
        inspection.require(again.classes == dataset.classes, f"classes are {dataset.classes}, then {again.classes}")
        inspection.require(again.state() == dataset.state(), "state() differs, though no file has changed")
    if isinstance(dataset, ClipDataset):
        check_clips(inspection, dataset)
    if context.target == "mask":
        _check_has_masks(inspection, dataset)
    _check_changes(inspection, opener, dataset, spec, context)


def _check_has_masks(inspection: Inspection, dataset: ImageDataset) -> None:
    if isinstance(dataset, MaskDataset):
        check_masks(inspection, dataset)


def _check_refusals(inspection: Inspection, opener: Source, spec: SourceSpec, context: SourceContext) -> None:
    promise = "An unknown option is refused"
    wrong = spec.model_copy(update={"options": {**spec.options, "no_such_option": 1}})
    if opener.options is None:
        inspection.skip(promise, "a function states no options; register a Source instead")
    else:
        with (
            inspection.promise(promise, fix="List the names of the options in Source(options=…)."),
            inspection.require_error(UsageError, "the option no_such_option is accepted"),
        ):
            checked_source(wrong)
    with inspection.promise(
        "The source states every field and option that the card uses",
        fix="State in Source(…) what the source reads: options, folders, other_locations, split, revision.",
    ):
        checked_source(spec)
    with inspection.promise(
        "A location that does not exist raises a MissingDataError or a UsageError",
        fix="Look for the data with vlmbench.data.location.find_local.",
    ):
        absent = spec.model_copy(update={"location": f"{spec.location}-that-is-not-there", "other_locations": []})
        with inspection.require_error((MissingDataError, UsageError), "it opens without an error"):
            opener.open(absent, context)


def _check_samples(inspection: Inspection, dataset: ImageDataset, spec: SourceSpec, context: SourceContext) -> None:
    with inspection.promise(
        "info says where the data came from", fix="Set info = SourceInfo(spec.kind, location, revision, split)."
    ):
        info = dataset.info
        inspection.require(isinstance(info, SourceInfo), f"info is {info!r}")
        inspection.require(info.kind == spec.kind, f"info.kind is {info.kind!r}, but the source is {spec.kind!r}")
        inspection.require(isinstance(info.location, str) and info.location, f"info.location is {info.location!r}")
    with inspection.promise(
        "samples is a sequence of Sample, and each has a different id",
        fix="Use the path relative to the dataset, a key or a row number as the id.",
    ):
        samples = dataset.samples
        inspection.require(len(samples), "there are no samples")
        listed = list(samples)
        inspection.require(
            len(listed) == len(samples) and [samples[i] for i in range(len(samples))] == listed,
            "its length, its items by index and its iteration do not agree",
        )
        inspection.require(all(isinstance(each, Sample) for each in listed), "an item is not a Sample")
        wrong = next((each.id for each in listed if not isinstance(each.id, str) or is_blank(each.id)), None)
        inspection.require(wrong is None, f"an id is {wrong!r}")
        ids = [each.id for each in listed]
        twice = next((each for each in ids if ids.count(each) > 1), None) if len(set(ids)) < len(ids) else None
        inspection.require(twice is None, f"several samples have the id {twice!r}")
    with inspection.promise(
        f"Targets are of the requested kind ({context.target}), and every label is the index of a class",
        fix="Read SourceContext.target, and number classes from 0 in the order of `classes`.",
    ):
        check_dataset(dataset, context.class_names, target=context.target)
        if context.target == "classes":
            labels = {each.id: cast(tuple[int, ...], each.target) for each in dataset.samples}
            unsorted = next((name for name, each in labels.items() if list(each) != sorted(set(each))), None)
            inspection.require(
                unsorted is None, f"the classes of sample {unsorted!r} are not sorted, or one is there twice"
            )
    with inspection.promise(
        "classes and templates are tuples of texts, or None",
        fix="Give each class a different name, and each template a place for the name: {} or {c}.",
    ):
        for name in ("classes", "templates"):
            value = getattr(dataset, name)
            inspection.require(
                value is None or (isinstance(value, tuple) and all(isinstance(text, str) for text in value)),
                f"{name} is {value!r}",
            )
        check_templates(list(dataset.templates) if dataset.templates is not None else None)


def _read(dataset: ImageDataset, index: int) -> bytes | None:
    """The image of a sample; None if it cannot be read, which the protocol allows."""
    try:
        return dataset.read(index)
    except BadSampleError:
        return None


def _check_reading(inspection: Inspection, dataset: ImageDataset) -> None:
    promise = "read gives the encoded image: the same each time, from several threads, and in any order"
    if isinstance(dataset, ClipDataset) and dataset.frames_per_clip > 1:
        inspection.skip(promise, "its samples are clips of several frames")
        return
    with inspection.promise(promise, fix="Open the file in each call. Threads must not share a position in a file."):
        indices = list(range(min(_MOST, len(dataset.samples))))
        found = [_read(dataset, index) for index in indices]
        inspection.require(any(each is not None for each in found), "none of the samples can be read")
        for index, data in zip(indices, found, strict=True):
            if data is not None:
                inspection.require(isinstance(data, bytes), f"read({index}) gives a {type(data).__name__}")
        inspection.require(any(data is not None and _is_image(data) for data in found), "no sample is an image file")
        order = (indices * _THREADS)[::-1]
        with ThreadPoolExecutor(_THREADS) as pool:
            again = list(pool.map(lambda index: _read(dataset, index), order))
        inspection.require(
            all(data == found[index] for index, data in zip(order, again, strict=True)),
            f"{_THREADS} threads read other bytes than one",
        )


def _is_image(data: bytes) -> bool:
    try:
        decode_rgb(data, "sample")
    except BadSampleError:
        return False
    return True


def _check_changes(
    inspection: Inspection, opener: Source, dataset: ImageDataset, spec: SourceSpec, context: SourceContext
) -> None:
    state, bad = "state changes when files change", "A missing file raises a BadSampleError"
    places = [path for path in candidates(spec.location, context) if path.exists()]
    if not places:
        for promise in (state, bad):
            inspection.skip(promise, "the location is not a file or folder of this machine")
        return

    def copied(folder: Path) -> tuple[SourceSpec, Path]:
        place = folder / places[0].name
        if places[0].is_dir():
            shutil.copytree(places[0], place)
        else:
            _copy_beside(places[0], folder)
        return spec.model_copy(update={"location": str(place)}), folder

    context = replace(context, data_root=None)
    with (
        inspection.promise(
            state, fix="Make state() from names, sizes and times, as vlmbench.data.location.files_state does."
        ),
        tempfile.TemporaryDirectory() as folder,
    ):
        there, root = copied(Path(folder))
        before = opener.open(there, context).state()
        for path in root.rglob("*"):
            if path.is_file():
                now = path.stat().st_mtime + _LATER_S
                os.utime(path, (now, now))
        inspection.require(
            opener.open(there, context).state() != before, "all files are newer, but state() is the same"
        )
    _check_gone(inspection, bad, opener, copied, context)


def _copy_beside(file: Path, folder: Path) -> None:
    """A file with what lies beside it, since an annotation file names images there; the file alone if that is much."""
    beside = [path for path in file.parent.rglob("*") if path.is_file()] if file.parent.parent != file.parent else []
    total = sum(path.stat().st_size for path in beside[:_MOST_FILES])
    if len(beside) > _MOST_FILES or total > _MOST_BYTES or folder.is_relative_to(file.parent):
        beside = [file]
    for path in beside:
        place = folder / path.relative_to(file.parent)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, place)


def _check_gone(
    inspection: Inspection,
    promise: str,
    opener: Source,
    copied: Callable[[Path], tuple[SourceSpec, Path]],
    context: SourceContext,
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        there, root = copied(Path(folder))
        opened = opener.open(there, context)
        try:
            content = opened.read(0)
        except DataError:  # a clip of several frames, or a bad sample
            content = None
        files = [path for path in root.rglob("*") if content is not None and _holds(path, content)]
        if not files:
            inspection.skip(promise, "no file contains exactly the first sample")
            return
        with inspection.promise(promise, fix="Catch OSError in read(), and raise BadSampleError(sample.id, reason)."):
            for path in files:
                path.unlink()
            with inspection.require_error(BadSampleError, "the file is missing, but read() still gives an image"):
                opened.read(0)


def _holds(path: Path, content: bytes) -> bool:
    return path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content
