"""The embedded sets of the demo, as any other dataset."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Sequence
from typing import Any

from vlmbench.cards import SourceSpec
from vlmbench.data.base import ImageDataset, Sample, SourceContext, SourceInfo
from vlmbench.data.location import check_options
from vlmbench.errors import LabelError, UnknownNameError
from vlmbench.registry import did_you_mean

_SETS_MODULE = "vlmbench.demo.sets"
"""Above this layer, so it is imported by name and only when a demo set is opened."""


class DemoDataset:
    """Rendered images that are held in memory: there are few, and they are small."""

    def __init__(
        self,
        info: SourceInfo,
        samples: Sequence[Sample],
        images: Sequence[bytes],
        classes: tuple[str, ...],
        templates: tuple[str, ...] | None,
    ) -> None:
        self.info = info
        self.samples = samples
        self.classes: tuple[str, ...] | None = classes
        self.templates = templates
        self._images = images

    def read(self, index: int) -> bytes:
        """See :meth:`vlmbench.data.base.ImageDataset.read`."""
        return self._images[index]

    def state(self) -> str:
        """A hash of the content itself: it is in memory, and no file's time tells when it changes."""
        digest = hashlib.sha256()
        for sample, image in zip(self.samples, self._images, strict=True):
            digest.update(f"{sample.id}\0{sample.target}\0{len(image)}\n".encode())
            digest.update(image)
        return digest.hexdigest()


def _sample(made: Any, context: SourceContext, spec: SourceSpec) -> Sample:
    if context.target == "captions" and not made.captions:
        raise LabelError(f"{spec.kind} {spec.location!r}: its pictures have no captions, and the task needs them")
    return Sample(made.id, made.captions if context.target == "captions" else made.target)


def open_source(spec: SourceSpec, context: SourceContext) -> ImageDataset:
    """Render a set of ``vlmbench.demo.sets.DEMO_SETS``.

    Raises:
        UnknownNameError: there is no set of this name.
        LabelError: the task needs captions and the set has none.
    """
    check_options(spec, ("class_names",))
    sets: dict[str, Any] = importlib.import_module(_SETS_MODULE).DEMO_SETS
    if spec.location not in sets:
        raise UnknownNameError(f"unknown demo set {spec.location!r}", hint=did_you_mean(spec.location, sets) or None)
    made = sets[spec.location]()
    return DemoDataset(
        SourceInfo(spec.kind, spec.location),
        [_sample(sample, context, spec) for sample in made.samples],
        [sample.image for sample in made.samples],
        tuple(made.classes),
        tuple(made.templates) or None,
    )
