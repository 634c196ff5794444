"""Makes the answers to all images from a results file that another program wrote.

The detection plugin uses it. :mod:`vlmbench.tasks.detection.results_file` reads the file, and
:mod:`vlmbench.tasks.detection.results_ids` finds the sample and the class of each row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pycocotools.mask import iou

from vlmbench.data.base import ImageDataset
from vlmbench.data.boxes import AnnotatedSizes, BoxFacts
from vlmbench.data.formats.boxes.plausible import BoxNumbers, check_form, leave_their_images
from vlmbench.errors import LabelError, ModelError
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import (
    ANSWERS_UNMATCHED,
    DETECTIONS_LEFT_OUT,
    DETECTIONS_OUTSIDE,
    OTHER_CATEGORIES,
    REPEATED_DETECTIONS,
    UNANSWERED_IMAGES,
)
from vlmbench.run_lengths import RunLengths, outlined
from vlmbench.tasks.detection.answers import Answer, answer_ranked
from vlmbench.tasks.detection.instances import Masks
from vlmbench.tasks.detection.protocol import DetectionProtocol
from vlmbench.tasks.detection.results import boxes_of
from vlmbench.tasks.detection.results_file import RegionAnswers, ResultsFile, read_results
from vlmbench.tasks.detection.results_ids import (
    DATA,
    NOTHING,
    Matched,
    match_categories,
    match_images,
    readings,
    state_the_meaning,
)
from vlmbench.wording import counted, either

MOSTLY = 0.5
"""It is a remark if more than this share of the images has no detection, or of the boxes leaves its image."""
_MANY = 20
"""The form of boxes is judged without sizes of images only if there are at least this many."""
_OVERLAP = 0.5
_ENOUGH = 10
"""The meaning of category ids is judged only by at least this many objects that a detection covers."""
_LOOKED_AT = 2_000
"""The meaning of category ids is judged by at most this many images."""


@dataclass(frozen=True)
class GivenDetections:
    """The rows of a results file that belong to the data.

    Attributes:
        path: the file.
        rows: for each sample that has detections, their rows in the arrays, in the order of the file.
        xywh: (D, 4) left, top, width, height; float32 if the file's numbers are, else float64.
        scores: (D,) in the same type.
        labels: (D,) int64.
        segmentations: (D,) the mask of each detection as the file writes it; None if the file has no masks.
        regions: for each sample, (R,) true classes and ranks of the data's own boxes, and (R, K) the first classes;
            None if the file has none.
        masks: the mask of each row that belongs to a sample; None if the question is not about masks.
    """

    path: Path
    rows: Mapping[int, NDArray[np.int64]]
    xywh: NDArray[Any]
    scores: NDArray[Any]
    labels: NDArray[np.int64]
    segmentations: Sequence[Any] | None = None
    regions: Mapping[int, tuple[Sequence[int], Sequence[int], Sequence[Sequence[int]]]] | None = None
    masks: Mapping[int, RunLengths] | None = None

    def answer(self, index: int, protocol: DetectionProtocol) -> Answer:
        """The detections of a sample that the protocol keeps, the highest scores first.

        If the file has answers for the data's own boxes, and the protocol asks for them, they are part of the answer.
        """
        rows = self.rows.get(index, np.empty(0, dtype=np.int64))
        found = answer_ranked(
            torch.from_numpy(self.xywh[rows]),
            torch.from_numpy(self.scores[rows]),
            torch.from_numpy(self.labels[rows]),
            protocol,
            None if self.masks is None else [self.masks[row] for row in rows.tolist()],
        )
        if self.regions is None or protocol.regions != "ground-truth":
            return found
        labels, ranks, top = (torch.tensor(part, dtype=torch.int64) for part in self.regions.get(index, ((), (), ())))
        return replace(found, region_labels=labels, region_ranks=ranks, region_top=top)


def has_regions(path: Path) -> bool:
    """Whether a file has answers for the data's own boxes. It is quick: only the names of columns are read."""
    if not path.name.endswith(".parquet"):
        return False
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return "region_ranks" in pq.read_schema(path).names
    except (pa.ArrowException, OSError):
        return False  # reading the file later gives the error


