"""check_source: sources that keep all promises, and for each promise a source that breaks it."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from vlmbench.cards import SourceSpec
from vlmbench.data.base import ImageDataset, Sample, Source, SourceContext, SourceInfo, TargetKind
from vlmbench.data.location import files_state, find_local
from vlmbench.errors import BadSampleError, DataError
from vlmbench.testing import (
    Conformance,
    ConformanceError,
    ToyClips,
    ToyImages,
    ToyMasks,
    check_source,
    toy_clips,
    toy_dataset,
    write_image_folder,
)

CALLS = count()


@dataclass
class Folder:
    """Images of ``<class>/<name>.png``, with the flaws that the tests ask for."""

    root: Path
    info: SourceInfo
    flaw: str = ""
    templates: tuple[str, ...] | None = None
    classes: tuple[str, ...] | None = field(init=False)
    samples: Sequence[Sample] = field(init=False)

    def __post_init__(self) -> None:
        names = sorted(path.name for path in self.root.iterdir())
        paths = sorted(path.relative_to(self.root).as_posix() for path in self.root.rglob("*.png"))
        base = 1 if self.flaw == "labels from 1" else 0
        samples = [Sample(path, names.index(path.split("/")[0]) + base) for path in paths]
        self.paths = paths
        if self.flaw == "ids twice":
            samples = [replace(sample, id=sample.id.split("/")[1]) for sample in samples]
        if self.flaw == "fickle ids":
            samples = [replace(sample, id=f"{sample.id}?{next(CALLS)}") for sample in samples]
        self.samples = samples if self.flaw != "empty" else []
        self.classes = tuple(names) if self.flaw != "class list" else names  # type: ignore[assignment]
        self.templates = ("no place",) if self.flaw == "template" else None
        self.file: Any = None
        self.lock = threading.Lock()

    def read(self, index: int) -> bytes:
        path = self.root / self.paths[index]
        if self.flaw == "os error":
            return path.read_bytes()
        if self.flaw == "text":
            return path.read_bytes()[:100] + b"?" * (next(CALLS) % 2)
        try:
            if self.flaw == "one file":
                self.file = io.BytesIO(path.read_bytes())
                threading.Event().wait(0.002)
                return self.file.read()  # type: ignore[no-any-return]
            return path.read_bytes()
        except OSError as error:
            raise BadSampleError(self.samples[index].id, str(error)) from error

    def state(self) -> str:
        if self.flaw == "constant state":
            return "same"
        if self.flaw == "fickle state":
            return str(next(CALLS))
        if self.flaw == "names only":
            return repr(self.paths)
        return files_state((path, self.root / path) for path in self.paths)


def source(flaw: str = "") -> Source:
    def open_folder(spec: SourceSpec, context: SourceContext) -> ImageDataset:
        root = Path(spec.location) if flaw == "any place" else find_local(spec, context).path
        if flaw == "any place" and not root.exists():
            root = next(path for path in root.parent.iterdir() if path.is_dir())
        kind = "other" if flaw == "other kind" else spec.kind
        return Folder(root, SourceInfo(kind, spec.location), flaw)

    return Source(open_folder, None if flaw == "any option" else ("suffix",))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_image_folder(tmp_path / "images", {"cat": 3, "dog": 3})


def test_a_good_source_keeps_every_promise_and_its_files_stay(folder: Path) -> None:
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*.png")}
    assert len(check_source(source(), folder).kept) == 12
    assert before == {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*.png")}


FLAWS = {
    "any place": "A location that does not exist",
    "other kind": "info says where",
    "empty": "samples is a sequence",
    "ids twice": "samples is a sequence",
    "labels from 1": "Targets are of the requested kind",
    "class list": "classes and templates",
    "template": "classes and templates",
    "fickle ids": "If it is opened again",
    "fickle state": "If it is opened again",
    "constant state": "state changes when files change",
    "names only": "state changes when files change",
    "os error": "A missing file",
    "text": "read gives the encoded image",
    "one file": "read gives the encoded image",
}


def broken(check: Callable[[], Conformance]) -> list[str]:
    with pytest.raises(ConformanceError) as caught:
        check()
    return [each.promise for each in caught.value.broken]


@pytest.mark.parametrize("flaw", FLAWS)
def test_a_broken_source_is_caught(flaw: str, folder: Path) -> None:
    found = broken(lambda: check_source(source(flaw), folder))
    assert any(promise.startswith(FLAWS[flaw]) for promise in found)


def test_a_source_that_states_no_options_is_skipped_and_one_that_misstates_them_is_caught(folder: Path) -> None:
    assert "An unknown option is refused" in dict(check_source(source("any option"), folder).skipped)
    found = broken(lambda: check_source(source(), folder, options={"every": 2}))
    assert found == ["The source states every field and option that the card uses"]


def test_a_source_that_crashes_is_caught(folder: Path) -> None:
    def crash(spec: SourceSpec, context: SourceContext) -> ImageDataset:
        raise KeyError("oh")

    assert "It opens the dataset" in broken(lambda: check_source(Source(crash), folder))


def in_memory(dataset: ImageDataset) -> Source:
    """A source of one dataset."""

    def open_it(spec: SourceSpec, context: SourceContext) -> ImageDataset:
        if spec.location != "here":
            raise DataError("it is not here") if spec.location == "wrong" else _absent()
        dataset.info = SourceInfo(spec.kind, spec.location)
        return dataset

    return Source(open_it)


def _absent() -> DataError:
    from vlmbench.errors import MissingDataError

    return MissingDataError("it is not here")


@pytest.mark.parametrize("target", ["class", "classes", "captions", "boxes", "mask"])
def test_toy_datasets_keep_every_promise(target: TargetKind) -> None:
    found = check_source(in_memory(toy_dataset(target)), "here", target=target)
    assert len(found.kept) == (12 if target == "mask" else 10)
    assert toy_dataset(target).state() == toy_dataset(target).state() != toy_dataset(target, seed=1).state()


@pytest.mark.parametrize("frames", [1, 2])
def test_toy_clips_keep_every_promise(frames: int) -> None:
    assert len(check_source(in_memory(toy_clips(frames=frames)), "here").kept) == 12 - (frames > 1)


class UnsortedClasses(ToyImages):
    pass


class FewFrames(ToyClips):
    def read_frames(self, index: int) -> Iterator[bytes]:
        yield from self.frames[index][1:]


class AnyFrame(ToyClips):
    def read(self, index: int) -> bytes:
        return self.frames[index][0]


class Wide(ToyMasks):
    def labels(self, data: bytes, sample_id: str) -> Any:
        return super().labels(data, sample_id).astype("uint8")


class OtherLabels(ToyMasks):
    def labels(self, data: bytes, sample_id: str) -> Any:
        return super().labels(data, sample_id) + 1


class Crashing(ToyMasks):
    def labels(self, data: bytes, sample_id: str) -> Any:
        if data == b"not an image":
            raise OSError("no")
        return super().labels(data, sample_id)


OTHERS: list[tuple[type[ToyImages], ImageDataset, TargetKind, str]] = [
    (FewFrames, toy_clips(), "class", "read_frames gives"),
    (AnyFrame, toy_clips(), "class", "read gives the frame"),
    (Wide, toy_dataset("mask"), "mask", "Masks are"),
    (OtherLabels, toy_dataset("mask"), "mask", "Masks are"),
    (Crashing, toy_dataset("mask"), "mask", "Bytes that are not a mask"),
]


@pytest.mark.parametrize("kind, good, target, promise", OTHERS, ids=lambda value: getattr(value, "__name__", None))
def test_broken_clips_and_masks_are_caught(
    kind: type[ToyImages], good: ImageDataset, target: TargetKind, promise: str
) -> None:
    bad = kind(**vars(good))
    found = broken(lambda: check_source(in_memory(bad), "here", target=target))  # type: ignore[arg-type]
    assert any(each.startswith(promise) for each in found)


def test_classes_that_are_not_sorted_are_caught() -> None:
    data: Any = toy_dataset("classes")
    data.samples = [replace(sample, target=sample.target[::-1]) for sample in data.samples]
    found = broken(lambda: check_source(in_memory(data), "here", target="classes"))
    assert found == ["Targets are of the requested kind (classes), and every label is the index of a class"]


def test_a_file_beside_much_else_is_copied_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a file in the folder of temporary files: its copy would be copied into itself, again and again."""
    from vlmbench.testing.checks.sources import _copy_beside

    (file := tmp_path / "list.csv").write_text("a")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "image.png").write_text("b")
    inside = tmp_path / "copies"
    inside.mkdir()
    _copy_beside(file, inside)
    assert [path.name for path in inside.rglob("*")] == ["list.csv"]
    outside = tmp_path.parent / f"{tmp_path.name}-copies"
    _copy_beside(file, outside)
    assert sorted(path.name for path in outside.rglob("*.*")) == ["image.png", "list.csv", "list.csv"]
