"""Whether the boxes of a whole file are written in the form that they are read in, judged by the images' sizes.

Four numbers say nothing of their order. Boxes in another form mostly do not fit into their images, and would fit if
they were read in that form: a few boxes that stick out are careless, most of them in one way are another form.
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

Form = Literal["xywh", "xyxy", "cxcywh"]
Floats = NDArray[np.float64]

IN_WORDS: dict[Form, str] = {
    "xywh": "left, top, width and height",
    "xyxy": "left, top, right and bottom",
    "cxcywh": "centre x, centre y, width and height",
}
_FITS = 0.99
"""Of the boxes must fit in another form, for it to be meant."""
_STICK_OUT: dict[Form, tuple[float, int]] = {"xywh": (0.02, 3), "xyxy": (0.2, 2), "cxcywh": (0.02, 3)}
"""Which share of the boxes, and how many, must not fit as they are read, for another form to be meant. Of corners taken
for sizes about half stick out; of centres taken for corners only those of objects near the right or the bottom."""
_SLACK_PIXELS, _SLACK = 2.0, 0.01
"""How far a box may stick out before it counts: annotators round, and click beside the edge."""
_LOOKED_AT = 64
"""Images whose sizes are read where the file does not state them."""
_COMPARED = 8
"""Images whose stated sizes are compared with their files' before they are relied on."""
_MANY_REPEATED = 0.005
"""COCO itself has a few boxes twice."""


@dataclass(frozen=True)
class BoxNumbers:
    """N boxes as a file has them, in pixels.

    Attributes:
        numbers: (N, 4).
        sizes: (N, 2) width and height of each box's image; 0 where it is not known.
        names: (N,) the image of each, for messages.
    """

    numbers: Floats
    sizes: Floats
    names: Sequence[str]


def check_form(boxes: BoxNumbers, form: Form, place: str) -> None:
    """Refuse boxes that fit their images in another form only; make a remark of those that stick out of their image.

    Args:
        form: what they are read as.
        place: the file or folder, for messages.

    Raises:
        LabelError: all are parts of 1, or they fit in another form.
    """
    known = np.asarray((boxes.sizes > 0).all(axis=1))
    numbers, sizes = boxes.numbers[known], boxes.sizes[known]
    if not len(numbers):
        return
    if numbers.max() <= 1.0 and numbers.min() >= 0 and numbers.max() > 0 and sizes.min() > 2:
        raise LabelError(
            f"{place}: the numbers of all {len(numbers):,} boxes are between 0 and 1, and the images have up to "
            f"{sizes[:, 0].max():,.0f} × {sizes[:, 1].max():,.0f} pixels: the boxes seem to be parts of their images",
            hint=f"Multiply them by the image's width and height: boxes here are {IN_WORDS[form]} in pixels.",
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
                f"{place}: {int(out.sum()):,} of {len(out):,} boxes stick out of their images if they are read as "
                f"{IN_WORDS[form]}, and {'all' if fitting[other].all() else f'{fitting[other].mean():.1%}'} fit as "
                f"{IN_WORDS[other]}, such as [{example}] of {name}, {sizes[first, 0]:g} × {sizes[first, 1]:g} pixels",
                hint=f"Write them as {IN_WORDS[form]}.",
            )


def tell_of_odd_boxes(boxes: BoxNumbers, labels: Sequence[int], place: str) -> None:
    """Make remarks of boxes (left, top, width, height) that stick out of their images, and of those that are repeated.

    Args:
        labels: (N,) the class of each.
    """
    known = np.asarray((boxes.sizes > 0).all(axis=1))
    out = known & ~_fit(boxes.numbers, np.where(known[:, None], boxes.sizes, 1.0), "xywh")
    if count := int(out.sum()):
        one = count == 1
        say(
            BOXES_OUTSIDE,
            f"{count:,} of {len(out):,} boxes of {place} {'sticks' if one else 'stick'} out of "
            f"{'its image' if one else 'their images'}",
            brief=f"{count:,} box{'es' * (not one)} outside",
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
    one = len(again) == 1
    say(
        REPEATED_BOXES,
        f"{len(again):,} of {len(seen):,} boxes of {place} {'is' if one else 'are'} there more than once, with the "
        f"same class in the same image, and each of them is to be found",
        brief=f"{len(again):,} repeated box{'es' * (not one)}",
        count=len(again),
        examples=again,
    )


def _fit(numbers: Floats, sizes: Floats, form: Form) -> NDArray[np.bool_]:
    """(N,) whether boxes of this form lie within their images, but for a little, and are no less than nothing."""
    first, second = numbers[:, :2], numbers[:, 2:]
    left_top = first - second / 2 if form == "cxcywh" else first
    right_bottom = {"xywh": first + second, "xyxy": second, "cxcywh": first + second / 2}[form]
    slack = np.maximum(_SLACK_PIXELS, _SLACK * sizes)
    inside = (left_top >= -slack) & (right_bottom <= sizes + slack)
    return np.asarray((inside & (right_bottom >= left_top)).all(axis=1))


def check_boxes_fit(
    images: Sequence[AnnotatedImage], folder: Path, form: Form, label_of: Mapping[int, int], place: str
) -> None:
    """Both checks, of the boxes of some classes.

    Args:
        folder: of the images, a few of whose sizes are read where they are not stated.
        form: in which the file writes boxes, whatever they were made into.
        label_of: the classes' categories.
        place: for messages.

    Raises:
        LabelError: see :func:`check_form`.
    """
    if _of_other_files(images, folder):
        return  # sizes that are not the files' judge nothing; each of these images is refused when it is read
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
    """Whether one of the first images has another size than is stated, in either orientation."""
    stated = [image for image in images[:_COMPARED] if image.size is not None]
    there = [(image.size, upright_size(folder / image.file)) for image in stated]
    return any(size is not None and found is not None and sorted(found) != sorted(size) for size, found in there)


def _written(xywh: Floats, form: Form) -> Floats:
    """(N, 4) left, top, width and height as a file of this form has them."""
    if form == "xywh":
        return xywh
    left_top, size = xywh[:, :2], xywh[:, 2:]
    if form == "xyxy":
        return np.concatenate([left_top, left_top + size], axis=1)
    return np.concatenate([left_top + size / 2, size], axis=1)
