"""What a caller's data holds, whatever its kind: images by number, a label for each, and class names."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from vlmbench.data.memory.items import Columns
from vlmbench.data.memory.tables import is_table, table_parts
from vlmbench.data.memory.torch_datasets import own_transform, stated_classes, stated_labels
from vlmbench.errors import DataError, UsageError, VlmbenchError


@dataclass(frozen=True)
class Unreadable:
    """In place of a label: the item cannot be read, and why."""

    reason: str


@dataclass(frozen=True)
class GivenParts:
    """Images and labels of a caller's data.

    Attributes:
        image: an index to the image.
        labels: the label of each image.
        classes: the names that the data states; None if it states none.
        relabel: an index to the image and the label of the item, if ``labels`` are not those of the items.
        one_at_a_time: held while an item is fetched.
        own_transform: what the data does to its images, in words.
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
        UsageError: the data cannot be read by number.
        DataError: images and labels differ in number, or an item is neither a pair nor a dict.
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
        raise UsageError(f"as_task: labels are a list, and this is a {type(labels).__name__}")
    if len(images) != len(labels):
        raise DataError(f"as_task: there are {len(images):,} images and {len(labels):,} labels")
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
    """Every item's label, which takes reading every item."""
    for index in range(len(dataset)):
        try:
            item = dataset[index]
        except (MemoryError, VlmbenchError):
            raise
        except Exception as error:  # the caller's own code may fail in any way
            yield Unreadable(raised_in_words(error))
        else:
            yield columns.label_of(item, f"sample {index}")


def raised_in_words(error: Exception) -> str:
    """What a dataset raised for an item, on one line."""
    text = " ".join(str(error).split())
    return f"the dataset raised {type(error).__name__}{': ' if text else ''}{text}"


def _refuse_unnumbered(data: Any) -> None:
    """Refuse what has no numbered items."""
    kind = type(data).__name__
    if isinstance(data, str):
        raise UsageError(
            f"as_task: {data!r} is a text", hint="Give a name or PATH to evaluate itself: vlmbench.evaluate(model, …)."
        )
    if isinstance(data, Mapping):
        raise UsageError(
            f"as_task: a {kind} of {', '.join(map(str, list(data)[:5]))} is no list of samples",
            hint="Give images and labels apart: as_task(data['image'], data['label']).",
        )
    if hasattr(data, "batch_size") and hasattr(data, "dataset"):
        raise UsageError(f"as_task: a {kind} gives batches", hint="Give its dataset: as_task(loader.dataset, …).")
    streams = any(base.__name__ == "IterableDataset" for base in type(data).__mro__)
    if streams or not hasattr(data, "__getitem__") or _length(data) is None:
        what = "can only be read from start to end" if streams or hasattr(data, "__iter__") else "has no length"
        raise UsageError(
            f"as_task: a {kind} {what}, and a run reads samples by their number",
            hint="Make a list: as_task(list(dataset), …); of its first samples: list(itertools.islice(dataset, 1000)).",
        )


def _length(data: Any) -> int | None:
    try:
        return len(data)
    except (TypeError, NotImplementedError):
        return None
