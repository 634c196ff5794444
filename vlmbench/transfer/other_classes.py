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
        labels: the labels that each class was learnt with. There are several if several learnt classes have its name,
            and none if it was not learnt.
    """

    labels: tuple[tuple[int, ...], ...]

    def missing(self, names: Sequence[str]) -> list[str]:
        """The names of the classes that were not learnt."""
        return [name for name, labels in zip(names, self.labels, strict=True) if not labels]


def find_classes(names: Sequence[str], learnt: Sequence[str]) -> Found:
    """Look up classes among the learnt ones by their names, which may differ as :func:`~.class_names.normalise` allows.

    If a name occurs several times, and equally often in both lists, its classes are taken in their order. If it occurs
    more often among the learnt ones, any of these is meant: ImageNet has two classes "missile", and ImageNet-R has one.

    >>> find_classes(["Sea_lion", "eel", "tench"], ["goldfish", "Tench", "sea lion"]).labels
    ((2,), (), (1,))
    >>> find_classes(["missile"], ["missile", "eel", "missile"]).labels
    ((0, 2),)
    """
    places: dict[str, list[int]] = defaultdict(list)
    for place, name in enumerate(learnt):
        places[normalise(name)].append(place)
    keys = [normalise(name) for name in names]
    counts, met = Counter(keys), Counter[str]()
    found = []
    for key in keys:
        own = places.get(key, [])
        found.append((own[met[key]],) if own and len(own) == counts[key] else tuple(own))
        met[key] += 1
    return Found(tuple(found))


@dataclass(frozen=True)
class SomeClasses:
    """Some classes of a classifier, in another order.

    Attributes:
        labels: for each of the C classes, its labels in ``whole``. Of several, the highest score counts.
    """

    whole: Classifier
    labels: tuple[tuple[int, ...], ...]

    @property
    def scale(self) -> float:
        """See :class:`~vlmbench.transfer.base.Classifier`."""
        return self.whole.scale

    def logits(self, inputs: Tensor) -> Tensor:
        """B images to (B, C)."""
        every = self.whole.logits(inputs)
        found = every[:, [labels[0] for labels in self.labels]]
        for place, labels in enumerate(self.labels):
            if len(labels) > 1:
                found[:, place] = every[:, list(labels)].amax(dim=1)
        return found


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
        if prompts.sha256 == self.prompts.sha256:
            return self.classifier
        if self.for_classes is not None:
            return self.for_classes(engine, prompts)
        found = find_classes(prompts.class_names, self.prompts.class_names)
        if found.missing(prompts.class_names):
            raise TransferError(
                f"the transfer method {self.method} gave no classifier of classes that it did not learn",
                hint="A method that scores new classes gives `for_classes` in what it learnt (FitsDraws).",
            )
        return SomeClasses(self.classifier, found.labels)
