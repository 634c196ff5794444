"""Remarks and checks of the detection plugin about the data, the boxes and the classes."""

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


def check_a_choice(how: DetectionProtocol, classes: int, card: TaskCard) -> None:
    """Refuse to classify boxes if there is only one class.

    Then every model is right on given boxes, and proposals keep the order of their file unless there are background
    words.

    Raises:
        LabelError: every model would have the same score.
    """
    if classes > 1 or not how.by_encoder or (how.background and how.regions != "ground-truth"):
        return
    boxes = "the data's own boxes" if how.regions == "ground-truth" else f"boxes of {how.regions}"
    raise LabelError(
        f"{card.name}: there is one class, and the model is to name {boxes}, so that every model has the same score",
        hint="Ask a model with a detector of its own to find them: --set regions=native"
        + ("" if how.regions == "ground-truth" else "; or give the model other words to choose, in `background`")
        + ".",
    )


def check_objects(dataset: ImageDataset, indices: Sequence[int], card: TaskCard) -> None:
    """Refuse images without anything to find.

    Raises:
        LabelError: there is no object, or crowds alone.
    """
    boxes = [box for index in indices for box in boxes_of(dataset, index)]
    if not any(not box.crowd for box in boxes):
        what = f"all {len(boxes):,} boxes are crowds or marked difficult" if boxes else "not one box"
        raise LabelError(f"{card.name}: there is nothing to find in {len(indices):,} images: {what}")


def tell_of_data(*, without_proposals: Sequence[str], images: int, partial: bool, evaluator: str) -> None:
    """Say what is known of the data and the evaluator before anything is asked.

    Args:
        without_proposals: ids of the images for which a proposals file has none.
        images: how many there are.
        partial: not every class is annotated everywhere, and the evaluator does not know it.
    """
    if without_proposals:
        count = len(without_proposals)
        have, them = ("has", "it") if count == 1 else ("have", "them")
        say(
            NO_PROPOSALS,
            f"{count:,} of {images:,} images {have} no proposals, and nothing can be found in {them}",
            brief=f"{count:,} image{'s' * (count != 1)} without proposals",
            count=count,
            examples=without_proposals,
        )
    if partial:
        say(
            PARTIAL_ANNOTATION,
            f"not every class is annotated in every image, and the evaluator {evaluator} counts boxes of "
            "classes that are not as mistakes",
        )
    if evaluator in ENGINES:
        say(NO_INTERVALS, f"the evaluator {evaluator} gives no intervals and no results of single classes")


def tell_of_classes(dataset: ImageDataset, prompts: PromptSet, card: TaskCard) -> None:
    """Say which of the data's own classes have no object. A card's classes are its protocol, whatever the data has."""
    if card.classes:
        return
    there = {box.label for index in range(len(dataset.samples)) for box in boxes_of(dataset, index)}
    names = prompts.class_names
    if absent := [name for label, name in enumerate(names) if label not in there]:
        count = len(absent)
        say(
            NO_OBJECTS,
            f"{count:,} of {len(names):,} classes {'has' if count == 1 else 'have'} no object in the data: no part in "
            "the mean, and a name that models can choose",
            brief=f"{count:,} of {len(names):,} classes without objects",
            count=count,
            examples=absent,
        )


def tell_of_given_boxes() -> None:
    """Say that a score is of naming boxes, where neither the card nor the user asked for that."""
    say(
        GIVEN_BOXES,
        "the boxes were given and the model named them, so that the score says nothing of finding them",
        brief="given boxes",
    )


def tell_of_lost(lost: int, what: str) -> None:
    """Make a remark about regions that were empty or outside their image.

    Args:
        what: the word for one region.
    """
    if lost:
        were, their, them = ("was", "its", "it") if lost == 1 else ("were", "their", "them")
        regions = f"{lost:,} {what}{'s' * (lost != 1)}"
        text = f"{regions} {were} empty or outside {their} image, so the model did not classify {them}"
        say(EMPTY_REGIONS, text, brief=f"{lost:,} empty {what}{'s' * (lost != 1)}", count=lost)
