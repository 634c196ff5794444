"""A model in memory as a run takes it, and :func:`as_model`, which makes one of a module or an object."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from uuid import uuid4

from torch import nn

from vlmbench.cards import ModelCard
from vlmbench.errors import ModelError, UsageError
from vlmbench.models.base import ENCODERS, Model
from vlmbench.models.memory.adapter import ADAPTER
from vlmbench.models.memory.encoders import Encode, Parts, weights_dtype
from vlmbench.models.memory.recognised import recognised
from vlmbench.models.towers.weights import state_sha256
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import NO_IDENTITY, WEIGHTS_PRECISION
from vlmbench.wording import listed

HASHED = "hash"
"""The identity of a model that the hash of its weights, with its transform and tokenizer in words, says wholly."""
_PROTOCOL = ("card", "identity", "device", "capabilities")
_RANDOM_STEPS = ("Random", "AutoAugment", "AugMix", "ColorJitter", "TrivialAugment")
"""How the names of torchvision's transforms begin that give another picture each time."""


@dataclass(frozen=True, eq=False)
class GivenModel:
    """A model in memory, before a run asks it: :func:`as_model` makes it, :func:`vlmbench.evaluate` takes it.

    Attributes:
        card: its name, and the adapter of objects.
        load: gives the model with the weights that it has at that moment.
        modules: its networks, which an evaluation puts into evaluation mode, and back.
    """

    card: ModelCard
    load: Callable[[], Model]
    modules: tuple[nn.Module, ...] = ()


def as_model(
    model: object,
    transform: Callable[[Any], Any] | None = None,
    tokenizer: Callable[[Any], Any] | None = None,
    *,
    processor: Any = None,
    encode_image: Callable[[Any], Any] | str | None = None,
    encode_text: Callable[[Any], Any] | str | None = None,
    name: str | None = None,
    identity: str | None = None,
    logit_scale: float | None = None,
    logit_bias: float | None = None,
) -> GivenModel:
    """A model in memory for :func:`vlmbench.evaluate`: a module in training, say, with its transform and tokenizer.

    Make it once, before the training loop: each evaluation asks it with the weights of that moment. The module stays on
    its device and in its floating-point type. ``DistributedDataParallel``, ``torch.compile`` and averaged copies (EMA)
    are looked through, to the module inside.

    Args:
        model: a module of open_clip, or of transformers with ``get_image_features`` and ``get_text_features``; any
            module with ``encode_image`` and ``encode_text``; or an object with the protocol
            :class:`~vlmbench.models.base.Model`.
        transform: an RGB ``PIL.Image`` to a tensor (3, H, W): the transform for evaluation. An image processor of
            transformers will do. An open_clip module knows its own.
        tokenizer: N texts to token ids (N, L): one of open_clip or of transformers, or a function.
        processor: of transformers, in place of transform and tokenizer.
        encode_image: pixels (B, 3, H, W) to features (B, D), of any length; or the name of the module's method.
        encode_text: what the tokenizer gives of N texts to features (N, D), of any length; or a method's name.
        name: of the model in records and tables; by default ``memory:`` and the module's class.
        identity: without, no cached feature and no earlier record is used, since nothing tells whether the model
            answers as it did then. ``"hash"`` states that the hash of its weights, the module's and the transform's
            ``repr`` and the tokenizer's vocabulary fix every feature. Any other text says what else does, such as the
            version of your code; it is added to those.
        logit_scale: the factor that cosines are multiplied with; by default the exponential of the module's
            ``logit_scale``, or 1 if it has none.
        logit_bias: added to logits; by default the module's ``logit_bias``, or 0.

    Raises:
        UsageError: the transform, the tokenizer or an encoder is missing or cannot be it.
    """
    given = (transform, tokenizer, processor, encode_image, encode_text, identity, logit_scale, logit_bias)
    if isinstance(model, GivenModel) or has_protocol(model):
        if any(value is not None for value in given):
            raise UsageError("as_model: this model has its own encoders, and takes a name alone")
        return _of_object(model, name)
    if not isinstance(model, nn.Module):
        raise UsageError(f"as_model: {_no_model(model)}")
    module = unwrapped(model, (encode_image, encode_text))
    parts = Parts(
        module=module,
        transform=transform if transform is not None else getattr(processor, "image_processor", None),
        tokenizer=tokenizer if tokenizer is not None else getattr(processor, "tokenizer", None),
        encode_image=_encoder(module, encode_image, "encode_image"),
        encode_text=_encoder(module, encode_text, "encode_text"),
        logit_scale=logit_scale,
        logit_bias=logit_bias,
    )
    _refuse_random(parts.transform)
    make = recognised(parts)
    card = ModelCard(name=name or f"{ADAPTER}:{type(module).__name__}", adapter=ADAPTER, spec=type(module).__name__)
    return GivenModel(card, partial(_identified, card, module, make, identity), (module,))


