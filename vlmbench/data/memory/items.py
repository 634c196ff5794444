"""Finds the image and the label in an item of a caller's dataset, and turns the label into a target.

:func:`vlmbench.as_task` and the readers of this folder use it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vlmbench.class_names import listing
from vlmbench.data.base import Target, TargetKind
from vlmbench.errors import DataError, LabelError
from vlmbench.registry import did_you_mean
from vlmbench.wording import counted

IMAGE_KEYS = ("image", "img", "images", "picture", "jpg", "png", "pixel_values")
LABEL_KEYS = ("label", "labels", "target", "targets", "class", "cls", "y")
CAPTION_KEYS = ("caption", "captions", "sentences", "text", "texts")

_VECTORS = (
    "Class indices are a list without repeats. A place of 0 or 1 for each class is an array: numpy.array(labels)."
)

Key = str | int


@dataclass(frozen=True)
class Columns:
    """Where the image and the label are in an item.

    Attributes:
        image, label: the key of a dict or the place in a tuple that the caller named; None: the usual ones.
        captions: whether the label is one caption or several captions.
    """

    image: Key | None = None
    label: Key | None = None
    captions: bool = False

    def image_of(self, item: Any, where: str) -> Any:
        """The image of an item.

        Raises:
            DataError: the item has no image.
        """
        return _part(item, self.image, IMAGE_KEYS, 0, f"{where}: its image", "image")

    def label_of(self, item: Any, where: str) -> Any:
        """The label of an item, or its captions.

        Raises:
            DataError: the item has no label.
        """
        usual = CAPTION_KEYS if self.captions else LABEL_KEYS
        return _part(item, self.label, usual, 1, f"{where}: its {'caption' if self.captions else 'label'}", "label")


def _part(item: Any, key: Key | None, usual: Sequence[str], place: int, what: str, option: str) -> Any:
    if isinstance(item, Mapping):
        found = [name for name in usual if name in item] if key is None else [key] if key in item else []
        if len(found) == 1:
            return item[found[0]]
        several = f"may be in any of the keys {listing(map(str, found))}" if found else "is not under a usual key"
        raise DataError(
            f"{what} {several}; the item has the keys {listing(map(str, item))}",
            hint=f"Name the key: as_task(dataset, {option}='…').",
        )
    if isinstance(item, tuple | list):
        at = place if key is None else key
        if isinstance(at, int) and -len(item) <= at < len(item):
            return item[at]
        raise DataError(
            f"{what} is not at place {at!r} of this {type(item).__name__}, which has {counted(len(item), 'part')}",
            hint=f"An item must be a pair of an image and a label. Name the place: as_task(dataset, {option}=…).",
        )
    raise DataError(
        f"{what} is not known, because the item is a {type(item).__name__}",
        hint="An item must be a pair (image, label) or a dict. If you keep labels separately: as_task(images, labels).",
    )


def as_target(label: Any, target: TargetKind, classes: Sequence[str] | None, where: str) -> Target:
    """Turn a caller's label into the target of a sample.

    Args:
        target: the kind of target. For "class", the label is a class index, or a class name if ``classes`` is given.
            For "classes", it is a list of those, or an array with a 0 or 1 for each class. For "captions", it is a text
            or a list of texts.
        where: the sample, as an error names it.

    Raises:
        LabelError: the label is not of this kind, or names no class.
    """
    if target == "captions":
        return _captions(label, where)
    if target == "class":
        return _class(label, classes, where)
    if _is_array(label) and not isinstance(label, list | tuple):
        return _of_vector(np.asarray(_plain(label)), classes, where)
    if not isinstance(label, list | tuple | set | frozenset):
        raise LabelError(
            f"{where}: its label is {label!r}, not a list of class indices",
            hint="If an image has several classes, its label is a list of indices. If it has one, omit multi_label.",
        )
    found = [_class(each, classes, where) for each in label]
    if len(set(found)) != len(found):
        raise LabelError(f"{where}: its list of classes names a class twice: {_shown(label)}", hint=_VECTORS)
    return tuple(sorted(found))


def refuse_vectors(labels: Sequence[Any], classes: Sequence[str] | None, where: str) -> None:
    """Refuse lists of 0 and 1 that may be class indices of two classes, or a place for each of them.

    Of more classes, such a list names a class twice, which :func:`as_target` refuses.

    Raises:
        LabelError: all labels are such lists, and no other label tells what they mean.
    """
    lists = [label for label in labels if isinstance(label, list | tuple)]
    if classes is None or len(classes) != 2 or len(lists) != len(labels) or not lists:
        return
    if all(len(label) == 2 and set(map(_plain, label)) <= {0, 1} for label in lists):
        raise LabelError(f"{where}: every label is a list of two numbers, 0 or 1, of two classes", hint=_VECTORS)


def _class(label: Any, classes: Sequence[str] | None, where: str) -> int:
    plain = _plain(label)
    if isinstance(plain, np.ndarray) and plain.shape == (1,) and plain.dtype.kind in "iu":
        plain = int(plain[0])  # as some datasets keep labels: (N, 1)
    if isinstance(plain, int) and not isinstance(plain, bool):
        return plain
    if isinstance(plain, str):
        return _named(plain, classes, where)
    several = isinstance(plain, list | tuple | set) or getattr(plain, "ndim", 0) > 0
    hint = "A label must be a whole number from 0, the place of its class in the class names."
    if several:
        hint = (
            "If an image has several classes, use as_task(…, multi_label=True). "
            "If an array has a place for each class, give the index: labels.argmax(1)."
        )
    elif isinstance(plain, float) and plain.is_integer():
        hint = f"A real number need not be a class index. If it is one, give int({plain})."
    raise LabelError(f"{where}: its label is {_shown(plain)}, not a class index", hint=hint)


def _named(label: str, classes: Sequence[str] | None, where: str) -> int:
    if classes is None:
        raise LabelError(
            f"{where}: its label is the text {label!r}, but there are no class names to find it in",
            hint="Give class names: as_task(dataset, classes=['cat', 'dog']). For captions, use captions=True.",
        )
    if classes.count(label) != 1:
        hint = did_you_mean(label, classes) or f"The class names are {listing(map(repr, classes))}."
        raise LabelError(
            f"{where}: its label {label!r} is not one of the {counted(len(classes), 'class name')}", hint=hint
        )
    return classes.index(label)


def _of_vector(values: Any, classes: Sequence[str] | None, where: str) -> tuple[int, ...]:
    wanted = len(classes) if classes is not None else None
    fits = values.ndim == 1 and (wanted is None or len(values) == wanted)
    if not fits or not np.isin(values, (0, 1)).all():
        places = counted(wanted, "place") if wanted is not None else "a place for each class"
        raise LabelError(
            f"{where}: its label is an array of the shape {values.shape}; it must have {places}, each 0 or 1",
            hint="Or give a list of the indices of its classes.",
        )
    return tuple(int(index) for index in np.flatnonzero(values))


def _captions(label: Any, where: str) -> tuple[str, ...]:
    plain = label.tolist() if isinstance(label, np.ndarray) and label.dtype.kind in "UO" else label
    texts = [plain] if isinstance(plain, str) else plain
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
        raise LabelError(f"{where}: its captions are {_shown(label)}, not a text or a list of texts")
    return tuple(text.strip() for text in texts)


def _is_array(label: Any) -> bool:
    return isinstance(label, np.ndarray) or is_tensor(label)


def is_tensor(value: Any) -> bool:
    """Whether it is a tensor of torch, which is not imported."""
    return hasattr(value, "detach") and hasattr(value, "cpu")


def _plain(label: Any) -> Any:
    """A NumPy number, or a tensor with one number, as a number of Python. Other labels stay as they are."""
    if is_tensor(label):
        label = label.detach().cpu().numpy()
    if isinstance(label, np.generic) or (isinstance(label, np.ndarray) and label.ndim == 0):
        return label.item()
    return label


def _shown(label: Any) -> str:
    shape = getattr(label, "shape", None)
    return f"an array of the shape {tuple(shape)}" if shape else repr(label)[:80]
