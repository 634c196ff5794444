"""Takes a caller's data apart, of any kind: images by number, their labels, and class names.

:func:`vlmbench.as_task` calls :func:`parts_of`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from vlmbench.class_names import listing
from vlmbench.data.memory.items import Columns
from vlmbench.data.memory.tables import is_table, table_parts
from vlmbench.data.memory.torch_datasets import own_transform, stated_classes, stated_labels
from vlmbench.errors import DataError, UsageError, VlmbenchError
from vlmbench.wording import counted


@dataclass(frozen=True)
class Unreadable:
    """Stands in the list of labels for an item that cannot be read; it has the reason."""

    reason: str


@dataclass(frozen=True)
class GivenParts:
    """Images and labels of a caller's data.

    Attributes:
        image: returns the image of an index.
        labels: the label of each image.
        classes: the class names that the data states; None if it states no names.
        relabel: returns the image and the label of an index, read from the item itself. It is None if ``labels`` need
            not be compared with the items.
        one_at_a_time: a lock that is held while an item is fetched.
        own_transform: the name of the data's own transform of images; "" if it has none.
    """

    image: Callable[[int], Any]
    labels: Sequence[Any]
    classes: tuple[str, ...] | None = None
    relabel: Callable[[int], tuple[Any, Any]] | None = None
    one_at_a_time: AbstractContextManager[Any] = field(default_factory=nullcontext)
    own_transform: str = ""


def parts_of(data: Any, labels: Any, columns: Columns) -> GivenParts:
    """The parts of a list, an array, a dataset of torch or a table.

    Raises:
        UsageError: samples cannot be read by their number.
        DataError: there are more images than labels, or fewer, or an item is neither a pair nor a dict.
    """
    if is_table(data) and labels is None:
        table = table_parts(data, columns)
        return GivenParts(table.image, table.labels, table.classes)
    if hasattr(data, "iloc"):  # pandas numbers rows by their label, which a filter or a shuffle leaves as it was
        data = data.to_dict("records") if hasattr(data, "columns") else list(data)
    _refuse_unnumbered(data)
    if labels is not None:
        return _apart(data, labels)
    if isinstance(data, list | tuple):
        found = [columns.label_of(item, f"sample {index}") for index, item in enumerate(data)]
        return GivenParts(lambda index: columns.image_of(data[index], f"sample {index}"), found)
    return _of_dataset(data, columns)


def _apart(images: Any, labels: Any) -> GivenParts:
    if not hasattr(labels, "__len__") or isinstance(labels, str | bytes | Mapping | set | frozenset):
        raise UsageError(f"as_task: labels must be a list, but this is a {type(labels).__name__}")
    if len(images) != len(labels):
        raise DataError(f"as_task: the data has {counted(len(images), 'image')} and {counted(len(labels), 'label')}")
    one_by_one = nullcontext() if isinstance(images, list | tuple) else threading.Lock()
    return GivenParts(images.__getitem__, list(labels), one_at_a_time=one_by_one)


def _of_dataset(dataset: Any, columns: Columns) -> GivenParts:
    def item(index: int) -> tuple[Any, Any]:
        found = dataset[index]
        return columns.image_of(found, f"sample {index}"), columns.label_of(found, f"sample {index}")

    asked = columns.captions or columns.label is not None
    stated = None if asked else stated_labels(dataset)
    transform = own_transform(dataset)
    return GivenParts(
        image=lambda index: columns.image_of(dataset[index], f"sample {index}"),
        labels=list(_read_labels(dataset, columns)) if stated is None else stated,
        classes=stated_classes(dataset),
        relabel=None if stated is None else item,
        one_at_a_time=threading.Lock(),
        own_transform="" if transform is None else type(transform).__name__,
    )


def _read_labels(dataset: Any, columns: Columns) -> Iterator[Any]:
    """The label of each item. To get it, the whole item is read."""
    for index in range(len(dataset)):
        try:
            item = dataset[index]
        except (MemoryError, VlmbenchError):
            raise
        except Exception as error:  # the caller's code may raise any error
            yield Unreadable(raised_in_words(error))
        else:
            yield columns.label_of(item, f"sample {index}")


def raised_in_words(error: Exception) -> str:
    """The error that a dataset raised for an item, on one line."""
    text = " ".join(str(error).split())
    return f"the dataset raised {type(error).__name__}{': ' if text else ''}{text}"


def _refuse_unnumbered(data: Any) -> None:
    """Refuse data whose items cannot be read by their number."""
    kind = type(data).__name__
    if isinstance(data, str):
        raise UsageError(
            f"as_task: {data!r} is a text", hint="Give the name or the path to evaluate: vlmbench.evaluate(model, …)."
        )
    if isinstance(data, Mapping):
        raise UsageError(
            f"as_task: a {kind} with the keys {listing(map(str, data))} is not a list of samples",
            hint="Give images and labels separately: as_task(data['image'], data['label']).",
        )
    if hasattr(data, "batch_size") and hasattr(data, "dataset"):
        raise UsageError(f"as_task: a {kind} gives batches", hint="Give its dataset: as_task(loader.dataset, …).")
    streams = any(base.__name__ == "IterableDataset" for base in type(data).__mro__)
    if streams or not hasattr(data, "__getitem__") or _length(data) is None:
        what = "can only be read from start to end" if streams or hasattr(data, "__iter__") else "has no length"
        raise UsageError(
            f"as_task: a {kind} {what}, but a run reads samples by their number",
            hint="Make a list: as_task(list(dataset), …). For a part of it: list(itertools.islice(dataset, 1000)).",
        )


def _length(data: Any) -> int | None:
    try:
        return len(data)
    except (TypeError, NotImplementedError):
        return None
