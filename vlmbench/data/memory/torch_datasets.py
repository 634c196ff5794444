"""Reads the attributes of a torch dataset: labels without reading images, class names, and the transform.

torch is not imported. A dataset is recognised by the attributes that torchvision's datasets and torch's wrappers have.
:func:`vlmbench.as_task` and :mod:`vlmbench.data.memory.parts` use it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_LABELS = ("targets", "labels", "_labels")
"""The attributes in which torchvision's datasets keep their labels."""


def stated_labels(dataset: Any) -> Sequence[Any] | None:
    """The label of each item, from a list that the dataset keeps beside its items; None if there is no such list.

    When an item is read later, its own label is compared with this one. A wrong list is found in this way.
    """
    if _is_subset(dataset):
        inner = stated_labels(dataset.dataset)
        return None if inner is None else [inner[index] for index in dataset.indices]
    if _is_chain(dataset):
        parts = [stated_labels(part) for part in dataset.datasets]
        return None if any(part is None for part in parts) else [label for part in parts for label in part or ()]
    labels = next((found for name in _LABELS if _is_list(found := getattr(dataset, name, None), len(dataset))), None)
    if labels is None and _is_list(pairs := getattr(dataset, "samples", None), len(dataset)):
        listed: Any = pairs
        labels = [pair[1] for pair in listed] if all(isinstance(p, tuple) and len(p) == 2 for p in listed) else None
    change = getattr(dataset, "target_transform", None)
    return labels if labels is None or change is None else [change(label) for label in labels]


def stated_classes(dataset: Any) -> tuple[str, ...] | None:
    """The class names in label order; None if the dataset states no names. If a class has several words, the first."""
    if _is_subset(dataset):
        return stated_classes(dataset.dataset)
    if _is_chain(dataset):
        found = {stated_classes(part) for part in dataset.datasets}
        return found.pop() if len(found) == 1 else None
    names = getattr(dataset, "classes", None)
    if not isinstance(names, list | tuple) or not names:
        return None
    words = [name[0] if isinstance(name, list | tuple) and name else name for name in names]
    return tuple(words) if all(isinstance(word, str) for word in words) else None


def own_transform(dataset: Any) -> Any:
    """The transform that the dataset applies to its images; None if it has none."""
    if _is_subset(dataset):
        return own_transform(dataset.dataset)
    if _is_chain(dataset):
        return next((found for part in dataset.datasets if (found := own_transform(part)) is not None), None)
    transform = getattr(dataset, "transform", None)
    return transform if callable(transform) else None


def innermost(dataset: Any) -> Any:
    """The dataset inside torch's subsets."""
    while _is_subset(dataset):
        dataset = dataset.dataset
    return dataset


def _is_subset(dataset: Any) -> bool:
    return hasattr(dataset, "dataset") and hasattr(dataset, "indices")


def _is_chain(dataset: Any) -> bool:
    return isinstance(getattr(dataset, "datasets", None), list) and hasattr(dataset, "cumulative_sizes")


def _is_list(value: Any, length: int) -> bool:
    return hasattr(value, "__getitem__") and hasattr(value, "__len__") and len(value) == length
