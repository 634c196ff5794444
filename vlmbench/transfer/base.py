"""What a transfer method is: it turns a support set and prompts into a classifier.

A method is a module in :mod:`vlmbench.transfer.methods` whose ``METHOD`` is one; third parties add theirs through the
entry point group ``vlmbench.transfer``, or by registering it in :data:`vlmbench.transfer.METHODS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

from torch import Tensor

from vlmbench.data.base import Chosen
from vlmbench.features.engine import FeatureEngine
from vlmbench.models.base import Model, capability
from vlmbench.prompts import PromptSet

Reads: TypeAlias = Literal["features", "patches", "views", "pixels"]
"""What a classifier is given of each image: its feature, (D,); those of its patches; those of several crops; or the
image as the model's transform gives it."""


@dataclass(frozen=True)
class FewShot:
    """What a method may learn from, the same for every method: nothing, or some images of each class.

    Attributes:
        shots: K, how many images of each class are in ``train``, and where a class has fewer, all that it has.
        train: the support set, of class labels 0 to C - 1; None with 0 shots.
        val: images to choose settings with, none of them in ``train``; None: settings are chosen without.
    """

    shots: int = 0
    train: Chosen | None = None
    val: Chosen | None = None
    seed: int = 0


class Classifier(Protocol):
    """What answers a classification task."""

    @property
    def scale(self) -> float:
        """What logits are multiplied with before a softmax; 1.0: no probabilities are meant by them."""

    def logits(self, inputs: Tensor) -> Tensor:
        """B images, as the method's ``reads`` has them, to (B, C) float32; the highest wins. Of zero-shot, cosines."""


class TransferMethod(Protocol):
    """One way to adapt a model.

    The model's weights are the same after :meth:`fit`: a method works on a copy, or on what it lays over the model.
    """

    name: str
    version: int
    """Raised whenever the method's answers stop being comparable with older ones."""
    needs: frozenset[type]
    """Capabilities of the model, by their protocols, beyond its encoders."""
    reads: Reads
    scores_new_classes: bool
    """Whether a classifier can be made for classes of which the support set has no image."""

    def fit(
        self, engine: FeatureEngine, support: FewShot, prompts: PromptSet, options: Mapping[str, Any]
    ) -> Classifier:
        """Learn from the support set.

        Args:
            prompts: the C classes' names and templates.
            options: the method's own settings; empty: its defaults.
        """


@dataclass(frozen=True)
class LinearClassifier:
    """One weight vector a class.

    Attributes:
        weights: (C, D), on the CPU.
    """

    weights: Tensor
    scale: float

    def logits(self, inputs: Tensor) -> Tensor:
        """(B, D) features to (B, C)."""
        return inputs @ self.weights.T


def lacks_needs(method: TransferMethod, model: Model) -> str | None:
    """Which capability the model lacks for a method, and what would help; None where it has all."""
    missing = sorted(need.__name__ for need in method.needs if capability(model, need) is None)
    if not missing:
        return None
    return (
        f"the transfer method {method.name} needs {', '.join(missing)}, which this model does not offer. "
        "Choose another model, or another method with --transfer NAME"
    )