def has_protocol(model: object) -> bool:
    """Whether an object has what every :class:`~vlmbench.models.base.Model` has."""
    return not isinstance(model, type) and all(hasattr(model, name) for name in _PROTOCOL)


def unwrapped(module: nn.Module, encoders: Sequence[object] = ()) -> nn.Module:
    """The module inside what ``torch.compile``, data parallelism and averaging put around it.

    Args:
        encoders: the names of the methods that it is known by, if any.
    """
    names = [name for name in encoders if isinstance(name, str)] or ["encode_image", "get_image_features"]
    while True:
        inner = module.__dict__.get("_modules", {})
        if isinstance(compiled := inner.get("_orig_mod"), nn.Module):
            module = compiled
        elif isinstance(wrapped := inner.get("module"), nn.Module) and not any(hasattr(module, n) for n in names):
            module = wrapped
        else:
            return module


def _of_object(model: Any, name: str | None) -> GivenModel:
    given = model if isinstance(model, GivenModel) else _with_protocol(model)
    if name is None or name == given.card.name:
        return given
    raise UsageError(
        f"as_model: this model is named {given.card.name!r} by its card, not {name!r}",
        hint="Leave the name out, or make the object with a card of that name.",
    )


def _with_protocol(model: Any) -> GivenModel:
    if not isinstance(model.card, ModelCard):
        raise UsageError(f"as_model: the card of {type(model).__name__} is no ModelCard: {model.card!r}")
    own = [model] if isinstance(model, nn.Module) else []
    modules = tuple(part for part in (*own, *getattr(model, "__dict__", {}).values()) if isinstance(part, nn.Module))
    return GivenModel(model.card, partial(_checked_object, model), modules)


def _checked_object(model: Any) -> Model:
    """The object itself; a model that this package loaded must still have the weights of its identity."""
    network = getattr(model, "network", None) if type(model).__module__.startswith("vlmbench.models.") else None
    if isinstance(network, nn.Module) and state_sha256(network) != model.identity.weights_sha256:
        raise ModelError(
            f"{model.card.name}: its weights have changed since it was loaded, and its identity is of the old ones",
            hint="Give the module: vlmbench.as_model(model.network, model.preprocess, tokenizer, name=…).",
        )
    if not model.identity.answers_again:
        _say_no_identity()
    found: Model = model
    return found


def _identified(card: ModelCard, module: nn.Module, make: Callable[[ModelCard], Any], identity: str | None) -> Model:
    """The model with the identity that the caller stated.

    If none is stated, each evaluation has an identity of its own, so that no record takes the place of another.
    """
    model = make(card)
    if identity is None:
        _say_no_identity()
        text, stated = f"identity not stated; evaluation {uuid4().hex}", False
    else:
        text, stated = "" if identity == HASHED else f"identity {identity}", True
    found = model.identity
    model.identity = replace(found, architecture=" ".join(filter(None, (found.architecture, text))), stated=stated)
    kind = weights_dtype(module)
    if kind.itemsize < 4:
        bits = str(kind).removeprefix("torch.")
        say(
            WEIGHTS_PRECISION,
            f"the module holds its weights in {bits}, and they were used as they are",
            brief=f"weights in {bits}",
        )
    made: Model = model
    return made


def _say_no_identity() -> None:
    say(
        NO_IDENTITY,
        "the model was given as an object without an identity, so no cached feature and no earlier record was used",
        brief="model object without an identity",
    )


def _encoder(module: nn.Module, given: Callable[[Any], Any] | str | None, what: str) -> Encode | None:
    if not isinstance(given, str):
        return given
    method = getattr(module, given, None)
    if not callable(method):
        raise UsageError(f"as_model: {what} names {given!r}, and {type(module).__name__} has no such method")
    found: Encode = method
    return found


def _refuse_random(transform: object) -> None:
    """Refuse a transform for training: each evaluation would see other pictures."""
    steps = getattr(transform, "transforms", [transform])
    random = [type(step).__name__ for step in steps if type(step).__name__.startswith(_RANDOM_STEPS)]
    if random:
        raise UsageError(
            f"as_model: the transform draws at random ({listed(random, 'and')})",
            hint="It is the one for training. Give the one for evaluation: open_clip calls it preprocess_val.",
        )


def _no_model(model: object) -> str:
    name = f"{model.__name__}, a class," if isinstance(model, type) else f"a {type(model).__name__}"
    lacking = [part for part in (*_PROTOCOL, *ENCODERS) if not hasattr(model, part)]
    if len(lacking) < len(_PROTOCOL) + len(ENCODERS):
        return f"{name} is no torch module, and no model either: it lacks {listed(lacking, 'and', most=12)}"
    return f"{name} is neither a torch module nor an object with the protocol vlmbench.models.base.Model"