def read_given(
    path: Path,
    dataset: ImageDataset,
    indices: Sequence[int],
    facts: BoxFacts,
    class_names: Sequence[str],
    counting: str | None = None,
) -> GivenDetections:
    """Read a results file, and match its rows with the data.

    Remarks tell of rows that the data does not have, of repeated rows, of boxes outside their images, and of images
    without a row if most images have none.

    Args:
        indices: the samples of the question. Rows of other samples of the data are left out without a remark.
        facts: what the data states, such as ids.
        class_names: the names of the classes in the question, in label order.
        counting: what numbers in ``category_id`` mean, see :func:`.results_ids.match_categories`.

    Raises:
        ModelError: the file cannot be used: see :func:`.results_file.read_results`, :func:`.results_ids.match_images`
            and :func:`.results_ids.match_categories`; or the boxes are written in another form, or the classes of the
            boxes fit the objects only if the category ids have another meaning.
    """
    file = read_results(path)
    images = match_images(file.image_ids, dataset, facts, path)
    names = [class_names, *([dataset.classes] if dataset.classes is not None else [])]
    categories = match_categories(file.categories, facts, names, counting, path)
    _tell_of_unknown(file, images, categories)
    asked = np.zeros(len(dataset.samples), dtype=bool)
    asked[list(indices)] = True
    known = (images.places != NOTHING) & (categories.places != NOTHING)
    kept = np.flatnonzero(known & asked[images.places])
    order = kept[np.argsort(images.places[kept], kind="stable")]
    begins = np.flatnonzero(np.diff(images.places[order], prepend=NOTHING))
    rows = {int(images.places[own[0]]): own for own in np.split(order, begins[1:])} if len(order) else {}
    xywh, scores = _as_written(file.xywh, file.scores)
    given = GivenDetections(path, rows, xywh, scores, categories.places, file.segmentations)
    if len(order):
        _check_boxes(given, dataset, facts, order, images)
        _tell_of_repeated(given, order, images)
        if counting is None:
            _check_meaning(given, file, dataset, facts)
    _tell_of_unanswered(given, file, dataset, indices, facts)
    if file.regions is not None:
        given = replace(given, regions=_regions(file.regions, dataset, facts, len(class_names), path))
    return given


def with_masks(given: GivenDetections, dataset: ImageDataset, facts: BoxFacts, truth: Masks) -> GivenDetections:
    """The same detections with their masks, for questions about masks.

    Args:
        truth: the true masks of each sample.

    Raises:
        ModelError: a detection has no mask, or its mask is not one of its image.
    """
    masks = {}
    for index, rows in given.rows.items():
        own = truth.get(index, ())
        stated = facts.sizes[index] if facts.sizes is not None else None
        size = (own[0].height, own[0].width) if own else stated[::-1] if stated is not None else None
        for row in rows.tolist():
            outline = given.segmentations[row] if given.segmentations is not None else None
            if outline is None:
                raise ModelError(
                    f"{given.path}: entry {row} ({dataset.samples[index].id}) has a box, but no 'segmentation', which "
                    "the metrics of masks need",
                    hint="Write the mask of each detection in COCO's run-length code.",
                )
            try:
                masks[row] = outlined(outline, *(size or outline["size"]))
            except (KeyError, TypeError, ValueError) as error:
                raise ModelError(
                    f"{given.path}: the 'segmentation' of entry {row} ({dataset.samples[index].id}) cannot be used: "
                    f"{error}"
                ) from error
    return replace(given, masks=masks)


def tell_of_left_out(given: GivenDetections, protocol: DetectionProtocol) -> None:
    """Make a remark about detections that the protocol's threshold and limit leave out."""
    below = over = 0
    for rows in given.rows.values():
        enough = int((given.scores[rows] >= protocol.score_threshold).sum())
        below += len(rows) - enough
        over += max(0, enough - protocol.max_detections)
    if not below and not over:
        return
    parts = []
    if below:
        parts.append(f"{below:,} {either(below, 'has', 'have')} a score below {protocol.score_threshold:g}")
    if over:
        parts.append(f"{over:,} {either(over, 'is', 'are')} beyond the {protocol.max_detections:,} best of an image")
    total = sum(map(len, given.rows.values()))
    say(
        DETECTIONS_LEFT_OUT,
        f"of the {counted(total, 'detection')} of {given.path.name}, {' and '.join(parts)}, so the protocol leaves "
        f"{either(below + over, 'it', 'them')} out",
        brief=f"{counted(below + over, 'detection')} left out",
        count=below + over,
    )


