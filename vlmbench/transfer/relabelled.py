"""A dataset with other class labels: its classes in another order, or some of them alone.

Classification makes one where train data lists its classes in another order, and for the halves of base-to-new.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from vlmbench.data.base import ImageDataset, Sample, SourceInfo


class RelabelledDataset:
    """The images of a dataset under new labels.

    Args:
        labels: new labels by old ones. A sample of any other class has the target None.
        classes: the class names in the new order.
    """

    def __init__(self, dataset: ImageDataset, labels: Mapping[int, int], classes: Sequence[str]) -> None:
        self._dataset = dataset
        self.info: SourceInfo = dataset.info
        self.samples: Sequence[Sample] = [
            replace(sample, target=labels.get(sample.target) if isinstance(sample.target, int) else None)
            for sample in dataset.samples
        ]
        self.classes: tuple[str, ...] | None = tuple(classes)
        self.templates = dataset.templates

    def read(self, index: int) -> bytes:
        """See :class:`~vlmbench.data.base.ImageDataset`."""
        return self._dataset.read(index)

    def state(self) -> str:
        """See :class:`~vlmbench.data.base.ImageDataset`."""
        return self._dataset.state()
