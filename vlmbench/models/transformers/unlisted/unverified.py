"""Loads model types that no family lists, if their class offers both feature calls of the library's dual encoders.

The library's conventions decide how texts are padded and cut. A remark says that the family is unverified.
"""

from __future__ import annotations

import inspect
from typing import Any

import transformers
from torch import Tensor

from vlmbench.models.base import Model
from vlmbench.models.transformers.context_length import fewest
from vlmbench.models.transformers.family import EncoderFamily, Family, Parts
from vlmbench.models.transformers.feature_calls import (
    inverse_temperature,
    library_text_features,
    pooled,
    stored_scale,
)
from vlmbench.models.transformers.unlisted.trial import refusal, tried_model
from vlmbench.models.transformers.unlisted.unknown_types import FEATURE_CALLS, named_class
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import SCALE_ASSUMED, UNVERIFIED_FAMILY
from vlmbench.wording import listed

_SCALE = 100.0
"""The factor for a network without a scale: the largest that CLIP's training allows (Radford et al. 2021, 2.5)."""
_IMAGE_INPUTS = ("pixel_values", "pixel_attention_mask", "spatial_shapes")
"""The outputs of image processors that such a network may take, by the names of the library."""


def unverified_family(config: Any) -> Family | None:
    """The family of a type that no file lists; None if its class lacks a feature call.

    A class that is code of the repository is known only after it is loaded, so it is looked at then.
    """
    network = named_class(config)
    if network is None:
        return (
            Family(model=_model, any_image_size=True)
            if "AutoModel" in (getattr(config, "auto_map", None) or {})
            else None
        )
    if not all(hasattr(network, call) for call in FEATURE_CALLS):
        return None
    registered = not hasattr(transformers, network.__name__)  # by another package, and only AutoModel finds it
    return Family(model=_model, network="AutoModel" if registered else network.__name__, any_image_size=True)


def _model(family: Family, parts: Parts) -> Model:
    """Make the model of an unverified family.

    Raises:
        UnsupportedError: the network cannot be called in the library's way.
    """
    network = parts.network
    missing = [call for call in FEATURE_CALLS if not hasattr(network, call)]
    if missing:
        raise refusal(parts, f"it lacks {listed(missing)}")
    image, text = (inspect.signature(getattr(network, call)).parameters for call in FEATURE_CALLS)
    if "pixel_values" not in image or "input_ids" not in text:
        raise refusal(parts, "its feature calls take other inputs than pixel_values and input_ids")
    for call, parameters, known in (
        (FEATURE_CALLS[0], image, _IMAGE_INPUTS),
        (FEATURE_CALLS[1], text, ("input_ids", "attention_mask")),
    ):
        needed = [
            name
            for name, each in parameters.items()
            if each.default is each.empty and each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL)
        ]
        if others := sorted(set(needed) - set(known)):
            raise refusal(parts, f"{call} needs {listed(others)}, too")
    masked = "attention_mask" in text
    made = tuple(getattr(parts.processor, "model_input_names", ()))
    plain = EncoderFamily(
        model=tried_model,
        padding="longest" if masked else "max_length",
        attention_mask=masked,
        context_length=fewest,
        pixel_names=tuple(name for name in _IMAGE_INPUTS if name in image and name in (*made, "pixel_values")),
        text_features=library_text_features if masked else _unmasked,
        logit_scale=_scale,
    )
    model = tried_model(plain, parts)
    say(
        UNVERIFIED_FAMILY,
        f"vlmbench does not know the model type {network.config.model_type!r}; it calls {type(network).__name__}'s "
        f"feature functions, pads texts {'to the longest (with a mask)' if masked else 'to the full length'} and cuts "
        f"them at {model.max_length} tokens",
        brief="unverified family",
    )
    return model


def _unmasked(towers: Any, input_ids: Tensor, attention_mask: Tensor | None) -> Tensor:
    return pooled(towers.get_text_features(input_ids=input_ids))


def _scale(towers: Any) -> float:
    for name, read in (("logit_scale", stored_scale), ("temperature", inverse_temperature)):
        if isinstance(getattr(towers, name, None), Tensor):
            return read(towers)
    say(
        SCALE_ASSUMED,
        f"{type(towers).__name__} has no logit scale, so confidences use CLIP's factor {_SCALE:.4g}; rankings do not "
        "depend on it",
    )
    return _SCALE
