"""Checks the labels and class names of every dataset that is opened. Sources and tasks with classes use it.

A wrong order of classes raises no error and makes every number wrong, so each dataset is compared with its card.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from vlmbench.class_names import LISTED as LISTED
from vlmbench.class_names import listing as listing
from vlmbench.class_names import normalise as normalise
from vlmbench.data.base import Box, ImageDataset, MaskDataset, Sample, TargetKind
from vlmbench.errors import DataError, LabelError
from vlmbench.markup import is_blank
from vlmbench.wording import counted, either

TARGET_WORDS: dict[TargetKind, str] = {
    "class": "one class per image",
    "classes": "several classes per image (multi-label)",
    "captions": "captions",
    "boxes": "boxes",
    "mask": "a class for every pixel (a mask)",
    "annotated class": "a class that each sample may or may not show",
}


def check_dataset(
    dataset: ImageDataset,
    class_names: Sequence[str] | None,
    *,
    target: TargetKind,
    card_names_win: bool = False,
) -> None:
    """Check a dataset's samples, targets and class names. The checks are the same for every source.

    Args:
        class_names: the card's, in label order; None if the card leaves them to the data.
        target: the kind of target that the task needs.
        card_names_win: the card renames the data's classes on purpose, so only number and order are checked.

    Raises:
        DataError: there are no samples.
        LabelError: the data's class names contradict the card's, or a target is of the wrong kind or out of range.
    """
    place = f"{dataset.info.kind} {dataset.info.location!r}"
    if not dataset.samples:
        raise DataError(f"{place}: it has no samples")
    if class_names is not None and dataset.classes is not None:
        check_class_names(dataset.classes, class_names, place=place, card_names_win=card_names_win)
    if target == "captions":
        return check_captions(dataset.samples, place=place)
    if target == "mask":
        if not isinstance(dataset, MaskDataset):
            raise LabelError(f"{place}: it has no masks, but the task needs {TARGET_WORDS[target]}")
        return None
    names = class_names if class_names is not None else dataset.classes
    if target == "boxes":
        return check_boxes(dataset.samples, len(names) if names is not None else None, place=place)
    check_targets(dataset.samples, len(names) if names is not None else None, place=place, target=target)


def check_class_names(
    found: Sequence[str], expected: Sequence[str], *, place: str, card_names_win: bool = False
) -> None:
    """Compare the data's class names with the card's, label by label.

    Raises:
        LabelError: the number or the order differs, or (unless ``card_names_win``) the names differ.
    """
    if len(found) != len(expected):
        raise LabelError(
            f"{place}: the data has {counted(len(found), 'class', 'classes')}, but the card names {len(expected):,}",
            hint="Only in one of them: " + (listing(_only_in_one(found, expected)) or "none, some names repeat") + ".",
        )
    ours, theirs = [normalise(name) for name in expected], [normalise(name) for name in found]
    different = [label for label, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a != b]
    if not different:
        return
    pairs = listing(f"{label}: {found[label]!r} in the data and {expected[label]!r} in the card" for label in different)
    if sorted(ours) == sorted(theirs):
        raise LabelError(
            f"{place}: the data has the card's class names in another order; {len(different):,} differ ({pairs})",
            hint="A label is a position in the data's order: write the card's classes in that order.",
        )
    moved = {name for name in ours if ours.count(name) == 1} & {name for name in theirs if theirs.count(name) == 1}
    if card_names_win and not any(ours.index(name) != theirs.index(name) for name in moved):
        return
    raise LabelError(
        f"{place}: {counted(len(different), 'class name')} of the data {either(len(different), 'differs', 'differ')} "
        f"from the card's ({pairs})",
        hint="If the card renames these classes on purpose, add to its source: options: {class_names: card}. "
        "Names that are in both must still have the same labels.",
    )


def check_captions(samples: Sequence[Sample], *, place: str) -> None:
    """Check that every sample has captions, and that no caption is empty.

    Raises:
        LabelError: a sample has no captions, an empty one, or another kind of target; names the sample.
    """
    for sample in samples:
        if not isinstance(sample.target, tuple):
            raise LabelError(f"{place}: sample {sample.id!r} has a class, but the task needs captions")
        if not sample.target:
            raise LabelError(f"{place}: sample {sample.id!r} has no caption")
        for caption in sample.target:
            if not isinstance(caption, str) or is_blank(caption):
                raise LabelError(f"{place}: sample {sample.id!r} has a caption without words: {caption!r}")


def check_boxes(samples: Sequence[Sample], classes: int | None, *, place: str) -> None:
    """Check that every sample has a list of boxes, and that each box has a known class and finite numbers.

    Raises:
        LabelError: a sample has a wrong box or another kind of target; names the sample.
    """
    for sample in samples:
        if not isinstance(sample.target, tuple):
            raise LabelError(f"{place}: sample {sample.id!r} has no boxes, but the task needs them")
        for box in sample.target:
            if not isinstance(box, Box):
                raise LabelError(f"{place}: sample {sample.id!r} is labelled with {box!r}, not with a box")
            if box.label < 0 or (classes is not None and box.label >= classes):
                allowed = _allowed(classes)
                raise LabelError(
                    f"{place}: sample {sample.id!r} has a box of class {box.label}, outside the allowed range {allowed}"
                )
            if not all(map(math.isfinite, (*box.xywh, box.area))):
                raise LabelError(
                    f"{place}: sample {sample.id!r} has a box with a number that is not finite: {box.xywh}, area "
                    f"{box.area}"
                )
            if min(box.xywh[2:]) < 0:
                raise LabelError(f"{place}: sample {sample.id!r} has a box of negative size: {box.xywh}")


def check_targets(samples: Sequence[Sample], classes: int | None, *, place: str, target: TargetKind) -> None:
    """Check every sample's class or classes.

    Args:
        classes: the number of classes; None if it is not known, and then only negative labels are wrong.
        target: "class" or "classes".

    Raises:
        LabelError: a target is of the wrong kind or out of range; names the sample.
    """
    for sample in samples:
        several = isinstance(sample.target, tuple)
        if several is not (target == "classes"):
            found = "several classes" if several else "one class"
            raise LabelError(
                f"{place}: sample {sample.id!r} is labelled with {found}, but the task needs {TARGET_WORDS[target]}"
            )
        for label in sample.target if isinstance(sample.target, tuple) else (sample.target,):
            if not isinstance(label, int):
                raise LabelError(f"{place}: sample {sample.id!r} is labelled with {label!r}, not with a class index")
            if label < 0 or (classes is not None and label >= classes):
                one_based = label == classes and not any(s.target == 0 for s in samples)
                raise LabelError(
                    f"{place}: sample {sample.id!r} has label {label}, outside the allowed range {_allowed(classes)}",
                    hint="No sample has label 0: these labels seem to start at 1." if one_based else None,
                )


def _allowed(classes: int | None) -> str:
    return f"0 to {classes - 1}" if classes is not None else "0 and up"


def _only_in_one(found: Sequence[str], expected: Sequence[str]) -> list[str]:
    in_found, in_expected = {normalise(n): n for n in found}, {normalise(n): n for n in expected}
    return [
        *(f"{name!r} (data)" for key, name in in_found.items() if key not in in_expected),
        *(f"{name!r} (card)" for key, name in in_expected.items() if key not in in_found),
    ]
