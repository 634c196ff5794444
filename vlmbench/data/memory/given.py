"""Tasks of datasets in memory, and :func:`as_task`, which makes one.

:mod:`vlmbench.api` offers it to users, and a run (``vlmbench/run/``) takes such tasks from here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from numbers import Integral
from typing import Any

from vlmbench.cards import SourceSpec, TaskCard, parse_card
from vlmbench.catalogue import find_tasks
from vlmbench.class_names import listing
from vlmbench.data.base import ImageDataset, Sample, SourceInfo, Target, TargetKind
from vlmbench.data.labels import check_dataset
from vlmbench.data.memory.dataset import GivenDataset
from vlmbench.data.memory.items import Columns, Key, as_target, refuse_vectors
from vlmbench.data.memory.parts import GivenParts, Unreadable, parts_of
from vlmbench.data.memory.torch_datasets import innermost
from vlmbench.errors import BadSampleError, LabelError, UsageError
from vlmbench.kinds import DEFAULT_KIND
from vlmbench.markup import is_blank
from vlmbench.remarks.base import gathered_remarks
from vlmbench.remarks.codes import WARNING
from vlmbench.wording import counted

SOURCE = "memory"
"""The source that the cards of these tasks name."""
_OF_SEVERAL = ("mean_average_precision", "map_11_point", "roc_auc")
"""The metrics of a task in which an image has several classes. The first is the main metric."""


@dataclass(frozen=True, eq=False)
class GivenTask:
    """A task whose dataset is in memory. :func:`as_task` makes it, and :func:`vlmbench.evaluate` takes it.

    Attributes:
        card: its task card. The card's source names the dataset.
        dataset: this dataset.
    """

    card: TaskCard
    dataset: ImageDataset


def as_task(
    data: Any,
    labels: Any = None,
    *,
    classes: Sequence[str] | Mapping[Any, Any] | None = None,
    templates: Sequence[str] | None = None,
    name: str | None = None,
    like: str | TaskCard | None = None,
    captions: bool = False,
    multi_label: bool = False,
    image: Key | None = None,
    label: Key | None = None,
) -> GivenTask:
    """Make a task for :func:`vlmbench.evaluate` from a dataset in memory: classification, or retrieval with captions.

    Call it once. It reads the labels; images are read later, when a run needs them. An image is a PIL image, a path, a
    file's bytes, an array or a tensor. Pixels of type uint8 are used unchanged. Real numbers must be from 0 to 1, and a
    remark reports them. Give images without any transform, because the model applies its own.

    Args:
        data: a ``torch.utils.data.Dataset`` or a list whose items are (image, label) or dicts; or a
            ``datasets.Dataset``. With ``labels``, only the images: a list, an array (N, H, W, 3) or a tensor
            (N, 3, H, W).
        labels: the label of each image: a class index or a class name; with ``captions``, a text or a list of texts.
        classes: class names in label order, or a mapping from indices to names. By default they are those that the
            dataset states, as torchvision does with ``classes`` and the ``datasets`` library with ``ClassLabel``.
        templates: prompts with ``{}`` in place of the class name; by default "a photo of a {}.".
        name: the name of the task in records and tables; by default ``memory:`` and the dataset's class.
        like: a task card, or its name, such as ``"cifar10"``. Its class names, templates and metrics are used.
        captions: the labels are captions, and the task is retrieval.
        multi_label: an image has several classes. Its label is a list of indices, or an array of 0 and 1.
        image, label: the key, the column, or the place in a tuple, if it is not a usual one.

    Raises:
        UsageError: samples cannot be read by their number, or two arguments contradict each other.
        DataError: there are no samples, or the images are of a kind that cannot be used.
        LabelError: a label is not a class, is out of range or is not among the class names, or a caption has no words.
    """
    if labels is not None and (image is not None or label is not None):
        raise UsageError("as_task: labels are given separately, so image= and label= cannot be used")
    if isinstance(data, GivenTask | TaskCard):
        raise UsageError("as_task: this is a task already", hint="Give it to evaluate: vlmbench.evaluate(model, task).")
    if captions and multi_label:
        raise UsageError("as_task: labels are captions or several classes an image, not both")
    if name is not None and (not isinstance(name, str) or is_blank(name)):
        raise UsageError(f"as_task: name is {name!r}, not a text", hint="Write name='…', or leave it out.")
    card = _like(like)
    target: TargetKind = "captions" if captions else "classes" if multi_label or _of_several(card) else "class"
    parts = parts_of(data, labels, Columns(image, label, captions))
    own_names = _class_names(classes)
    stated = own_names if own_names is not None else parts.classes
    known = stated if stated is not None or card is None or card.classes is None else tuple(card.classes)
    if name is None:
        name = f"{SOURCE}:{type(innermost(data)).__name__}"
    samples, broken = _samples(parts, target, known, f"{SOURCE} {name!r}")
    dataset = GivenDataset(
        info=SourceInfo(SOURCE, name),
        samples=samples,
        classes=None if captions else stated,
        image=parts.image if parts.relabel is None else _checked(parts, target, known, samples),
        broken=broken,
        one_at_a_time=parts.one_at_a_time,
        own_transform=parts.own_transform,
    )
    check_dataset(dataset, None if captions else known, target=target, card_names_win=True)
    with suppress(BadSampleError), gathered_remarks(WARNING):  # a run reports bad samples and remarks later
        dataset.read(0)  # so that an item that is not an image fails now
    return GivenTask(_card(card, name, target, own_names, templates), dataset)


def _like(like: str | TaskCard | None) -> TaskCard | None:
    if like is None or isinstance(like, TaskCard):
        return like
    if not isinstance(like, str):
        raise UsageError(f"as_task: like is a task's name or card, and {like!r} is a {type(like).__name__}")
    cards = find_tasks(like)
    if len(cards) != 1:
        raise UsageError(
            f"as_task: like={like!r} means {counted(len(cards), 'task')}, but it must mean exactly one",
            hint="Name one task.",
        )
    return cards[0]


def _of_several(card: TaskCard | None) -> bool:
    return card is not None and card.multi_label


def _class_names(classes: Sequence[str] | Mapping[Any, Any] | None) -> tuple[str, ...] | None:
    """Class names in label order."""
    if classes is None:
        return None
    if isinstance(classes, str):
        raise UsageError(f"as_task: classes must be a list of texts, but {classes!r} is one text")
    if isinstance(classes, set | frozenset) or not isinstance(classes, Iterable):
        raise UsageError(
            f"as_task: classes are class names in label order, and this is a {type(classes).__name__}",
            hint="Give a list: classes=['cat', 'dog']. A set has no order.",
        )
    if isinstance(classes, Mapping):
        turned = all(isinstance(value, Integral) for value in classes.values())  # torchvision's class_to_idx
        by_index = {index: name for name, index in classes.items()} if turned else dict(classes)
        if sorted(by_index, key=repr) != sorted(range(len(by_index)), key=repr):
            raise UsageError(f"as_task: classes has the indices {listing(map(repr, by_index))}, not 0, 1, 2, …")
        classes = [by_index[index] for index in range(len(by_index))]
    names = tuple(classes)
    if not names:
        raise UsageError("as_task: the list of classes is empty")
    for index, name in enumerate(names):
        if not isinstance(name, str) or is_blank(name):
            raise UsageError(f"as_task: the name of class {index} is not a text: {name!r}")
    return names


def _samples(
    parts: GivenParts, target: TargetKind, classes: Sequence[str] | None, shown: str
) -> tuple[list[Sample], dict[int, str]]:
    """All samples, and the reasons why some labels could not be read.

    A sample without a readable label gets an arbitrary one, and is never scored.
    """
    if target == "classes":
        refuse_vectors(parts.labels, classes, shown)
    samples, broken = [], {}
    anything: Target = {"captions": ("?",), "classes": ()}.get(target, 0)
    for index, label in enumerate(parts.labels):
        if isinstance(label, Unreadable):
            broken[index] = label.reason
            samples.append(Sample(str(index), anything))
        else:
            samples.append(Sample(str(index), as_target(label, target, classes, f"{shown}: sample {str(index)!r}")))
    return samples, broken


def _checked(
    parts: GivenParts, target: TargetKind, classes: Sequence[str] | None, samples: Sequence[Sample]
) -> Callable[[int], Any]:
    """A function that returns the image of an item.

    It refuses an item whose own label differs from the one in the dataset's list of labels.
    """

    def image(index: int) -> Any:
        found, label = parts.relabel(index) if parts.relabel is not None else (parts.image(index), None)
        own = as_target(label, target, classes, f"sample {index}")
        if own != samples[index].target:
            raise LabelError(
                f"sample {index}: the dataset's list of labels has {samples[index].target!r}, but its item has {own!r}",
                hint="Give the right labels yourself: as_task([image for image, _ in dataset], labels).",
            )
        return found

    return image


def _card(
    like: TaskCard | None,
    name: str,
    target: TargetKind,
    classes: Sequence[str] | None,
    templates: Sequence[str] | None,
) -> TaskCard:
    source = SourceSpec(kind=SOURCE, location=name, options={"class_names": "card"})
    kind = "retrieval" if target == "captions" else DEFAULT_KIND
    if like is not None and (like.plugin != kind or like.multi_label != (target == "classes")):
        several = "several classes for each image" if like.multi_label else "one class for each image"
        what = like.plugin if like.plugin != kind else several
        raise UsageError(
            f"as_task: like={like.name!r} is a card for {what}, but this dataset has labels of another kind"
        )
    if target == "captions" and (classes is not None or templates is not None):
        raise UsageError("as_task: a task with captions takes no class names and no templates")
    if isinstance(templates, str):
        raise UsageError(f"as_task: templates must be a list of texts, but {templates!r} is one text")
    fields: dict[str, Any] = {"name": name, "plugin": kind, "multi_label": target == "classes"}
    if target == "classes":
        fields["metrics"] = list(_OF_SEVERAL)
    if like is not None:
        kept = like.model_dump(exclude={"train", "val", "samples", "title"}, exclude_unset=True)
        fields = {**fields, **kept, "name": name}
    fields["sources"] = [source]
    if classes is not None:
        fields["classes"] = list(classes)
    if templates is not None:
        fields["templates"] = list(templates)
    return parse_card(TaskCard, fields, where=f"as_task: {name!r}")
