"""The true masks of the objects, for metrics that compare masks. The detection plugin uses it.

They are read and checked before the model is asked, and only if a metric of the card needs them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256

from vlmbench.cards import TaskCard
from vlmbench.data.base import ImageDataset
from vlmbench.data.boxes import AnnotatedSizes, BoxFacts
from vlmbench.data.labels import listing
from vlmbench.errors import DataError, LabelError
from vlmbench.metrics.detection.measures import OF_MASKS
from vlmbench.run_lengths import RunLengths, outlined
from vlmbench.tasks.detection.results import boxes_of

Masks = Mapping[int, tuple[RunLengths, ...]]
"""The index of each sample to the mask of each of its objects, in the order of its boxes."""


def masks_in_use(names: Sequence[str]) -> bool:
    """Whether one of these metrics compares masks."""
    return any(name.startswith(OF_MASKS) for name in names)


def true_masks(card: TaskCard, dataset: ImageDataset, facts: BoxFacts, indices: Sequence[int]) -> Masks | None:
    """The true masks of the samples; None if no metric of the card needs masks.

    Raises:
        DataError: the data has no outlines, or does not state the size of a picture.
        LabelError: the outline of an object is missing or cannot be read.
    """
    if not masks_in_use(card.metrics):
        return None
    wanted = listing(name for name in card.metrics if name.startswith(OF_MASKS))
    if facts.outlines is None:
        raise DataError(
            f"{card.name}: {dataset.info.location} has boxes, but no masks of its objects, which {wanted} needs",
            hint="Use an annotation file of COCO's form with a `segmentation` for each object, or remove these "
            "metrics from the card.",
        )
    if AnnotatedSizes(dataset, facts).of_stored_files:
        raise DataError(
            f"{card.name}: {dataset.info.location} states the sizes of the stored files, but its boxes are those of "
            "turned pictures, so the size of a mask is not known",
            hint="State the width and height of the turned pictures.",
        )
    return {index: _of_sample(card, dataset, facts, index) for index in indices}


def masks_sha256(masks: Masks) -> str:
    """The SHA-256 hash of the masks of all objects."""
    digest = sha256()
    for index, own in masks.items():
        digest.update(f"{index} {[(mask.height, mask.width, mask.counts) for mask in own]}\n".encode())
    return digest.hexdigest()


def _of_sample(card: TaskCard, dataset: ImageDataset, facts: BoxFacts, index: int) -> tuple[RunLengths, ...]:
    boxes = boxes_of(dataset, index)
    assert facts.outlines is not None  # true_masks checks it
    outlines = facts.outlines(index)
    where = f"{card.name}: {dataset.samples[index].id} of {dataset.info.location}"
    if len(outlines) != len(boxes):
        raise DataError(f"{where}: {len(boxes)} boxes, but {len(outlines)} outlines", hint="Did the file change?")
    made = []
    for box, outline in zip(boxes, outlines, strict=True):
        if outline is None:
            raise LabelError(f"{where}: object {box.id} has a box, but no `segmentation`, which mask metrics need")
        size = (facts.sizes[index] if facts.sizes is not None else None) or _own_size(outline)
        if size is None:
            raise DataError(f"{where}: the data does not state its width and height, which masks need")
        try:
            made.append(outlined(outline, size[1], size[0]))
        except ValueError as error:
            raise LabelError(f"{where}: the `segmentation` of object {box.id} cannot be used: {error}") from error
    return tuple(made)


def _own_size(outline: object) -> tuple[int, int] | None:
    """The width and height that run lengths state; None for polygons."""
    size = outline.get("size") if isinstance(outline, dict) else None
    if isinstance(size, list) and len(size) == 2 and all(isinstance(side, int) and side > 0 for side in size):
        return size[1], size[0]
    return None