def _as_written(xywh: NDArray[np.float64], scores: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Boxes and scores as float32 if this changes none of them, as those of most detectors; else as float64."""
    with np.errstate(over="ignore"):
        short = xywh.astype(np.float32), scores.astype(np.float32)
    return short if np.array_equal(short[0], xywh) and np.array_equal(short[1], scores) else (xywh, scores)


def _tell_of_unknown(file: ResultsFile, images: Matched, categories: Matched) -> None:
    if images.unknown:
        count, rows = len(images.unknown), int((images.places == NOTHING).sum())
        say(
            ANSWERS_UNMATCHED,
            f"{counted(count, 'image id')} of {file.path.name} {either(count, 'is', 'are')} not in the data, and "
            f"{counted(rows, 'detection')} {either(rows, 'was', 'were')} not used",
            brief=f"{counted(count, 'unknown image id')}",
            count=count,
            examples=map(str, images.unknown),
        )
    if categories.unknown:
        count, rows = len(categories.unknown), int((categories.places == NOTHING).sum())
        say(
            OTHER_CATEGORIES,
            f"{counted(count, 'category', 'categories')} of {file.path.name} {either(count, 'is', 'are')} not "
            f"{either(count, 'a class', 'classes')} of the task, and {counted(rows, 'detection')} "
            f"{either(rows, 'was', 'were')} not used",
            brief=f"{counted(count, 'other category', 'other categories')}",
            count=count,
            examples=map(str, categories.unknown),
        )


def _check_boxes(
    given: GivenDetections, dataset: ImageDataset, facts: BoxFacts, order: NDArray[np.int64], images: Matched
) -> None:
    stated = AnnotatedSizes(dataset, facts)
    sizes = {index: (stated(index) if stated.told else None) or (0, 0) for index in given.rows}
    owners = images.places[order].tolist()
    boxes = BoxNumbers(
        given.xywh[order].astype(np.float64),
        np.array([sizes[index] for index in owners], dtype=np.float64),
        [dataset.samples[index].id for index in owners],
    )
    try:
        check_form(boxes, "xywh", str(given.path))
    except LabelError as error:
        raise ModelError(error.message, hint=error.hint) from error
    out = leave_their_images(boxes)
    if (count := int(out.sum())) > MOSTLY * len(out):
        say(
            DETECTIONS_OUTSIDE,
            f"{count:,} of the {counted(len(out), 'box', 'boxes')} of {given.path.name} "
            f"{either(count, 'leaves its image', 'leave their images')}; bbox must be left, top, width and height in "
            "pixels of the image",
            brief=f"{counted(count, 'box', 'boxes')} outside",
            count=count,
            examples=(name for name, outside in zip(boxes.names, out, strict=True) if outside),
        )
    elif len(out) >= _MANY and not (boxes.sizes > 0).any() and _like_corners(boxes.numbers):
        say(
            DETECTIONS_OUTSIDE,
            f"no box of {given.path.name} has a width below its left or a height below its top, as if bbox held left, "
            "top, right and bottom; it must be left, top, width and height",
            brief="boxes that look like corners",
            count=len(out),
        )


def _like_corners(numbers: NDArray[np.float64]) -> bool:
    """Whether the last two of the four numbers of all boxes are never below the first two."""
    return bool((numbers[:, 2:] >= numbers[:, :2]).all())


def _tell_of_repeated(given: GivenDetections, order: NDArray[np.int64], images: Matched) -> None:
    columns = [given.xywh[order], given.scores[order][:, None], given.labels[order][:, None]]
    table = np.concatenate([*(column.astype(np.float64) for column in columns), images.places[order][:, None]], axis=1)
    _, first = np.unique(table, axis=0, return_index=True)
    if count := len(order) - len(first):
        say(
            REPEATED_DETECTIONS,
            f"{count:,} of the {counted(len(order), 'detection')} of {given.path.name} "
            f"{either(count, 'repeats an earlier one', 'repeat earlier ones')}, with the same image, class, box and "
            "score",
            brief=counted(count, "repeated detection"),
            count=count,
        )


def _check_meaning(given: GivenDetections, file: ResultsFile, dataset: ImageDataset, facts: BoxFacts) -> None:
    """Refuse category ids that fit the objects much better with another meaning, such as places counted from 0.

    Each object is compared with the best detection that covers it, of any class.
    """
    numbers = [int(name) if isinstance(name, int) else None for name in file.categories]
    seen: list[tuple[int, int, int]] = []
    for index in list(given.rows)[:_LOOKED_AT]:
        own = given.rows[index]
        objects = [box for box in boxes_of(dataset, index) if not box.crowd]
        if not objects:
            continue
        best = own[np.argsort(-given.scores[own], kind="stable")]
        overlaps = iou(
            given.xywh[best].astype(np.float64),
            np.array([box.xywh for box in objects], dtype=np.float64),
            [0] * len(objects),
        )
        for place, box in enumerate(objects):
            covering = np.flatnonzero(overlaps[:, place] >= _OVERLAP)
            if len(covering) and (number := numbers[best[covering[0]]]) is not None:
                seen.append((number, int(given.labels[best[covering[0]]]), box.label))
    if len(seen) < _ENOUGH:
        return
    right = sum(label == truth for _, label, truth in seen)
    for name, label_of in readings(facts).items():
        other = sum(label_of.get(number) == truth for number, _, truth in seen)
        if other >= MOSTLY * len(seen) and other > 2 * right:
            raise ModelError(
                f"{given.path}: the category ids do not seem to be the data's: of {len(seen):,} objects that a "
                f"detection covers, {right:,} have its class, but {other:,} would have it if the ids counted the "
                f"classes ({name})",
                hint=f"{state_the_meaning(given.path)} If they are the data's ids, state {{category_ids: {DATA}}}.",
            )


def _tell_of_unanswered(
    given: GivenDetections, file: ResultsFile, dataset: ImageDataset, indices: Sequence[int], facts: BoxFacts
) -> None:
    asked = set(given.rows)
    if file.images_asked is not None:
        asked |= set(match_images(file.images_asked, dataset, facts, file.path).places.tolist())
    without = [index for index in indices if index not in asked]
    if len(without) > MOSTLY * len(indices):
        count = len(without)
        say(
            UNANSWERED_IMAGES,
            f"{count:,} of {counted(len(indices), 'image')} {either(count, 'has', 'have')} no detection in "
            f"{file.path.name}",
            brief=f"{counted(count, 'image')} without detections",
            count=count,
            examples=(dataset.samples[index].id for index in without),
        )


def _regions(
    found: RegionAnswers, dataset: ImageDataset, facts: BoxFacts, classes: int, path: Path
) -> dict[int, tuple[Sequence[int], Sequence[int], Sequence[Sequence[int]]]]:
    """For each sample, the answers for the data's own boxes.

    Raises:
        ModelError: they are not answers for these boxes.
    """
    places = match_images(found.image_ids, dataset, facts, path).places.tolist()
    regions = {}
    for index, labels, ranks, top in zip(places, found.labels, found.ranks, found.top, strict=True):
        if index == NOTHING:
            continue
        truth = iter([box.label for box in boxes_of(dataset, index) if not box.crowd])
        fits = all(label in truth for label in labels)  # in their order; boxes outside the image have no answer
        if not fits or not len(labels) == len(ranks) == len(top):
            raise ModelError(
                f"{path}: the answers for the boxes of {dataset.samples[index].id} do not belong to the boxes of the "
                "data, because their classes or their number differ",
                hint="Save the answers again, with the same data.",
            )
        if not all(1 <= rank <= classes for rank in ranks):
            raise ModelError(f"{path}: a rank of a box of {dataset.samples[index].id} is not between 1 and {classes:,}")
        regions[index] = (labels, ranks, top)
    return regions
