"""Objects with the protocol of a model: what they must have before a run asks them, checked with words for a caller."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from numbers import Integral, Real
from typing import Any

import torch
from torch import nn

from vlmbench.cards import ModelCard
from vlmbench.errors import ModelError, UsageError
from vlmbench.models.base import ENCODERS, Model, ModelIdentity
from vlmbench.models.towers.weights import state_sha256

_PROTOCOL = ("card", "identity", "device", "capabilities")
_STATED = 6
"""The first fields of an identity, which have no default."""
_CALLED = ("preprocess", "encode_image", "encode_text")


def has_protocol(model: object) -> bool:
    """Whether an object has what every :class:`~vlmbench.models.base.Model` has."""
    return not isinstance(model, type) and all(hasattr(model, name) for name in _PROTOCOL)


def lacking(model: object) -> list[str]:
    """The attributes of a dual encoder that an object does not have; empty if it has none of them."""
    found = [name for name in (*_PROTOCOL, *ENCODERS) if not hasattr(model, name)]
    return found if len(found) < len(_PROTOCOL) + len(ENCODERS) else []


def require_protocol(model: Any) -> None:
    """Check the types of what an object has.

    Raises:
        UsageError: an attribute is not what the protocol promises.
    """
    name = type(model).__name__
    if not isinstance(model.card, ModelCard):
        raise UsageError(
            f"as_model: the card of {name} is not a ModelCard: {model.card!r}",
            hint='Make one: vlmbench.cards.ModelCard(name="mine", adapter="memory", spec="mine").',
        )
    if not isinstance(model.identity, ModelIdentity):
        raise UsageError(
            f"as_model: the identity of {name} is a {type(model.identity).__name__}, not a ModelIdentity",
            hint="See vlmbench.models.base.ModelIdentity.",
        )
    kinds = {"parameters": Integral, "libraries": Mapping}
    for each in fields(ModelIdentity)[:_STATED]:
        value = getattr(model.identity, each.name)
        if not isinstance(value, kinds.get(each.name, str)):
            raise UsageError(f"as_model: {each.name} in the identity of {name} is a {type(value).__name__}: {value!r}")
    if not isinstance(model.capabilities, Mapping):
        raise UsageError(
            f"as_model: the capabilities of {name} are a {type(model.capabilities).__name__}, not a mapping",
            hint="Without any, write capabilities = {}.",
        )
    try:
        torch.device(model.device)
    except (RuntimeError, TypeError) as error:
        raise UsageError(
            f"as_model: the device of {name} is no torch device: {model.device!r}", hint='Write torch.device("cpu").'
        ) from error
    if all(hasattr(model, each) for each in ENCODERS):
        _require_encoders(model, name)


def _require_encoders(model: Any, name: str) -> None:
    for each in _CALLED:
        if not callable(getattr(model, each)):
            raise UsageError(f"as_model: {each} of {name} cannot be called: {getattr(model, each)!r}")
    dim = model.embedding_dim
    if not isinstance(dim, Integral) or dim < 1:
        raise UsageError(f"as_model: embedding_dim of {name} is {dim!r}, not a whole number above 0")
    require_factor(model.logit_scale, f"logit_scale of {name}", above_zero=True)
    require_factor(model.logit_bias, f"logit_bias of {name}")


def require_factor(value: Any, what: str, *, above_zero: bool = False) -> float:
    """A factor of the logits as a number.

    Raises:
        UsageError: it is not a finite number, or not above 0 where it must be.
    """
    if not isinstance(value, Real):
        raise UsageError(f"as_model: {what} is a {type(value).__name__}, not a number", hint="Give float(…) of it.")
    if not math.isfinite(value) or (above_zero and value <= 0):
        raise UsageError(f"as_model: {what} is {value!r}, not a {'number above 0' if above_zero else 'finite number'}")
    return float(value)


def require_same_weights(model: Model) -> None:
    """Check that a model that this package loaded still has the weights of its identity.

    Raises:
        ModelError: it was trained since.
    """
    network = getattr(model, "network", None) if type(model).__module__.startswith("vlmbench.models.") else None
    if isinstance(network, nn.Module) and state_sha256(network) != model.identity.weights_sha256:
        raise ModelError(
            f"{model.card.name}: its weights have changed since it was loaded, so its identity is wrong",
            hint="Give its module instead: vlmbench.as_model(model.network, model.preprocess, tokenizer, name=…).",
        )
