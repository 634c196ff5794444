"""Defines the protocol of transfer methods: a method turns a support set and prompts into a classifier.

The classification task calls the method that the user names. Each module in :mod:`vlmbench.transfer.methods` defines
one as ``METHOD``. Other packages add theirs through the entry point group ``vlmbench.transfer``, or register them in
:data:`vlmbench.transfer.METHODS`.
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
"""The form in which a classifier gets each image: its feature, (D,); the features of its patches or of several crops;
or the image as the model's transform gives it."""


@dataclass(frozen=True)
class FewShot:
    """The support set of every method: some images of each class, or nothing.

    Attributes:
        shots: K, the number of images of each class in ``train``. A class with fewer images gives all of them.
        train: the images to learn from, with class labels 0 to C - 1; None with 0 shots.
        val: other images, to choose settings with; None: settings are chosen without images.
    """

    shots: int = 0
    train: Chosen | None = None
    val: Chosen | None = None
    seed: int = 0


class Classifier(Protocol):
    """Gives each image a score for each class of a classification task."""

    @property
    def scale(self) -> float:
        """The factor of the logits before a softmax; 1.0 if a softmax of the logits gives no probabilities."""

    def logits(self, inputs: Tensor) -> Tensor:
        """B images, as the method ``reads`` them, to (B, C) float32. The highest wins. Zero-shot gives cosines."""


class TransferMethod(Protocol):
    """One way to adapt a model.

    :meth:`fit` does not change the model's weights: a method trains a copy, or weights of its own beside the model's.
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
    """A classifier with one weight vector for each class.

    Attributes:
        weights: (C, D), on the CPU.
    """

    weights: Tensor
    scale: float

    def logits(self, inputs: Tensor) -> Tensor:
        """(B, D) features to (B, C)."""
        return inputs @ self.weights.T


def lacks_needs(method: TransferMethod, model: Model) -> str | None:
    """Which capabilities the model lacks for a method, and what would help; None if it has all of them."""
    missing = sorted(need.__name__ for need in method.needs if capability(model, need) is None)
    if not missing:
        return None
    return (
        f"the transfer method {method.name} needs {', '.join(missing)}, which this model does not offer. "
        "Choose another model, or another method with --transfer NAME"
    )
