"""Toy datasets in memory and on disk: seeded, a few pixels large, one for each kind of target."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from vlmbench.data.base import Box, ImageDataset, Sample, SourceInfo, TargetKind
from vlmbench.errors import BadSampleError, DataError
from vlmbench.testing.toy_colours import COLOURS

SIDE = 16
"""The width and height of a toy image in pixels."""
_LEVELS = (0, 64, 128, 192, 255)
_IGNORED = 255
_IN_MEMORY = SourceInfo("toy", "memory")
_OBJECT = 8
"""The width and height of an object in pixels."""


@dataclass
class ToyImages:
    """An :class:`~vlmbench.data.base.ImageDataset` in memory.

    Attributes:
        files: the encoded image of each sample; None if the sample cannot be read.
    """

    samples: Sequence[Sample]
    files: Sequence[bytes | None]
    classes: tuple[str, ...] | None = None
    templates: tuple[str, ...] | None = None
    info: SourceInfo = _IN_MEMORY

    def read(self, index: int) -> bytes:
        """The encoded image of a sample.

        Raises:
            BadSampleError: there is no file.
        """
        return _there(self.files[index], self.samples[index].id)

    def state(self) -> str:
        """A hash of all files and targets."""
        digest = hashlib.sha256(repr([(sample.id, sample.target) for sample in self.samples]).encode())
        for file in self.files:
            digest.update(hashlib.sha256(file or b"").digest())
        return digest.hexdigest()


@dataclass
class ToyMasks(ToyImages):
    """A :class:`~vlmbench.data.base.MaskDataset` in memory: a mask's value is the class, and 255 is not scored."""

    masks: Sequence[bytes] = ()
    ignore_label: int = _IGNORED
    mask_values: str = "class indices"

    def read_mask(self, index: int) -> bytes:
        """The encoded mask of a sample."""
        return self.masks[index]

    def labels(self, data: bytes, sample_id: str) -> NDArray[np.int64]:
        """A mask as (H, W) class indices.

        Raises:
            BadSampleError: it is not a mask, or has a value that is not a class.
        """
        try:
            found = np.asarray(PIL.Image.open(io.BytesIO(data))).astype(np.int64)
        except OSError as error:
            raise BadSampleError(sample_id, f"its mask cannot be read: {error}") from error
        if found.ndim != 2 or not np.isin(found, [*range(len(self.classes or ())), self.ignore_label]).all():
            raise BadSampleError(sample_id, "its mask has values that are not classes")
        return found


@dataclass
class ToyClips(ToyImages):
    """A :class:`~vlmbench.data.base.ClipDataset` in memory; ``files`` holds the first frame of each clip.

    Attributes:
        frames: the encoded frames of each clip.
    """

    frames: Sequence[Sequence[bytes]] = ()
    frames_per_clip: int = 2

    def read(self, index: int) -> bytes:
        """The frame of a clip of one frame.

        Raises:
            DataError: clips have several frames.
        """
        if self.frames_per_clip > 1:
            raise DataError(
                f"{self.samples[index].id}: clips have {self.frames_per_clip} frames; call read_frames instead of read"
            )
        return super().read(index)

    def read_frames(self, index: int) -> Iterator[bytes]:
        """The frames of a clip, in order of time."""
        yield from self.frames[index]


def _there(file: bytes | None, sample_id: str) -> bytes:
    if file is None:
        raise BadSampleError(sample_id, "there is no file")
    return file


def toy_dataset(target: TargetKind = "class", *, samples: int = 24, seed: int = 0) -> ImageDataset:
    """A toy dataset whose right answers can be seen: a class is a colour, and an image shows its target's colours.

    :class:`~vlmbench.testing.toy_colours.ColourModel` answers all samples correctly.

    Args:
        target: the kind of target of each sample. With "captions", each image has a different colour, and two captions
            that name it.
        samples: the number of samples; with captions, at most 125.
        seed: the seed of the noise, the places and the colours.

    Raises:
        DataError: there is no toy dataset with this kind of target, or it cannot be this large.
    """
    makers = {"class": _labelled, "classes": _multi_labelled, "captions": _captioned, "boxes": _boxed, "mask": _masked}
    if target not in makers:
        raise DataError(f"there is no toy dataset whose target is {target!r}", hint="Give a dataset of your own.")
    return makers[target](samples, np.random.default_rng(seed))


def _labelled(count: int, random: np.random.Generator) -> ImageDataset:
    names = tuple(COLOURS)
    labels = [number % len(names) for number in range(count)]
    files = [png(_noisy(COLOURS[names[label]], random)) for label in labels]
    return ToyImages([Sample(f"{number:04}.png", label) for number, label in enumerate(labels)], files, names)


