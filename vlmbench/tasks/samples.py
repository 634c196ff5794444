"""Chooses the samples whose answers are drawn, reads their images again, and divides them into sheets.

The kinds of task with ``--save-visuals`` use it: classification, retrieval, segmentation and detection.
"""

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
from vlmbench.wording import counted, either

A = TypeVar("A")
_LONGEST_SIDE = 1024
"""Images are reduced to this many pixels on the longer side, so that a sheet of large scans needs little memory."""


def drawn_samples(wrong: npt.NDArray[np.bool_], count: int, seed: int) -> list[int]:
    """Choose samples to draw, at random by a seed: half wrong and half right answers, if there are enough of both.

    Args:
        wrong: (N,) whether the answer to each sample is wrong.
        count: the number of samples to draw. If it is N or more, all are drawn.
        seed: the seed of the choice.

    Returns:
        The rows of the samples: first those with wrong answers, then those with right answers, both in the dataset's
        order.
    """
    random = np.random.default_rng(seed)
    count = min(count, len(wrong))
    kinds = np.flatnonzero(wrong), np.flatnonzero(~wrong)
    errors = min(len(kinds[0]), max((count + 1) // 2, count - len(kinds[1])))
    chosen = []
    for rows, share in zip(kinds, (errors, count - errors), strict=True):
        chosen += sorted(random.choice(rows, size=share, replace=False).tolist())
    return chosen


def drawn_note(wrong: npt.NDArray[np.bool_], drawn: Sequence[int]) -> str:
    """A note on a sheet: how many of the shown answers are wrong, and how many of all answers.

    Args:
        wrong: (N,) whether the answer to each sample is wrong.
        drawn: the rows that :func:`drawn_samples` chose.

    >>> drawn_note(np.array([True, False, False, False]), [0, 2])
    'Shown: 1 wrong answer and 1 right answer, half of each if there are enough. In all, 25.0% of 4 answers are wrong.'
    """
    shown, verb = int(wrong[drawn].sum()), either(len(wrong), "is", "are")
    return (
        f"Shown: {counted(shown, 'wrong answer')} and {counted(len(drawn) - shown, 'right answer')}, half of each if "
        f"there are enough. In all, {wrong.mean():.1%} of {counted(len(wrong), 'answer')} {verb} wrong."
    )


def sample_picture(dataset: ImageDataset, index: int) -> PIL.Image.Image | None:
    """The image of a sample, or the middle frame of a clip: read again, in RGB, at most 1,024 pixels wide and high.

    None if the image can no longer be read. The sample was scored nevertheless, and the sheet says "cannot be read".
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
    """Draw one picture for each sample. Its image is read again, in the orientation in which it was scored.

    Args:
        drawn: the index of each sample, and its answer.
        model: the model's name, for the titles.
        draw: makes a PNG from the RGB image, the sample's index, its answer and a title.
        annotated: see :func:`~vlmbench.features.images.decoded.stream_pictures`.

    Returns:
        File names and PNG contents. A name is a number and the file name in the sample's id, without folders.
    """
    pictures, shown = {}, ShownPictures(dataset, annotated)
    for number, (index, answer) in enumerate(drawn.items()):
        sample_id = dataset.samples[index].id
        image = shown.decode(index, dataset.read(index)).image
        name = f"{number:03d}-{PurePosixPath(sample_id).stem}.png"
        pictures[name] = draw(image, index, answer, f"{model}: {sample_id}")
    return pictures


def sheets(rows: Sequence[int], most: int, draw: Callable[[Sequence[int]], bytes]) -> dict[str, bytes]:
    """Draw the chosen samples on one sheet, ``samples.png``, or on several, ``samples-01.png``, ``samples-02.png``, …

    Args:
        rows: the samples, at least one.
        most: the highest number of samples on one sheet.
        draw: makes a PNG of the samples on one sheet.
    """
    pages = [rows[start : start + most] for start in range(0, len(rows), most)]
    if len(pages) == 1:
        return {"samples.png": draw(pages[0])}
    digits = max(2, len(str(len(pages))))
    return {f"samples-{number:0{digits}}.png": draw(page) for number, page in enumerate(pages, 1)}
