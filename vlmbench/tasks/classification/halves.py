"""The setting base-to-new: the first half of the classes is learnt (base), and the other half is new.

:mod:`.adapted` scores base images among base classes and new images among new classes, and makes these metrics:
``base_acc1``, ``new_acc1`` and their harmonic mean ``h_acc1``. :mod:`.paired` computes them again for comparisons.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlmbench.data.base import ImageDataset
from vlmbench.errors import DataError, LabelError
from vlmbench.features.images.batch import ImageBatch
from vlmbench.metrics.classification import top_k_accuracy
from vlmbench.metrics.harmonic import BASE, HARMONIC, NEW, harmonic_accuracy, harmonic_mean
from vlmbench.prompts import PromptSet
from vlmbench.records import MetricValue
from vlmbench.tasks.base import metric_value, nothing_scored
from vlmbench.tasks.classification.scores import TOP, Scored, checked_logits
from vlmbench.transfer.base import Classifier
from vlmbench.wording import counted

FEWEST = 4
"""Classes of a task that can be halved: among one class every answer is right."""


@dataclass(frozen=True)
class Halves:
    """The classes of a task in two halves.

    Attributes:
        base: the number of base classes, which are the first in label order.
        classes: the number of all classes.
    """

    base: int
    classes: int

    @classmethod
    def of(cls, classes: int, *, task: str) -> Halves:
        """The halves of a task; of an odd number of classes, base has one more.

        Source: KaiyangZhou/CoOp, ``subsample_classes`` in datasets/oxford_pets.py.

        Raises:
            LabelError: a half would have one class, or none.
        """
        if classes < FEWEST:
            raise LabelError(
                f"task {task!r} has {counted(classes, 'class', 'classes')}, and --setting base-to-new needs {FEWEST}: "
                "2 base classes and 2 new ones",
                hint="Run it without --setting.",
            )
        return cls((classes + 1) // 2, classes)

    def prompts(self, every: PromptSet) -> tuple[PromptSet, PromptSet]:
        """The prompts of the base and of the new classes."""
        return every.part(0, self.base), every.part(self.base, self.classes)

    def split(self, dataset: ImageDataset, indices: Sequence[int]) -> tuple[list[int], list[int]]:
        """The samples of base classes, and those of new classes."""
        parts: tuple[list[int], list[int]] = ([], [])
        for index in indices:
            parts[self.is_new(dataset, index)].append(index)
        return parts

    def check(self, dataset: ImageDataset, indices: Sequence[int], *, task: str) -> None:
        """Refuse scored samples of which one half has none.

        Raises:
            DataError: there is no sample of a base class, or none of a new class.
        """
        for name, part in zip(("base", "new"), self.split(dataset, indices), strict=True):
            if not part:
                raise DataError(
                    f"task {task!r}: none of the {counted(len(indices), 'scored sample')} shows a {name} class",
                    hint="Score all samples; or draw the subset by class: --limit N --stratified.",
                )

    def is_new(self, dataset: ImageDataset, index: int) -> bool:
        """Whether a sample shows a new class."""
        target = dataset.samples[index].target
        assert isinstance(target, int)  # tasks of one class an image are alone adapted
        return target >= self.base


@dataclass(frozen=True)
class Closed:
    """Each sample's answer among the classes of its own half.

    Attributes:
        predicted: (N,) the classes, as labels of the whole task; the samples are in the order of the scores of all
            classes.
        labels: (N,) the true classes.
    """

    halves: Halves
    predicted: NDArray[np.int32]
    labels: NDArray[np.int64]

    @property
    def metrics(self) -> dict[str, MetricValue]:
        """H, and the accuracies that it is made of."""
        right, is_new = self.predicted == self.labels, self.labels >= self.halves.base
        chances = 1 / self.halves.base, 1 / (self.halves.classes - self.halves.base)
        # H of the halves' chances. The expected H of random answers is a little lower in small samples.
        found = {HARMONIC: metric_value(harmonic_accuracy(right, is_new), chance=harmonic_mean(*chances))}
        for name, half, chance in zip((BASE, NEW), (~is_new, is_new), chances, strict=True):
            estimate = top_k_accuracy(self.predicted[half][:, None], self.labels[half], 1)
            found[name] = metric_value(estimate, chance=chance)
        return found


class ClosedAnswers:
    """Scores the images of each half among its own classes, while their batches pass on to another reader.

    Args:
        classifiers: of the base classes, and of the new classes.
    """

    def __init__(self, halves: Halves, classifiers: tuple[Classifier, Classifier], dataset: ImageDataset) -> None:
        self._halves, self._classifiers, self._dataset = halves, classifiers, dataset
        self._found: dict[int, int] = {}

    def passing(self, batches: Iterable[ImageBatch]) -> Iterator[ImageBatch]:
        """The same batches, each after it was scored.

        Raises:
            ModelError, NonFiniteFeaturesError: see :func:`~.scores.score`.
        """
        halves = self._halves
        sizes = halves.base, halves.classes - halves.base
        for batch in batches:
            for new, (classifier, size) in enumerate(zip(self._classifiers, sizes, strict=True)):
                rows = [row for row, index in enumerate(batch.indices) if halves.is_new(self._dataset, index) == new]
                if rows:
                    logits = checked_logits(classifier.logits(batch.features[rows]), len(rows), size)
                    best = logits.topk(min(TOP, size), dim=1).indices[:, 0] + new * halves.base
                    self._found.update(zip([batch.indices[row] for row in rows], best.tolist(), strict=True))
            yield batch

    def of(self, whole: Scored) -> Closed:
        """The answers, in the order of the scores of the same images among all classes.

        Raises:
            DataError: no sample of a half could be scored.
        """
        assert whole.labels is not None  # of one class an image
        is_new = whole.labels >= self._halves.base
        if is_new.all() or not is_new.any():
            raise nothing_scored()
        predicted = np.array([self._found[index] for index in whole.indices.tolist()], dtype=np.int32)
        return Closed(self._halves, predicted, whole.labels)
