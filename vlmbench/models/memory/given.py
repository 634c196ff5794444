"""Models in memory, and :func:`as_model`, which makes one from a torch module or an object with the model protocol.

:mod:`vlmbench.api` offers it to users, and a run (``vlmbench/run/``) loads such models from here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from uuid import uuid4
from weakref import WeakKeyDictionary

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
"""The ``identity`` of a model that is fixed by the hash of its weights and by the descriptions of its parts."""
_PROTOCOL = ("card", "identity", "device", "capabilities")
_RANDOM_STEPS = ("Random", "AutoAugment", "AugMix", "ColorJitter", "TrivialAugment")
"""The first letters of torchvision's random transforms: they give another picture each time."""


@dataclass(frozen=True, eq=False)
class GivenModel:
    """A model in memory before a run uses it. :func:`as_model` makes it, and :func:`vlmbench.evaluate` takes it.

    Attributes:
        card: its model card. It has the model's name and the adapter ``memory``.
        load: returns the model with the weights that it has at that moment.
        modules: its networks. An evaluation puts them into evaluation mode, and afterwards back into their own mode.
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
    """Make a model for :func:`vlmbench.evaluate` from an object in memory, such as a module in training.

    Call it once, before the training loop. Each evaluation uses the weights that the module has at that moment. The
    module stays on its device and in its floating-point type. If it is wrapped by ``DistributedDataParallel``,
    ``torch.compile`` or weight averaging (EMA), the module inside is used.

    Args:
        model: a module of open_clip, or of transformers with ``get_image_features`` and ``get_text_features``; any
            module with ``encode_image`` and ``encode_text``; or an object with the protocol
            :class:`~vlmbench.models.base.Model`.
        transform: the transform for evaluation. It turns an RGB ``PIL.Image`` into a tensor (3, H, W). An image
            processor of transformers can be used too. A module of open_clip has its own, so it may be left out.
        tokenizer: turns N texts into token ids (N, L): a tokenizer of open_clip or of transformers, or a function.
        processor: a processor of transformers. It replaces transform and tokenizer.
        encode_image: a function, or the name of a method of the module. It encodes pixels (B, 3, H, W) as features
            (B, D). Their length does not matter.
        encode_text: a function, or the name of a method of the module. It encodes the tokenizer's output for N texts as
            features (N, D). Their length does not matter.
        name: the name of the model in records and tables. By default it is ``memory:`` and the module's class.
        identity: what fixes the features of the model. If it is left out, no cached feature and no earlier record is
            used, because the model may answer differently now. ``"hash"`` states that four things fix every feature:
            the hash of the weights, the ``repr`` of the module and of the transform, and the tokenizer's vocabulary.
            Any other text is added to these four, such as the version of your code.
        logit_scale: the factor by which cosines are multiplied. By default it is the exponential of the module's
            ``logit_scale``, or 1 if the module has none.
        logit_bias: the number added to the logits. By default it is the module's ``logit_bias``, or 0.

    Raises:
        UsageError: the transform, the tokenizer or an encoder is missing or cannot be used.
    """
    given = (transform, tokenizer, processor, encode_image, encode_text, identity, logit_scale, logit_bias)
    if isinstance(model, GivenModel) or has_protocol(model):
        if any(value is not None for value in given):
            raise UsageError("as_model: this model has its own encoders, so only a name can be given with it")
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


_TOLD: WeakKeyDictionary[object, set[str]] = WeakKeyDictionary()
"""The sentences about a model that its caller has read, by its first network, or by the model if it has none."""


def told_of(model: GivenModel) -> set[str]:
    """The sentences about a model that earlier evaluations gave as warnings. The caller adds new ones."""
    return _TOLD.setdefault(model.modules[0] if model.modules else model, set())


def has_protocol(model: object) -> bool:
    """Whether an object has all attributes of the protocol :class:`~vlmbench.models.base.Model`."""
    return not isinstance(model, type) and all(hasattr(model, name) for name in _PROTOCOL)


def unwrapped(module: nn.Module, encoders: Sequence[object] = ()) -> nn.Module:
    """The module inside the wrappers of ``torch.compile``, data parallelism and weight averaging.

    Args:
        encoders: the encoders that the caller gave. Those that are names of methods show which module is meant.
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
        f"as_model: the card of this model names it {given.card.name!r}, not {name!r}",
        hint="Leave the name out, or give the object a card with that name.",
    )


def _with_protocol(model: Any) -> GivenModel:
    if not isinstance(model.card, ModelCard):
        raise UsageError(f"as_model: the card of {type(model).__name__} is not a ModelCard: {model.card!r}")
    own = [model] if isinstance(model, nn.Module) else []
    modules = tuple(part for part in (*own, *getattr(model, "__dict__", {}).values()) if isinstance(part, nn.Module))
    return GivenModel(model.card, partial(_checked_object, model), modules)


def _checked_object(model: Any) -> Model:
    """Return the object itself. If vlmbench loaded it, its weights must still be those of its identity."""
    network = getattr(model, "network", None) if type(model).__module__.startswith("vlmbench.models.") else None
    if isinstance(network, nn.Module) and state_sha256(network) != model.identity.weights_sha256:
        raise ModelError(
            f"{model.card.name}: its weights have changed since it was loaded, so its identity is wrong",
            hint="Give its module instead: vlmbench.as_model(model.network, model.preprocess, tokenizer, name=…).",
        )
    if not model.identity.answers_again:
        _say_no_identity("its ModelIdentity can state one: a hash of the weights, and stated=True")
    found: Model = model
    return found


def _identified(card: ModelCard, module: nn.Module, make: Callable[[ModelCard], Any], identity: str | None) -> Model:
    """Make the model, and give it the identity that the caller stated.

    If the caller stated none, each evaluation gets a new identity, so that no record replaces another.
    """
    model = make(card)
    if identity is None:
        _say_no_identity('as_model(…, identity="hash") states one')
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
            f"the weights of the module are in {bits}, and they were used like this",
            brief=f"weights in {bits}",
        )
    made: Model = model
    return made


def _say_no_identity(cure: str) -> None:
    say(
        NO_IDENTITY,
        "the model is an object without a stated identity, so no cached feature and no earlier record was used; "
        + cure,
        brief="model object without an identity",
    )


def _encoder(module: nn.Module, given: Callable[[Any], Any] | str | None, what: str) -> Encode | None:
    if not isinstance(given, str):
        return given
    method = getattr(module, given, None)
    if not callable(method):
        raise UsageError(f"as_model: {what} is {given!r}, but {type(module).__name__} has no method of this name")
    found: Encode = method
    return found


def _refuse_random(transform: object) -> None:
    """Refuse a random transform, as used for training: each evaluation would see other pictures."""
    steps = getattr(transform, "transforms", [transform])
    random = [type(step).__name__ for step in steps if type(step).__name__.startswith(_RANDOM_STEPS)]
    if random:
        raise UsageError(
            f"as_model: the transform is random ({listed(random, 'and')})",
            hint="This is the transform for training. Give the one for evaluation: open_clip calls it preprocess_val.",
        )


def _no_model(model: object) -> str:
    name = f"{model.__name__}, a class," if isinstance(model, type) else f"a {type(model).__name__}"
    lacking = [part for part in (*_PROTOCOL, *ENCODERS) if not hasattr(model, part)]
    if len(lacking) < len(_PROTOCOL) + len(ENCODERS):
        return f"{name} is neither a torch module nor a model: it lacks {listed(lacking, 'and', most=12)}"
    return f"{name} is neither a torch module nor an object with the protocol vlmbench.models.base.Model"
