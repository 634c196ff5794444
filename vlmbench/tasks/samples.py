"""The samples whose answers are drawn: which, their images, and the sheets that hold them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import PIL.Image

from vlmbench.data.base import ImageDataset, frames_per_sample, sample_images
from vlmbench.data.formats.pixels import decode_rgb
from vlmbench.data.shown import AnnotatedSize, ShownPictures
from vlmbench.errors import BadSampleError

A = TypeVar("A")
_LONGEST_SIDE = 1024
"""Pixels kept of an image that is drawn, so that a sheet of large scans stays small in memory."""


def drawn_samples(wrong: npt.NDArray[np.bool_], count: int, seed: int) -> list[int]:
    """Which of N samples to draw: a seeded choice, half of it wrong ones, fewer only where there are not enough.

    Args:
        wrong: (N,) whether each was answered wrongly.
        count: how many to draw; all where there are no more.
        seed: of the choice.

    Returns:
        Rows, the wrong ones first, each kind in the dataset's order.
    """
    random = np.random.default_rng(seed)
    count = min(count, len(wrong))
    kinds = np.flatnonzero(wrong), np.flatnonzero(~wrong)
    errors = min(len(kinds[0]), max((count + 1) // 2, count - len(kinds[1])))
    chosen = []
    for rows, share in zip(kinds, (errors, count - errors), strict=True):
        chosen += sorted(random.choice(rows, size=share, replace=False).tolist())
    return chosen


def sample_picture(dataset: ImageDataset, index: int) -> PIL.Image.Image | None:
    """A sample's image in RGB, read again, of bounded size; of a clip the middle frame.

    None where it can no longer be read: its answer was scored all the same, and the picture says so.
    """
    try:
        images = list(sample_images(dataset, index))
        middle = images[frames_per_sample(dataset) // 2]
        image = decode_rgb(middle, dataset.samples[index].id).image
    except (BadSampleError, OSError, ValueError):
        return None
    image.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
    return image


def own_pictures(
    dataset: ImageDataset,
    drawn: Mapping[int, A],
    model: str,
    draw: Callable[[PIL.Image.Image, int, A, str], bytes],
    annotated: AnnotatedSize | None = None,
) -> dict[str, bytes]:
    """A picture of each sample, read again as it was scored: numbered file name, without folders, to PNG.

    ``draw`` is given the RGB image, which sample it is, the answer and a title. ``annotated`` is that of
    :func:`~vlmbench.features.images.decoded.stream_pictures`.
    """
    pictures, shown = {}, ShownPictures(dataset, annotated)
    for number, (index, answer) in enumerate(drawn.items()):
        sample_id = dataset.samples[index].id
        image = shown.decode(index, dataset.read(index)).image
        name = f"{number:03d}-{PurePosixPath(sample_id).stem}.png"
        pictures[name] = draw(image, index, answer, f"{model}: {sample_id}")
    return pictures


def sheets(rows: Sequence[int], most: int, draw: Callable[[Sequence[int]], bytes]) -> dict[str, bytes]:
    """Chosen samples on as many sheets as they need: ``samples.png``, or ``samples-01.png`` and on.

    Args:
        rows: at least one.
        most: samples a sheet.
    """
    pages = [rows[start : start + most] for start in range(0, len(rows), most)]
    if len(pages) == 1:
        return {"samples.png": draw(pages[0])}
    digits = max(2, len(str(len(pages))))
    return {f"samples-{number:0{digits}}.png": draw(page) for number, page in enumerate(pages, 1)}
