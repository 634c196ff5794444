"""Checks by the sizes of the images whether boxes are read in the form in which they were written.

The source :mod:`vlmbench.data.sources.coco` and the reader of results files (:mod:`vlmbench.tasks.detection.given`) use
it. Four numbers can be corners, or a corner and a size, or a centre and a size. If a file is read in the wrong form,
many of its boxes leave their images, and nearly all would fit in the right form: then it is refused. If only a few
boxes leave their images, they were drawn carelessly: then it is a remark.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vlmbench.data.formats.boxes.sizes import upright_size
from vlmbench.data.formats.coco_json import AnnotatedImage
from vlmbench.errors import LabelError
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import BOXES_OUTSIDE, REPEATED_BOXES
from vlmbench.wording import counted, either

Form = Literal["xywh", "xyxy", "cxcywh"]
Floats = NDArray[np.float64]

IN_WORDS: dict[Form, str] = {
    "xywh": "left, top, width and height",
    "xyxy": "left, top, right and bottom",
    "cxcywh": "centre x, centre y, width and height",
}
_FITS = 0.99
"""Another form is meant only if at least this share of the boxes fits in it."""
_STICK_OUT: dict[Form, tuple[float, int]] = {"xywh": (0.02, 3), "xyxy": (0.2, 2), "cxcywh": (0.02, 3)}
"""Another form is meant only if at least this share and this number of boxes leave their images as they are read. If
corners are read as sizes, about half of the boxes leave their images; if centres are read as corners, only those of
objects near the right or the bottom edge."""
_SLACK_PIXELS, _SLACK = 2.0, 0.01
"""A box may leave its image by this many pixels or this share of a side: annotators round and miss the edge."""
_LOOKED_AT = 64
"""If the file does not state sizes, this many image files are opened to read them."""
_COMPARED = 8
"""Stated sizes are trusted after this many of them are compared with the image files."""
_MANY_REPEATED = 0.005
"""A remark is made if more than this share of the boxes is repeated: COCO itself has a few boxes twice."""


@dataclass(frozen=True)
class BoxNumbers:
    """N boxes in pixels, as a file writes them.

    Attributes:
        numbers: (N, 4) the four numbers of each box.
        sizes: (N, 2) width and height of each box's image; 0 if they are not known.
        names: (N,) the image of each box, for messages.
    """

    numbers: Floats
    sizes: Floats
    names: Sequence[str]


def check_form(boxes: BoxNumbers, form: Form, place: str) -> None:
    """Refuse boxes that fit into their images only if they are read in another form.

    Args:
        form: the form in which they are read.
        place: the file or folder, for messages.

    Raises:
        LabelError: all numbers are between 0 and 1, or the boxes fit in another form only.
    """
    known = np.asarray((boxes.sizes > 0).all(axis=1))
    numbers, sizes = boxes.numbers[known], boxes.sizes[known]
    if not len(numbers):
        return
    if numbers.max() <= 1.0 and numbers.min() >= 0 and numbers.max() > 0 and sizes.min() > 2:
        raise LabelError(
            f"{place}: the numbers of all boxes are between 0 and 1 ({len(numbers):,} were checked), but the images "
            f"have up to {sizes[:, 0].max():,.0f} × {sizes[:, 1].max():,.0f} pixels: the numbers seem to be shares of "
            "the image's width and height, not pixels",
            hint=f"Multiply them by the image's width and height: boxes are read as {IN_WORDS[form]} in pixels.",
        )
    fitting = {other: _fit(numbers, sizes, other) for other in IN_WORDS}
    out = np.logical_not(fitting[form])
    for other, (share, count) in _STICK_OUT.items():
        enough = out.mean() >= share and out.sum() >= count
        if other != form and enough and fitting[other].mean() >= _FITS:
            first = int(np.flatnonzero(out)[0])
            example = ", ".join(f"{number:g}" for number in numbers[first])
            name = boxes.names[int(np.flatnonzero(known)[first])]
            raise LabelError(
                f"{place}: {int(out.sum()):,} of the {len(out):,} boxes leave their images if they are read as "
                f"{IN_WORDS[form]}, and {'all' if fitting[other].all() else f'{fitting[other].mean():.1%}'} fit as "
                f"{IN_WORDS[other]}; one is [{example}] in {name}, which has {sizes[first, 0]:g} × {sizes[first, 1]:g} "
                "pixels",
                hint=f"Write the boxes as {IN_WORDS[form]}.",
            )


def tell_of_odd_boxes(boxes: BoxNumbers, labels: Sequence[int], place: str) -> None:
    """Make remarks about boxes (left, top, width, height) that leave their images, and about repeated boxes.

    Args:
        labels: (N,) the class of each box.
    """
    out = leave_their_images(boxes)
    if count := int(out.sum()):
        say(
            BOXES_OUTSIDE,
            f"{count:,} of the {len(out):,} boxes of {place} "
            f"{either(count, 'goes beyond the edge of its image', 'go beyond the edges of their images')}",
            brief=f"{counted(count, 'box', 'boxes')} outside",
            count=count,
            examples=(name for name, outside in zip(boxes.names, out, strict=True) if outside),
        )
    seen = list(zip(boxes.names, labels, map(tuple, boxes.numbers.tolist()), strict=True))
    if len(seen) - len(set(seen)) <= _MANY_REPEATED * len(seen):
        return
    first: set[tuple[str, int, tuple[float, ...]]] = set()
    again = []
    for entry in seen:
        if entry in first:
            again.append(entry[0])
        first.add(entry)
    count = len(again)
    say(
        REPEATED_BOXES,
        f"{count:,} of the {len(seen):,} boxes of {place} "
        f"{either(count, 'repeats an earlier box', 'repeat earlier boxes')} of the same class in the same image, and "
        f"{either(count, 'it counts', 'they count')} as {either(count, 'an object', 'objects')} to find",
        brief=counted(count, "repeated box", "repeated boxes"),
        count=count,
        examples=again,
    )


def leave_their_images(boxes: BoxNumbers) -> NDArray[np.bool_]:
    """(N,) whether a box (left, top, width, height) leaves its image by more than rounding explains.

    It is False for boxes of images whose size is not known.
    """
    known = np.asarray((boxes.sizes > 0).all(axis=1))
    return known & ~_fit(boxes.numbers, np.where(known[:, None], boxes.sizes, 1.0), "xywh")


def _fit(numbers: Floats, sizes: Floats, form: Form) -> NDArray[np.bool_]:
    """(N,) whether each box, read in this form, lies in its image (except for a little) and has no negative side."""
    first, second = numbers[:, :2], numbers[:, 2:]
    left_top = first - second / 2 if form == "cxcywh" else first
    right_bottom = {"xywh": first + second, "xyxy": second, "cxcywh": first + second / 2}[form]
    slack = np.maximum(_SLACK_PIXELS, _SLACK * sizes)
    inside = (left_top >= -slack) & (right_bottom <= sizes + slack)
    return np.asarray((inside & (right_bottom >= left_top)).all(axis=1))


def check_boxes_fit(
    images: Sequence[AnnotatedImage], folder: Path, form: Form, label_of: Mapping[int, int], place: str
) -> None:
    """Run :func:`check_form` and :func:`tell_of_odd_boxes` on the boxes of the given classes.

    Args:
        images: with boxes as left, top, width and height.
        folder: the folder of the images. If sizes are not stated, they are read from some of the files.
        form: the form in which the file writes boxes.
        label_of: the label of each category that counts.
        place: the file or folder, for messages.

    Raises:
        LabelError: see :func:`check_form`.
    """
    if _of_other_files(images, folder):
        return  # wrong sizes cannot be used for the check; each of these images is refused when it is read
    sizes = {image.id: image.size for image in images}
    unknown = [image for image in images if image.size is None and image.annotations]
    for image in unknown[:: max(1, len(unknown) // _LOOKED_AT)][:_LOOKED_AT]:
        sizes[image.id] = upright_size(folder / image.file)
    rows = [
        (xywh, sizes[image.id] or (0, 0), image.file, label_of[category])
        for image in images
        for _, category, xywh, _, _ in image.annotations
        if category in label_of
    ]
    if not rows:
        return
    xywh = np.array([row[0] for row in rows], dtype=np.float64)
    boxes = BoxNumbers(xywh, np.array([row[1] for row in rows], dtype=np.float64), [row[2] for row in rows])
    check_form(replace(boxes, numbers=_written(xywh, form)), form, place)
    tell_of_odd_boxes(boxes, [row[3] for row in rows], place)


def _of_other_files(images: Sequence[AnnotatedImage], folder: Path) -> bool:
    """Whether the stated size of one of the first images differs from its file's. Swapped sides count as equal."""
    stated = [image for image in images[:_COMPARED] if image.size is not None]
    there = [(image.size, upright_size(folder / image.file)) for image in stated]
    return any(size is not None and found is not None and sorted(found) != sorted(size) for size, found in there)


def _written(xywh: Floats, form: Form) -> Floats:
    """(N, 4) boxes (left, top, width, height) as a file of this form writes them."""
    if form == "xywh":
        return xywh
    left_top, size = xywh[:, :2], xywh[:, 2:]
    if form == "xyxy":
        return np.concatenate([left_top, left_top + size], axis=1)
    return np.concatenate([left_top + size / 2, size], axis=1)
