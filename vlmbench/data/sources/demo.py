"""The source ``demo``: the datasets that are part of this package. The demo and the tests use them."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlmbench.cards import SourceSpec
from vlmbench.data.base import Box, ImageDataset, Sample, Source, SourceContext, SourceInfo
from vlmbench.data.boxes import BoxFacts
from vlmbench.data.formats.masks.values import IGNORE, MaskValues
from vlmbench.errors import LabelError, UnknownNameError
from vlmbench.registry import did_you_mean
from vlmbench.run_lengths import compressed

_SETS_MODULE = "vlmbench.demo.sets"
"""This module belongs to a higher layer, so it is imported by its name when a demo set is opened."""


@dataclass(eq=False)
class DemoDataset:
    """Rendered images. They are kept in memory, because they are few and small."""

    info: SourceInfo
    samples: Sequence[Sample]
    images: Sequence[bytes]
    classes: tuple[str, ...] | None
    templates: tuple[str, ...] | None

    def read(self, index: int) -> bytes:
        return self.images[index]

    def state(self) -> str:
        """A hash of the content: there are no files whose times could show a change."""
        digest = hashlib.sha256()
        for sample, image in zip(self.samples, self.images, strict=True):
            digest.update(f"{sample.id}\0{sample.target}\0{len(image)}\n".encode())
            digest.update(image)
        return digest.hexdigest()


@dataclass(eq=False)
class DemoBoxes(DemoDataset):
    """Rendered images with boxes and their masks; see :class:`vlmbench.data.boxes.BoxDataset`."""

    facts: BoxFacts


@dataclass(eq=False)
class DemoMasks(DemoDataset):
    """Rendered images with their masks; see :class:`vlmbench.data.base.MaskDataset`."""

    masks: Sequence[bytes]
    values: MaskValues
    ignore_label = IGNORE

    @property
    def mask_values(self) -> str:
        """See :attr:`vlmbench.data.base.MaskDataset.mask_values`."""
        return str(self.values)

    def read_mask(self, index: int) -> bytes:
        return self.masks[index]

    def labels(self, data: bytes, sample_id: str) -> NDArray[np.int64]:
        return self.values.labels(data, sample_id)

    def state(self) -> str:
        return hashlib.sha256(super().state().encode() + b"".join(self.masks)).hexdigest()


def _sample(made: Any, context: SourceContext, spec: SourceSpec, classes: Sequence[str]) -> Sample:
    if context.target == "boxes":
        return Sample(made.id, tuple(_box(item, number, spec, classes) for number, item in enumerate(made.objects, 1)))
    if context.target == "captions" and not made.captions:
        raise LabelError(f"{spec.kind} {spec.location!r}: its pictures have no captions, but the task needs them")
    if context.target == "mask":
        return Sample(made.id, None)
    return Sample(made.id, made.captions if context.target == "captions" else made.target)


def _box(item: Any, number: int, spec: SourceSpec, classes: Sequence[str]) -> Box:
    """An object's box. Its class is its shape, or its colour and shape; its area is that of the visible part."""
    left, top, width, height = map(float, item.box)
    for name in (item.shape, f"{item.colour} {item.shape}"):
        if name in classes:
            return Box(classes.index(name), (left, top, width, height), float(item.mask.sum()), id=number)
    raise LabelError(f"{spec.kind} {spec.location!r}: a {item.colour} {item.shape} is not one of its classes")


def _facts(objects: Sequence[Sequence[Any]], classes: int) -> BoxFacts:
    """Ids that count from 1, and the visible part of each object as its outline."""

    def outlines(index: int) -> tuple[object, ...]:
        return tuple(compressed(item.mask[None])[0].form for item in objects[index])

    ids = tuple(range(1, len(objects) + 1))
    return BoxFacts(image_ids=ids, category_ids=tuple(range(1, classes + 1)), outlines=outlines)


@cache
def _made(make: Callable[[], Any]) -> Any:
    """A set, which is made once per process, because four tasks use the same scenes. All sets together have 20 MB."""
    return make()


def open_source(spec: SourceSpec, context: SourceContext) -> ImageDataset:
    """Render a set of ``vlmbench.demo.sets.DEMO_SETS``.

    Raises:
        UnknownNameError: there is no set of this name.
        LabelError: the task needs captions, boxes or masks, and the set does not have them.
    """
    module = importlib.import_module(_SETS_MODULE)
    sets: dict[str, Any] = module.DEMO_SETS
    if spec.location not in sets:
        raise UnknownNameError(f"unknown demo set {spec.location!r}", hint=did_you_mean(spec.location, sets) or None)
    made = _made(sets[spec.location])
    info = SourceInfo(spec.kind, spec.location)
    samples = [_sample(sample, context, spec, tuple(made.classes)) for sample in made.samples]
    images, templates = [sample.image for sample in made.samples], tuple(made.templates) or None
    if context.target == "boxes" and not any(sample.objects for sample in made.samples):
        raise LabelError(f"{spec.kind} {spec.location!r}: its pictures have no boxes, but the task needs them")
    if context.target == "boxes":
        facts = _facts([sample.objects for sample in made.samples], len(made.classes))
        return DemoBoxes(info, samples, images, tuple(made.classes), templates, facts)
    if context.target != "mask":
        return DemoDataset(info, samples, images, tuple(made.classes), templates)
    if not all(sample.objects for sample in made.samples):
        raise LabelError(f"{spec.kind} {spec.location!r}: its pictures have no masks, but the task needs them")
    masks, classes = [sample.mask() for sample in made.samples], module.MASK_CLASSES
    values = MaskValues(ignored=frozenset(), classes=len(classes))
    return DemoMasks(info, samples, images, classes, templates, masks, values)


SOURCE = Source(open_source, ("class_names",), below_root=lambda spec: ())
