"""Decides when a model answers with its own detector, and explains why a model cannot answer.

The detection plugin uses it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import PIL.Image

from vlmbench.card_files import read_task, task_card_files
from vlmbench.cards import TaskCard
from vlmbench.errors import CardError, ModelError
from vlmbench.features.engine import FeatureEngine
from vlmbench.models.base import Answers, Detections, Detector, InstanceSegmenter, Model, capability, lacks_encoders
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import OWN_DETECTOR
from vlmbench.tasks.detection.given import has_regions
from vlmbench.tasks.detection.instances import masks_in_use
from vlmbench.tasks.detection.measures import ACCURACIES
from vlmbench.tasks.detection.protocol import DetectionProtocol
from vlmbench.tasks.detection.results_file import RESULTS
from vlmbench.wording import listed

NATIVE = "native"


def settled_for(model: Model, how: DetectionProtocol, card: TaskCard) -> DetectionProtocol:
    """The protocol that this model answers with.

    A model that has a detector and cannot classify given boxes uses its detector, unless the card or the user sets
    ``regions``. A card that asks for an accuracy on the data's own boxes also sets ``regions`` in this sense. The same
    holds for a system whose boxes are in a file.
    """
    if _is_open(how, card) and _finds_boxes(model, card) and lacks_encoders(model):
        return how.model_copy(update={"regions": NATIVE})
    return how


def _is_open(how: DetectionProtocol, card: TaskCard) -> bool:
    return "regions" not in how.model_fields_set and not any(name in ACCURACIES for name in card.metrics)


def _finds_boxes(model: Model, card: TaskCard) -> bool:
    answers = capability(model, Answers)
    if answers is None:
        return capability(model, Detector) is not None
    path = answers.path(card.name, RESULTS)
    return path is not None and not has_regions(path)


def cannot_be_given(model: Model, how: DetectionProtocol, card: TaskCard, path: Path) -> str | None:
    """Why a results file does not answer a question, and what it can answer; None if it does."""
    settled = settled_for(model, how, card)
    if settled.regions == NATIVE or (settled.regions == "ground-truth" and has_regions(path)):
        return None
    given = (
        "the data's own boxes" if settled.regions == "ground-truth" else f"the boxes of `regions: {settled.regions}`"
    )
    what = f"the task gives models {given} to classify, and {path.name} does not say that its boxes are these"
    return f"{what}. To score the boxes of the file as they are: {_with_own_boxes(card)}"


def tell_of_own_boxes() -> None:
    """Make a remark that the model used its own detector, while other models classify given boxes."""
    say(
        OWN_DETECTOR,
        "the model's own detector found the boxes, because the model cannot classify given boxes; other models "
        "classify the data's own boxes; to compare detectors, use a card with `regions: native`",
        brief="own detector",
    )


def lacks_detector(model: Model, card: TaskCard) -> str | None:
    """Why a model cannot find boxes itself, and what it can be asked instead; None if it can find boxes."""
    if capability(model, Detector) is not None:
        return None
    if reason := lacks_encoders(model):
        return f"it has no detector of its own, and {reason}"
    instead = _sibling(card, native=False)
    ask = f"-t {instead}" if instead else "--set regions=ground-truth"
    return f"it has no detector of its own, unlike models such as OWL-ViT. It can classify given boxes: {ask}"


def lacks_masks(model: Model, card: TaskCard) -> str | None:
    """Why a model cannot find masks of objects, and what it can be asked instead; None if it can find them."""
    if capability(model, InstanceSegmenter) is not None:
        return None
    able = capability(model, Detector) is not None
    instead = _sibling(card, native=True, masks=False) if able else None
    ask = f". It can find boxes: -t {instead}" if instead else ""
    what = "its detector gives boxes, but no masks" if able else "it does not find masks of objects"
    return f"{what}, unlike models such as SAM 3. The metrics of masks need them{ask}"


def ask_own_detector(engine: FeatureEngine, image: PIL.Image.Image, texts: Sequence[str], *, masks: bool) -> Detections:
    """The detections of the model's own detector in one image; with masks if they are wanted.

    Raises:
        ModelError: the model did not answer for one image.
    """
    if masks:
        segmenter = capability(engine.model, InstanceSegmenter)
        assert segmenter is not None  # lacks_masks() refuses models without one
        ask = segmenter.segment_instances
    else:
        detector = capability(engine.model, Detector)
        assert detector is not None  # lacks_detector() refuses models without one
        ask = detector.detect
    (found,) = engine.ask(lambda images: ask(images, texts), [image])
    if len(found) != 1:
        raise ModelError(f"the detector returned answers for {len(found)} images instead of 1")
    return found[0]


def cannot_name_boxes(model: Model, card: TaskCard) -> str | None:
    """Why a model cannot classify given boxes, and what it can be asked instead; None if it can classify them."""
    reason = lacks_encoders(model)
    if reason is None or capability(model, Detector) is None:
        return reason
    why = "it cannot classify given boxes, because it has no image encoder for the feature space of its texts"
    return f"{why}. It finds its own boxes: {_with_own_boxes(card)}"


def _with_own_boxes(card: TaskCard) -> str:
    """What to ask for in place of a card, so that the model's own boxes count."""
    if instead := _sibling(card, native=True, masks=False):
        return f"-t {instead}"
    if any(name in ACCURACIES for name in card.metrics):
        return f"a card with `regions: native` and without the metrics {listed(list(ACCURACIES))}"
    return "--set regions=native"


def _sibling(card: TaskCard, *, native: bool, masks: bool | None = None) -> str | None:
    """The name of a card with the same data that lets models find boxes (``native``) or gives them boxes.

    With ``masks``, it is a card with or without metrics of masks.

    It is the first such card in the order of names; None if there is no such card.
    """
    return next(
        (
            other.name
            for other in _detection_cards(tuple(path for paths in task_card_files().paths.values() for path in paths))
            if other.sources == card.sources
            and (other.protocol.get("regions") == NATIVE) == native
            and masks in (None, masks_in_use(other.metrics))
        ),
        None,
    )


@cache
def _detection_cards(files: tuple[Path, ...]) -> list[TaskCard]:
    """The readable detection cards. A card that cannot be read is skipped here; running it gives the error."""
    found = []
    for path in sorted(files, key=lambda path: path.stem):
        try:
            said = path.read_text(encoding="utf-8") if path.is_file() else ""
            if "detection" in said and (card := read_task(path)).plugin == "detection":
                found.append(card)
        except (CardError, OSError, UnicodeDecodeError):
            continue
    return found
