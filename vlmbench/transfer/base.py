"""Defines the protocol of transfer methods: a method turns a support set and prompts into a classifier.

Classification calls :func:`vlmbench.transfer.fitting.fit_draws`, which calls the method that the user names. Each
module in :mod:`vlmbench.transfer.methods` defines one as ``METHOD``. Other packages add theirs through the entry point
group ``vlmbench.transfer``, or register them in :data:`vlmbench.transfer.METHODS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

from pydantic import BaseModel, ConfigDict
from torch import Tensor

from vlmbench.data.base import Chosen
from vlmbench.features.engine import FeatureEngine
from vlmbench.models.base import Model, capability
from vlmbench.models.memory.held import has_short_weights
from vlmbench.prompts import PromptSet

Reads: TypeAlias = Literal["features", "patches", "views", "two-models", "pixels"]
"""The form in which a classifier gets each image:

- ``features``: its feature, (D,);
- ``patches``: its feature and those of its P patches, (1 + P, D);
- ``views``: the features of the image and of random parts of it, (V, D);
- ``two-models``: its feature, followed by that of another model, (D + E,);
- ``pixels``: the image as the model's transform gives it.
"""
LearnsFrom: TypeAlias = Literal["nothing", "labels", "images"]
"""What a method learns from: no image; images with their labels; or images without labels."""


@dataclass(frozen=True)
class FewShot:
    """The support set of one draw: some images of each class, or nothing. It is the same for every method.

    Attributes:
        shots: K, the number of images of each class in ``train``. A class with fewer images gives all of them.
        train: the images to learn from, with class labels 0 to C - 1; None with 0 shots.
        val: other images, to choose settings with; None: settings are not chosen.
        seed: the draw. Every random number of the method comes from a generator with this seed.
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


class MethodOptions(BaseModel):
    """The settings of a method, with types, ranges and defaults. A method without settings uses this class itself."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


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


@runtime_checkable
class StatesOptions(Protocol):
    """The capability of methods that have settings, or that learn from something else than labels."""

    learns_from: LearnsFrom
    options: type[MethodOptions]
    """The settings that a user may give."""


@runtime_checkable
class FitsDraws(Protocol):
    """The capability of methods that learn from several draws, and say what it cost and what they chose.

    A method that does not learn from them at the same time has ``at_once = False``. A run gives it one draw, and writes
    the record before it gives the next.
    """

    def fit_draws(
        self, engine: FeatureEngine, supports: Sequence[FewShot], prompts: PromptSet, options: Mapping[str, Any]
    ) -> Sequence[Fitted]:
        """Learn from each support set. The answers are those of :meth:`TransferMethod.fit`, draw by draw."""


@runtime_checkable
class UsesOtherModels(Protocol):
    """The capability of methods that take features from other models too, through ``FeatureEngine.other``."""

    def other_models(self, options: Mapping[str, Any]) -> tuple[str, ...]:
        """The names of the other models, as ``-m`` takes them, with these settings.

        Raises:
            UsageError: an option is wrong.
        """


@dataclass(frozen=True)
class PlannedCost:
    """About what one draw will take, before it is learnt; validation is not counted.

    Attributes:
        steps: of training.
        images: through the image tower, beyond one for each image.
        texts: through the text tower, beyond the prompts. Those that are computed again for memory count once.
    """

    steps: int = 0
    images: int = 0
    texts: int = 0


@runtime_checkable
class PlansCost(Protocol):
    """The capability of methods that can say beforehand what a draw takes. Others learn from features."""

    def planned(self, images: int, test: int, classes: int, shots: int, options: Mapping[str, Any]) -> PlannedCost:
        """Estimate the cost of one draw.

        Args:
            images: the number of support images.
            test: the number of test images.
            classes: C.
            shots: K.

        Raises:
            UsageError: an option is wrong.
        """


@runtime_checkable
class LimitsNewClasses(Protocol):
    """The capability of methods that can score new classes with some of their settings only."""

    new_classes: Callable[[Any], bool]
    """From the method's settings, an object of :attr:`StatesOptions.options`, to whether they allow new classes."""


ForClasses: TypeAlias = Callable[[FeatureEngine, PromptSet], Classifier]
"""Makes the classifier of other classes with what was learnt."""


