"""Makes classifiers of other classes than those that were learnt: new ones, or some of the learnt ones by their names.

Classification uses it in the setting base-to-new, and if the train data is another task's.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from vlmbench.class_names import normalise
from vlmbench.errors import TransferError
from vlmbench.features.engine import FeatureEngine
from vlmbench.prompts import PromptSet
from vlmbench.transfer.base import Classifier, ForClasses, LimitsNewClasses, StatesOptions, TransferMethod
from vlmbench.transfer.options import settle_options


def scores_new_classes(method: TransferMethod, options: Mapping[str, Any]) -> bool:
    """Whether a method scores classes of which it learnt no image, with these settings of the user.

    Raises:
        UsageError: an option is wrong.
    """
    if method.scores_new_classes and isinstance(method, LimitsNewClasses) and isinstance(method, StatesOptions):
        return method.new_classes(settle_options(method.name, method.options, options))
    return method.scores_new_classes


@dataclass(frozen=True)
class Found:
    """Classes looked up by name among those that were learnt.

    Attributes:
        places: the label that each class was learnt with; None if it was not learnt, or several classes have its name.
    """

    places: tuple[int | None, ...]

    @property
    def every(self) -> tuple[int, ...] | None:
        """The labels; None if a class is missing."""
        known = tuple(place for place in self.places if place is not None)
        return known if len(known) == len(self.places) else None

    def missing(self, names: Sequence[str]) -> list[str]:
        """The names of the classes that were not found."""
        return [name for name, place in zip(names, self.places, strict=True) if place is None]


def find_classes(names: Sequence[str], learnt: Sequence[str]) -> Found:
    """Look up classes among the learnt ones by their names, which may differ as :func:`~.class_names.normalise` allows.

    If a name occurs several times, and equally often in both lists, its classes are taken in their order.

    >>> find_classes(["Sea_lion", "tench"], ["goldfish", "Tench", "sea lion"]).places
    (2, 1)
    >>> find_classes(["crane", "eel"], ["crane", "crane"]).places
    (None, None)
    """
    places: dict[str, list[int]] = defaultdict(list)
    for place, name in enumerate(learnt):
        places[normalise(name)].append(place)
    keys = [normalise(name) for name in names]
    counts, met = Counter(keys), Counter[str]()
    found: list[int | None] = []
    for key in keys:
        own = places.get(key, [])
        found.append(own[met[key]] if len(own) == counts[key] else None)
        met[key] += 1
    return Found(tuple(found))


@dataclass(frozen=True)
class SomeClasses:
    """Some classes of a classifier, in another order.

    Attributes:
        places: (C,) the label of each class in ``whole``.
    """

    whole: Classifier
    places: tuple[int, ...]

    @property
    def scale(self) -> float:
        """See :class:`~vlmbench.transfer.base.Classifier`."""
        return self.whole.scale

    def logits(self, inputs: Tensor) -> Tensor:
        """B images to (B, C)."""
        return self.whole.logits(inputs)[:, list(self.places)]


@dataclass(frozen=True)
class Learnt:
    """A classifier with the classes that it learnt.

    Attributes:
        method: the name of the transfer method.
        prompts: the classes that were learnt.
        classifier: of these classes.
        for_classes: makes the classifier of other classes; None: the method cannot.
    """

    method: str
    prompts: PromptSet
    classifier: Classifier
    for_classes: ForClasses | None

    def of(self, engine: FeatureEngine, prompts: PromptSet) -> Classifier:
        """The classifier of these classes: what the method makes of them, or else the columns of their names.

        Raises:
            TransferError: the method cannot score a class that it did not learn.
        """
        if (prompts.class_names, prompts.templates) == (self.prompts.class_names, self.prompts.templates):
            return self.classifier
        if self.for_classes is not None:
            return self.for_classes(engine, prompts)
        found = find_classes(prompts.class_names, self.prompts.class_names)
        if found.every is None:
            raise TransferError(
                f"the transfer method {self.method} gave no classifier of classes that it did not learn",
                hint="A method that scores new classes gives `for_classes` in what it learnt (FitsDraws).",
            )
        return SomeClasses(self.classifier, found.every)
