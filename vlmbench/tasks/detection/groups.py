"""The groups of classes that have metrics of their own, such as LVIS' rare classes. The detection plugin uses it."""

from __future__ import annotations

from vlmbench.cards import TaskCard
from vlmbench.data.base import ImageDataset
from vlmbench.data.boxes import BoxFacts
from vlmbench.data.labels import listing
from vlmbench.errors import DataError, LabelError
from vlmbench.metrics.detection.measures import FREQUENCIES
from vlmbench.tasks.base import TaskOptions
from vlmbench.tasks.detection.protocol import DetectionProtocol


def class_groups(
    card: TaskCard, how: DetectionProtocol, dataset: ImageDataset, facts: BoxFacts, options: TaskOptions
) -> dict[str, frozenset[int]]:
    """The labels of each group of classes: LVIS' groups by frequency, or the groups that the card names.

    Raises:
        DataError: the evaluator is LVIS', but the data lacks LVIS' lists or frequencies.
        LabelError: a group names a class that does not exist.
    """
    if how.evaluator == "lvis":
        if facts.absent is None or facts.partial is None or facts.frequencies is None:
            raise DataError(
                f"{card.name}: {dataset.info.location} lacks LVIS' neg_category_ids, not_exhaustive_category_ids or "
                "frequency",
                hint="Use an evaluator that does not need them: --set evaluator=pycocotools.",
            )
        return {
            group: frozenset(label for label, letter in enumerate(facts.frequencies) if letter == wanted)
            for group, wanted in FREQUENCIES.items()
        }
    names = (
        tuple(card.classes) if card.classes else dataset.classes or ()
    )  # --classnames gives new names in the same order
    labels = {name: label for label, name in enumerate(names)}
    for group, members in how.groups.items():
        if unknown := [name for name in members if name not in labels]:
            raise LabelError(f"{card.name}: group {group!r} names unknown classes: {listing(unknown)}")
    return {group: frozenset(labels[name] for name in members) for group, members in how.groups.items()}
