"""A task of a dataset in memory, as a run takes it, and :func:`as_task`, which makes one."""

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
"""The source of such tasks' cards."""
_OF_SEVERAL = ("mean_average_precision", "map_11_point", "roc_auc")
"""What is measured where an image has several classes; the first is the main metric."""


@dataclass(frozen=True, eq=False)
class GivenTask:
    """A task whose data is in memory: :func:`as_task` makes it, :func:`vlmbench.evaluate` takes it.

    Attributes:
        card: as of any task; its source names the dataset.
        dataset: what it names.
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
    """A dataset in memory as a task for :func:`vlmbench.evaluate`: classification, or retrieval with captions.

    Make it once: labels are read here, images when they are asked for. Images are PIL images, paths, files' bytes,
    arrays or tensors. Pixels in bytes are taken as they are; real numbers must be from 0 to 1, and a remark tells of
    them. Give images before any transform: the model's own is applied.

    Args:
        data: a ``torch.utils.data.Dataset`` or a list whose items are (image, label) or dicts; a ``datasets.Dataset``;
            or, with ``labels``, images alone: a list, an array (N, H, W, 3) or a tensor (N, 3, H, W).
        labels: the label of each image: a class index, a class name, or with ``captions`` a text or a list of texts.
        classes: class names in label order, or a mapping of indices to names; by default those that the dataset
            states, as torchvision's ``classes`` and the ``datasets`` library's ``ClassLabel`` do.
        templates: prompts with ``{}`` for the class name; by default "a photo of a {}.".
        name: of the task in records and tables; by default ``memory:`` and the dataset's class.
        like: a task card whose class names, templates and metrics are taken, such as ``"cifar10"``.
        captions: labels are captions, and the task is retrieval.
        multi_label: an image has several classes: a list of indices, or an array of 0 and 1.
        image, label: the key or column, or the place in a tuple, if it is not a usual one.

    Raises:
        UsageError: the data cannot be read by number, or two arguments contradict each other.
        DataError: there are no samples, or images of a kind that cannot be used.
        LabelError: labels that are no class, out of range or not the class names', or captions without words.
    """
    if labels is not None and (image is not None or label is not None):
        raise UsageError("as_task: labels are given apart, so image and label name nothing")
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
    with suppress(BadSampleError), gathered_remarks(WARNING):  # a run tells of a bad sample, and makes the remarks
        dataset.read(0)  # an item that is not an image fails now
    return GivenTask(_card(card, name, target, own_names, templates), dataset)


def _like(like: str | TaskCard | None) -> TaskCard | None:
    if like is None or isinstance(like, TaskCard):
        return like
    if not isinstance(like, str):
        raise UsageError(f"as_task: like is a task's name or card, and {like!r} is a {type(like).__name__}")
    cards = find_tasks(like)
    if len(cards) != 1:
        raise UsageError(
            f"as_task: like={like!r} names {counted(len(cards), 'task')}, but it must name exactly one",
            hint="Name one of them.",
        )
    return cards[0]


def _of_several(card: TaskCard | None) -> bool:
    return card is not None and card.multi_label


def _class_names(classes: Sequence[str] | Mapping[Any, Any] | None) -> tuple[str, ...] | None:
    """Class names in label order."""
    if classes is None:
        return None
    if isinstance(classes, str):
        raise UsageError(f"as_task: classes is a list of texts, and {classes!r} is one text")
    if isinstance(classes, set | frozenset) or not isinstance(classes, Iterable):
        raise UsageError(
            f"as_task: classes are class names in label order, and this is a {type(classes).__name__}",
            hint="Give a list: classes=['cat', 'dog']. A set has no order.",
        )
    if isinstance(classes, Mapping):
        turned = all(isinstance(value, Integral) for value in classes.values())  # torchvision's class_to_idx
        by_index = {index: name for name, index in classes.items()} if turned else dict(classes)
        if sorted(by_index, key=repr) != sorted(range(len(by_index)), key=repr):
            raise UsageError(f"as_task: classes name the indices {listing(map(repr, by_index))}, not 0, 1, 2, …")
        classes = [by_index[index] for index in range(len(by_index))]
    names = tuple(classes)
    if not names:
        raise UsageError("as_task: the list of classes is empty")
    for index, name in enumerate(names):
        if not isinstance(name, str) or is_blank(name):
            raise UsageError(f"as_task: the name of class {index} is no text: {name!r}")
    return names


def _samples(
    parts: GivenParts, target: TargetKind, classes: Sequence[str] | None, shown: str
) -> tuple[list[Sample], dict[int, str]]:
    """The samples, and those whose label could not be read; they get a label of no meaning, and are never scored."""
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
    """The image of an item, whose own label must be the one that the dataset's list of labels has for it."""

    def image(index: int) -> Any:
        found, label = parts.relabel(index) if parts.relabel is not None else (parts.image(index), None)
        own = as_target(label, target, classes, f"sample {index}")
        if own != samples[index].target:
            raise LabelError(
                f"sample {index}: the dataset's list of labels says {samples[index].target!r}, and its item {own!r}",
                hint="Give the labels that count: as_task([image for image, _ in dataset], labels).",
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
        several = "several classes an image" if like.multi_label else "one class an image"
        what = like.plugin if like.plugin != kind else several
        raise UsageError(
            f"as_task: like={like.name!r} is a card for {what}, but this dataset has labels of another kind"
        )
    if target == "captions" and (classes is not None or templates is not None):
        raise UsageError("as_task: a task of captions has no class names or templates")
    if isinstance(templates, str):
        raise UsageError(f"as_task: templates is a list of texts, and {templates!r} is one text")
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
