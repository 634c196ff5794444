"""Scores the test images of an adapted model, and of zero-shot, on the same samples. :mod:`.adapted` uses it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from vlmbench.data.base import ImageDataset
from vlmbench.features.images.batch import ImageBatch
from vlmbench.tasks.classification.halves import Closed, ClosedAnswers, Halves
from vlmbench.tasks.classification.scores import Scored, score
from vlmbench.transfer.base import Classifier


@dataclass(frozen=True)
class Classifiers:
    """The classifier of all classes of a task; in the setting base-to-new, also of the base and of the new classes."""

    whole: Classifier
    halves: tuple[Classifier, Classifier] | None = None


@dataclass(frozen=True)
class Answers:
    """The answers to the test images among all classes; in the setting base-to-new, also among each half."""

    scored: Scored
    closed: Closed | None = None

    @property
    def samples(self) -> frozenset[int]:
        """The samples that were scored."""
        return frozenset(self.scored.indices.tolist())


@dataclass(frozen=True)
class Tested:
    """The test images.

    Attributes:
        classes: the number of all classes.
        halves: in the setting base-to-new, the halves of the classes.
        keep_scores: whether a metric needs all scores.
    """

    dataset: ImageDataset
    indices: Sequence[int]
    classes: int
    halves: Halves | None
    keep_scores: bool

    def answers(
        self, batches: Iterable[ImageBatch], classifiers: Classifiers, among: Collection[int] | None = None
    ) -> Answers:
        """Score the images among all classes, and in the setting base-to-new each half among its own.

        Args:
            batches: the images as the classifiers take them. They are read once.
            among: the samples that count; None: all.

        Raises:
            DataError: no sample could be scored, or none of a half.
            ModelError, NonFiniteFeaturesError: see :func:`~.scores.score`.
        """
        closed = None
        if among is not None:
            batches = some_of(batches, among)
        if self.halves is not None and classifiers.halves is not None:
            closed = ClosedAnswers(self.halves, classifiers.halves, self.dataset)
            batches = closed.passing(batches)
        scored = score(
            batches,
            classifiers.whole,
            self.dataset,
            most=len(self.indices),
            num_classes=self.classes,
            multi_label=False,
            keep_scores=self.keep_scores,
        )
        return Answers(scored, None if closed is None else closed.of(scored))


def some_of(batches: Iterable[ImageBatch], among: Collection[int]) -> Iterator[ImageBatch]:
    """The batches without other samples."""
    for batch in batches:
        rows = [row for row, index in enumerate(batch.indices) if index in among]
        if len(rows) == len(batch.indices):
            yield batch
        elif rows:
            yield ImageBatch(
                [batch.indices[row] for row in rows], batch.features[rows], [batch.contents[row] for row in rows]
            )