@dataclass(frozen=True)
class Fitted:
    """What a method learnt from one draw.

    Attributes:
        classifier: of the classes that were learnt.
        for_classes: makes the classifier of other classes; None: the method cannot score new classes.
        chosen: the settings that validation chose, with their values; empty: all were fixed.
        tried: how many settings were compared.
        last: of an iterative method whose step was chosen by validation: the classifier of the last step.
        last_for_classes: makes the classifier of other classes with what the last step learnt; None: there is no
            ``last``, or the method cannot score new classes.
        step: the step that was chosen, from 1; None: the last one, or the method takes no steps.
        steps: how many steps were taken; 0: the method takes none.
        parameters: how many numbers were trained.
        image_passes: how many images went through the image tower, beyond those that each view of a support image takes
            to be read; all of them, if the method reads pixels.
        text_passes: how many texts went through the text tower, beyond the prompts.
        test_image_passes: how many views of each test image are read. Patches and second models count on top.
        test_text_passes: how many texts go through the text tower for each test image.
        settled: settings that the method took from the model or the data, with the values that it used.
    """

    classifier: Classifier
    for_classes: ForClasses | None = None
    chosen: Mapping[str, Any] = field(default_factory=dict)
    tried: int = 1
    last: Classifier | None = None
    last_for_classes: ForClasses | None = None
    step: int | None = None
    steps: int = 0
    parameters: int = 0
    image_passes: int = 0
    text_passes: int = 0
    test_image_passes: int = 1
    test_text_passes: int = 0
    settled: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class LinearClassifier:
    """A classifier with one weight vector for each class.

    Attributes:
        weights: (C, D), on the CPU.
        bias: (C,), or None.
    """

    weights: Tensor
    scale: float
    bias: Tensor | None = None

    def logits(self, inputs: Tensor) -> Tensor:
        """(B, D) features to (B, C)."""
        products = inputs @ self.weights.T
        return products if self.bias is None else products + self.bias


def learns_from(method: TransferMethod) -> LearnsFrom:
    """What a method learns from. A method that does not say is given whatever support set was asked for."""
    return method.learns_from if isinstance(method, StatesOptions) else "labels"


@runtime_checkable
class ChecksModel(Protocol):
    """The capability of methods that need more of a model than its capabilities say."""

    def lacks(self, model: Model, options: Mapping[str, Any]) -> str | None:
        """What the method needs with these settings and the model lacks, to follow "the method needs"; or None."""


def takes_track(method: TransferMethod, track: str) -> bool:
    """Whether a method can choose settings on the images of a track, or the track has no such images.

    Validation images are drawn beside support images. A method that learns from no images has neither. In the leaky
    track it gets the test images, if it says with ``chooses_settings = True`` that it has settings to choose.
    """
    if learns_from(method) != "nothing" or track == "no-validation":
        return True
    return track == "leaky" and bool(getattr(method, "chooses_settings", False))


def other_models(method: TransferMethod, options: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the other models that a method uses with these settings."""
    return method.other_models(options) if isinstance(method, UsesOtherModels) else ()


def learns_at_once(method: TransferMethod) -> bool:
    """Whether a method gains if it is given several draws together."""
    return isinstance(method, FitsDraws) and bool(getattr(method, "at_once", True))


_GRADIENTS = frozenset({"TunableTowers", "TunableImageTower"})
"""The names of the capabilities that models offer with weights of 32 bits or more alone."""


def lacks_needs(method: TransferMethod, model: Model, options: Mapping[str, Any] | None = None) -> str | None:
    """What the model lacks for a method, and what would help; None if it has everything.

    Args:
        options: the method's own settings; None: its defaults.
    """
    missing = sorted(need.__name__ for need in method.needs if capability(model, need) is None)
    why = " with weights of 16 bits" if _GRADIENTS.intersection(missing) and has_short_weights(model) else ""
    lacking = f"{', '.join(missing)}, which this model does not offer{why}" if missing else None
    if lacking is None and isinstance(method, ChecksModel):
        lacking = method.lacks(model, options or {})
    if lacking is None:
        return None
    return (
        f"the transfer method {method.name} needs {lacking}. "
        "Choose another model, or another method with --transfer NAME"
    )
