"""The checks and remarks of the detection plugin about the data, the boxes and the classes."""

from __future__ import annotations

from collections.abc import Sequence

from vlmbench.cards import TaskCard
from vlmbench.data.base import ImageDataset
from vlmbench.errors import LabelError
from vlmbench.metrics.detection.engines import ENGINES
from vlmbench.prompts import PromptSet
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import (
    EMPTY_REGIONS,
    GIVEN_BOXES,
    NO_INTERVALS,
    NO_OBJECTS,
    NO_PROPOSALS,
    PARTIAL_ANNOTATION,
)
from vlmbench.tasks.detection.protocol import DetectionProtocol
from vlmbench.tasks.detection.results import boxes_of
from vlmbench.wording import counted, either


def check_a_choice(how: DetectionProtocol, classes: int, card: TaskCard) -> None:
    """Refuse to classify boxes if there is only one class.

    With one class, every model classifies the data's own boxes correctly. Boxes from another source keep the same order
    for every model, unless there are background words.

    Raises:
        LabelError: there is only one class, so every model would have the same score.
    """
    if classes > 1 or not how.by_encoder or (how.background and how.regions != "ground-truth"):
        return
    boxes = "the data's own boxes" if how.regions == "ground-truth" else f"the boxes of `regions: {how.regions}`"
    raise LabelError(
        f"{card.name}: there is only one class for {boxes}, so every model would have the same score",
        hint="Use a model with its own detector, which finds the boxes: --set regions=native"
        + ("" if how.regions == "ground-truth" else "; or give the model other words to choose from, in `background`")
        + ".",
    )


def check_objects(dataset: ImageDataset, indices: Sequence[int], card: TaskCard) -> None:
    """Refuse data without an object to find.

    Raises:
        LabelError: no image has an object, or all objects are crowds.
    """
    boxes = [box for index in indices for box in boxes_of(dataset, index)]
    if not any(not box.crowd for box in boxes):
        what = "there is no box"
        if boxes:
            every = either(len(boxes), "the only box is", f"all {len(boxes):,} boxes are")
            what = f"{every} marked as a crowd or as difficult"
        raise LabelError(f"{card.name}: there is nothing to find in {counted(len(indices), 'image')}: {what}")


def tell_of_data(*, without_proposals: Sequence[str], images: int, partial: bool, evaluator: str) -> None:
    """Make remarks about the data and the evaluator, before the model is asked.

    Args:
        without_proposals: the ids of the images for which the proposals file has no entry.
        images: the number of all images.
        partial: whether some images are not annotated for every class and the evaluator ignores this.
    """
    if without_proposals:
        count = len(without_proposals)
        say(
            NO_PROPOSALS,
            f"{count:,} of {counted(images, 'image')} {either(count, 'has', 'have')} no proposals, so no object can be "
            f"found in {either(count, 'it', 'them')}",
            brief=f"{counted(count, 'image')} without proposals",
            count=count,
            examples=without_proposals,
        )
    if partial:
        say(
            PARTIAL_ANNOTATION,
            f"some images are not annotated for every class, and the evaluator {evaluator} counts boxes of the other "
            "classes as mistakes",
        )
    if evaluator in ENGINES:
        say(NO_INTERVALS, f"the evaluator {evaluator} gives no intervals and no results for single classes")


def tell_of_classes(dataset: ImageDataset, prompts: PromptSet, card: TaskCard) -> None:
    """Make a remark about the data's own classes that have no object.

    If the card names the classes, there is no remark: the card chose them, even those that the data does not have.
    """
    if card.classes:
        return
    there = {box.label for index in range(len(dataset.samples)) for box in boxes_of(dataset, index)}
    names = prompts.class_names
    if absent := [name for label, name in enumerate(names) if label not in there]:
        count = len(absent)
        say(
            NO_OBJECTS,
            f"{count:,} of {counted(len(names), 'class', 'classes')} {either(count, 'has', 'have')} no object in the "
            f"data, so {either(count, 'it does', 'they do')} not count in the mean, but models can still choose "
            f"{either(count, 'it', 'them')}",
            brief=f"{count:,} of {counted(len(names), 'class', 'classes')} without objects",
            count=count,
            examples=absent,
        )


def tell_of_given_boxes() -> None:
    """Make a remark that the model classified given boxes, for questions whose card and user do not set the boxes."""
    say(
        GIVEN_BOXES,
        "the model classified boxes that the data gives, so the score does not measure how well the model finds boxes",
        brief="given boxes",
    )


def tell_of_lost(lost: int, what: str) -> None:
    """Make a remark about regions that were empty or outside their image.

    Args:
        what: the word for one region.
    """
    if lost:
        outside = f"{either(lost, 'was', 'were')} empty or outside {either(lost, 'its', 'their')} image"
        text = f"{counted(lost, what)} {outside}, so the model did not classify {either(lost, 'it', 'them')}"
        say(EMPTY_REGIONS, text, brief=counted(lost, f"empty {what}"), count=lost)