def _multi_labelled(count: int, random: np.random.Generator) -> ImageDataset:
    """Images of one colour, of two colours side by side, or without a colour (black)."""
    names = ("red", "green", "blue")
    chosen = [(0,), (1,), (2,), (0, 1), (1, 2), (0, 2), ()]
    targets = [chosen[number % len(chosen)] for number in range(count)]
    files = []
    for labels in targets:
        pixels = np.zeros((SIDE, SIDE, 3), np.uint8)
        for place, label in enumerate(labels):
            pixels[:, place * SIDE // len(labels) : (place + 1) * SIDE // len(labels)] = COLOURS[names[label]]
        files.append(png(_with_noise(pixels, random)))
    return ToyImages([Sample(f"{number:04}.png", labels) for number, labels in enumerate(targets)], files, names)


def _captioned(count: int, random: np.random.Generator) -> ImageDataset:
    colours = list(product(_LEVELS, repeat=3))
    if count > len(colours):
        raise DataError(f"there are {len(colours)} colours for captions, but {count} samples were asked for")
    chosen = [colours[place] for place in random.permutation(len(colours))[:count]]
    codes = ["#{:02x}{:02x}{:02x}".format(*colour) for colour in chosen]
    samples = [Sample(f"{n:04}.png", (f"a picture of {code}", f"{code} everywhere")) for n, code in enumerate(codes)]
    return ToyImages(samples, [png(np.full((SIDE, SIDE, 3), colour, np.uint8)) for colour in chosen])


def _scenes(count: int, random: np.random.Generator) -> list[tuple[NDArray[np.uint8], list[tuple[int, int, int]]]]:
    """Pictures of one or two objects of different colours on black: (pixels, [(class, left, top), …])."""
    names, places = ("red", "green", "blue"), [(0, 0), (_OBJECT, 0), (0, _OBJECT), (_OBJECT, _OBJECT)]
    found = []
    for number in range(count):
        pixels = np.zeros((SIDE, SIDE, 3), np.uint8)
        labels = [number % 3, (number + 1) % 3][: 1 + number // 3 % 2]
        chosen = [places[place] for place in random.permutation(len(places))[: len(labels)]]
        objects = [(label, left, top) for label, (left, top) in zip(labels, chosen, strict=True)]
        for label, left, top in objects:
            pixels[top : top + _OBJECT, left : left + _OBJECT] = COLOURS[names[label]]
        found.append((_with_noise(pixels, random), objects))
    return found


def _boxed(count: int, random: np.random.Generator) -> ImageDataset:
    samples, files = [], []
    for number, (pixels, objects) in enumerate(_scenes(count, random)):
        boxes = tuple(
            Box(label, (float(left), float(top), float(_OBJECT), float(_OBJECT)), float(_OBJECT**2), id=10 * number + n)
            for n, (label, left, top) in enumerate(objects)
        )
        samples.append(Sample(f"{number:04}.png", boxes))
        files.append(png(pixels))
    return ToyImages(samples, files, ("red", "green", "blue"))


def _masked(count: int, random: np.random.Generator) -> ImageDataset:
    samples, files, masks = [], [], []
    for number, (pixels, objects) in enumerate(_scenes(count, random)):
        mask = np.full((SIDE, SIDE), _IGNORED, np.uint8)
        for label, left, top in objects:
            mask[top : top + _OBJECT, left : left + _OBJECT] = label
        samples.append(Sample(f"{number:04}.png", None))
        files.append(png(pixels))
        masks.append(png(mask))
    return ToyMasks(samples, files, ("red", "green", "blue"), masks=masks)


def toy_clips(*, samples: int = 12, frames: int = 2, seed: int = 0) -> ToyClips:
    """Clips of one colour, which is the class. Every frame has different noise."""
    random, names = np.random.default_rng(seed), tuple(COLOURS)
    labels = [number % len(names) for number in range(samples)]
    clips = [[png(_noisy(COLOURS[names[label]], random)) for _ in range(frames)] for label in labels]
    found = [Sample(f"{number:04}.mp4", label) for number, label in enumerate(labels)]
    return ToyClips(found, [clip[0] for clip in clips], names, frames=clips, frames_per_clip=frames)


def _noisy(colour: tuple[int, int, int], random: np.random.Generator) -> NDArray[np.uint8]:
    return _with_noise(np.full((SIDE, SIDE, 3), colour, np.uint8), random)


def _with_noise(pixels: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """Add noise, so that no two files are equal."""
    noise = random.integers(-12, 13, pixels.shape)
    return (pixels.astype(np.int64) + noise).clip(0, 255).astype(np.uint8)


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Pixels (H, W) or (H, W, 3) as a PNG file."""
    stream = io.BytesIO()
    PIL.Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def write_image_folder(folder: Path, classes: Mapping[str, int], *, side: int = 8, seed: int = 0) -> Path:
    """Write a folder of noise for each class: ``write_image_folder(path, {"cat": 3, "dog": 2})``.

    Args:
        classes: for each class name, the number of its images.
        side: the width and height of each image in pixels.
    """
    random = np.random.default_rng(seed)
    for name, count in classes.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            file = folder / name / f"{number:03}.png"
            file.write_bytes(png(random.integers(0, 256, (side, side, 3), dtype=np.uint8)))
    return folder
