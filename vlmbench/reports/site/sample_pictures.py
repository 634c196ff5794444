"""Draws pictures of single samples, small, and puts them into the page itself. ``vlmbench show`` uses it."""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import PIL.Image

from vlmbench.answers.inspected import SampleBoxes
from vlmbench.data.base import (
    ImageDataset,
    MaskDataset,
    content_sha256,
    frames_per_sample,
    sample_images,
)
from vlmbench.data.boxes import AnnotatedSizes, facts_of
from vlmbench.data.formats.pixels import shown_size
from vlmbench.data.shown import ShownPictures
from vlmbench.errors import VlmbenchError
from vlmbench.visuals.boxes import BoxSet, draw_boxes
from vlmbench.visuals.masks import draw_masks

MOST_PICTURE_BYTES = 96 * 2**10
"""A picture in the page is at most this large: it is made smaller until it is."""
PHOTO_SIDE, DRAWING_SIDE = 480, 1100
"""Pixels of the longer side of a bare picture, and of one with names drawn on it."""
_QUALITY = 88
_SMALLER = 0.75
_SMALLEST = 48
_ENLARGED = 160
"""A smaller picture, such as a digit of 8 x 8 pixels, is enlarged to at most this side, each pixel as a square."""


@dataclass(frozen=True)
class Embedded:
    """A picture inside the page.

    Attributes:
        uri: its content, as a ``data:`` address.
        width: in pixels, as is the height.
        alt: what it shows.
    """

    uri: str
    width: int
    height: int
    alt: str


class SamplePictures:
    """The pictures of a dataset's samples. A picture is only shown if its content is that of the record's sample.

    Args:
        dataset: the record's data, opened again.
        wanted: ids of the samples that may be asked for.
        class_names: in label order.
    """

    def __init__(self, dataset: ImageDataset, wanted: Sequence[str], class_names: Sequence[str]) -> None:
        self._dataset = dataset
        self._names = class_names
        asked = set(wanted)
        self._places = {sample.id: place for place, sample in enumerate(dataset.samples) if sample.id in asked}

    def picture(self, sample: str, content: str, boxes: SampleBoxes | None = None) -> Embedded | str:
        """A sample's picture, with its boxes or its true mask; or why there is no picture.

        Args:
            sample: its id.
            content: the hex content hash that the record keeps of it.
            boxes: of a detection's sample.
        """
        place = self._places.get(sample)
        if place is None:
            return "The data has no sample of this id any more."
        try:
            if content_sha256(self._dataset, place) != content:
                return "The data has another file under this id now, so its picture is not shown."
            return self._draw(place, boxes)
        except (VlmbenchError, OSError, ValueError, PIL.Image.DecompressionBombError) as error:
            return f"Its picture cannot be shown: {error}"

    def _draw(self, place: int, boxes: SampleBoxes | None) -> Embedded:
        images = list(sample_images(self._dataset, place))
        sample = self._dataset.samples[place].id
        image = self._shown.decode(place, images[frames_per_sample(self._dataset) // 2]).image
        if boxes is not None:
            names = _enough(self._names, [*boxes.labels.tolist(), *boxes.true_labels.tolist()])
            predicted = BoxSet(boxes.corners, boxes.labels, boxes.scores)
            drawn = draw_boxes(image, predicted, BoxSet(boxes.true_corners, boxes.true_labels), names)
            return embedded(drawn, f"{sample}: the true boxes, and the predicted boxes", DRAWING_SIDE)
        if isinstance(self._dataset, MaskDataset):
            labels = self._dataset.labels(self._dataset.read_mask(place), sample)
            ignored = self._dataset.ignore_label
            names = _enough(self._names, labels[labels != ignored].max(initial=0, keepdims=True).ravel().tolist())
            drawn = draw_masks(image, None, labels, names, ignore_label=ignored)
            return embedded(drawn, f"{sample}: the picture, and its true classes", DRAWING_SIDE)
        alt = sample if frames_per_sample(self._dataset) == 1 else f"{sample}: the middle frame"
        return embedded(image, alt, PHOTO_SIDE)

    @cached_property
    def _shown(self) -> ShownPictures:
        """How pictures are turned: as the task's own reading does it, by the size of what was annotated."""
        if isinstance(self._dataset, MaskDataset):
            masks = self._dataset
            return ShownPictures(masks, lambda place: shown_size(io.BytesIO(masks.read_mask(place))))
        sizes = AnnotatedSizes(self._dataset, facts_of(self._dataset, len(self._names)))
        return ShownPictures(self._dataset, sizes if sizes.told else None)


def saved_picture(path: Path, alt: str) -> Embedded | None:
    """A picture that a run saved beside its record, made smaller; None if it is not a picture that can be read."""
    try:
        return embedded(path.read_bytes(), alt, DRAWING_SIDE)
    except (OSError, ValueError, PIL.Image.DecompressionBombError):
        return None


def embedded(picture: PIL.Image.Image | bytes, alt: str, side: int) -> Embedded:
    """A picture as part of the page, at most :data:`MOST_PICTURE_BYTES` large; a tiny one is enlarged.

    Args:
        picture: an image, or an encoded one.
        side: pixels that its longer side has at most.
    """
    image = PIL.Image.open(io.BytesIO(picture)) if isinstance(picture, bytes) else picture
    image = image.convert("RGB")
    image.thumbnail((side, side), PIL.Image.Resampling.LANCZOS)
    if (factor := _ENLARGED // max(image.size)) > 1:
        image = image.resize((image.width * factor, image.height * factor), PIL.Image.Resampling.NEAREST)
    while True:
        kind, content = _encoded(image)
        if len(content) <= MOST_PICTURE_BYTES or max(image.size) <= _SMALLEST:
            uri = f"data:image/{kind};base64,{b64encode(content).decode()}"
            return Embedded(uri, image.width, image.height, alt)
        image = image.resize(
            (max(1, round(image.width * _SMALLER)), max(1, round(image.height * _SMALLER))),
            PIL.Image.Resampling.LANCZOS,
        )


def _encoded(image: PIL.Image.Image) -> tuple[str, bytes]:
    """The smaller of a PNG, which drawings are, and a JPEG, which photographs are."""
    files = {}
    for kind, options in (("png", {"optimize": True}), ("jpeg", {"quality": _QUALITY})):
        sink = io.BytesIO()
        image.save(sink, kind, **options)
        files[kind] = sink.getvalue()
    kind = min(files, key=lambda name: len(files[name]))
    return kind, files[kind]


def _enough(names: Sequence[str], labels: Sequence[int]) -> Sequence[str]:
    """Names for all of these labels: a record of another program may name fewer classes than it uses."""
    return [*names, *(f"class {label}" for label in range(len(names), max(labels, default=-1) + 1))]
