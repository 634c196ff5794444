"""Says why the adapter cannot use a model type that it does not know, and what would change that.

The adapter calls it. The library's own lists of classes decide what a model type is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import transformers
from transformers.models.auto import modeling_auto

from vlmbench.errors import UnsupportedError

FEATURE_CALLS = ("get_image_features", "get_text_features")
"""The methods of the library's dual encoders."""
_ELSEWHERE = "If you have its answers from elsewhere, they can be scored with predictions:DIR"
_OWN = "An adapter of your own can load it (docs: extend/model)"


@dataclass(frozen=True)
class _Type:
    """What is known of a model type before its weights are read.

    Attributes:
        name: the ``model_type`` of config.json.
        network: the class that computes its states; None if the library has none.
    """

    name: str
    network: Any

    def listed(self, *tasks: str) -> bool:
        """Whether the library lists the type among those for one of its tasks."""
        return any(self.name in getattr(modeling_auto, f"MODEL_FOR_{task}_MAPPING_NAMES", {}) for task in tasks)

    def has(self, method: str) -> bool:
        return hasattr(self.network, method)

    @property
    def reads(self) -> frozenset[str]:
        """Such as "image" and "text". Classes that do not state it have the library's default, "text"."""
        stated = getattr(self.network, "input_modalities", ())
        return frozenset([stated] if isinstance(stated, str) else stated)

    @property
    def images_only(self) -> bool:
        if self.name.endswith("_vision_model") or self.listed("IMAGE_CLASSIFICATION"):
            return True
        return getattr(self.network, "main_input_name", "") == "pixel_values" and not {"image", "text"} <= self.reads

    @property
    def texts_only(self) -> bool:
        return self.name.endswith("_text_model") or self.listed("TEXT_ENCODING", "CAUSAL_LM", "MASKED_LM")


@dataclass(frozen=True)
class _Kind:
    """A kind of model types: what it is, and what a user can do instead."""

    holds: Callable[[_Type], bool]
    what: str
    instead: str


_KINDS = (
    _Kind(
        lambda kind: kind.listed("IMAGE_TEXT_TO_TEXT"),
        "a generative model: it writes text about an image, and vlmbench does not ask generative models yet",
        _ELSEWHERE,
    ),
    _Kind(
        lambda kind: "audio" in kind.reads or kind.has("get_audio_features"),
        "a model of audio, and vlmbench has tasks on images and clips only",
        "Name a model of images and texts",
    ),
    _Kind(
        lambda kind: kind.has("get_video_features") or bool({"video"} & kind.reads),
        "a model of clips, and vlmbench has no family of this type",
        f"{_OWN}. {_ELSEWHERE}",
    ),
    _Kind(
        lambda kind: kind.listed("OBJECT_DETECTION", "ZERO_SHOT_OBJECT_DETECTION"),
        "a detector, and vlmbench has no family of this type",
        f"{_OWN}. {_ELSEWHERE}",
    ),
    _Kind(
        lambda kind: kind.listed("MASK_GENERATION", "UNIVERSAL_SEGMENTATION", "SEMANTIC_SEGMENTATION"),
        "a model of masks, and vlmbench has no family of this type",
        f"{_OWN}. {_ELSEWHERE}",
    ),
    _Kind(
        lambda kind: kind.images_only,
        "an image tower alone: it has no texts to compare images with",
        "Name the dual encoder that the tower belongs to, or one that was trained from it",
    ),
    _Kind(
        lambda kind: kind.texts_only and "image" not in kind.reads,
        "a model of text alone: it has no features of images",
        "Name a dual encoder of images and texts",
    ),
    _Kind(
        lambda kind: {"image", "text"} <= kind.reads,
        "a model that reads an image and a text together, so it has no features of each alone",
        f"{_OWN}. {_ELSEWHERE}",
    ),
)


def named_class(config: Any) -> Any:
    """The class that computes a checkpoint: one of ``architectures`` with both feature calls, or else AutoModel's.

    Returns:
        None if the library has no class for it, or if the class is code of the repository.
    """
    for name in config.architectures or ():
        found = getattr(transformers, name, None)
        if all(hasattr(found, call) for call in FEATURE_CALLS):
            return found
    found = transformers.MODEL_MAPPING.get(type(config), None)
    return found[0] if isinstance(found, tuple | list) else found


def unsupported_type(where: str, config: Any, known: Mapping[str, object], more: str) -> UnsupportedError:
    """The error for a model type that is neither known nor offers both feature calls.

    Args:
        where: the checkpoint.
        known: the families by their model types.
        more: a further sentence of the hint, or empty.
    """
    kind = _Type(config.model_type, named_class(config))
    named = f"{where}: the model type {kind.name!r}"
    for each in _KINDS:
        if each.holds(kind):
            return UnsupportedError(f"{named} is {each.what}", hint=f"{each.instead}.{more}")
    return UnsupportedError(
        f"{named} has no features of images and of texts in one space that vlmbench knows how to call",
        hint=f"The adapter knows {', '.join(sorted(known))}. {_OWN}.{more}",
    )
