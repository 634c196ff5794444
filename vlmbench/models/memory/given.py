"""Models in memory, and :func:`as_model`, which makes one from a torch module or an object with the model protocol.

:mod:`vlmbench.api` offers it to users, and a run (``vlmbench/run/``) loads such models from here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast
from weakref import WeakKeyDictionary

import numpy as np
import PIL.Image
import torch
from torch import Tensor, nn

from vlmbench.card_files import model_card_files
from vlmbench.cards import ModelCard
from vlmbench.errors import UsageError, warn_caller
from vlmbench.markup import is_blank
from vlmbench.models.base import Model
from vlmbench.models.memory.adapter import ADAPTER
from vlmbench.models.memory.encoders import Encode, Parts
from vlmbench.models.memory.held import modules_of
from vlmbench.models.memory.inputs import Prepare
from vlmbench.models.memory.objects import (
    has_protocol,
    lacking,
    require_factor,
    require_protocol,
    require_same_weights,
)
from vlmbench.models.memory.recognised import recognised
from vlmbench.models.memory.stated import identified, say_no_identity
from vlmbench.models.memory.undisturbed import undisturbed
from vlmbench.wording import listed

_TRIES = 3
"""How often a transform is tried on one picture, to see whether it is random."""
_RANDOM_STEPS = ("Rand", "AutoAugment", "AugMix", "ColorJitter", "TrivialAugment", "GaussianNoise", "ScaleJitter")
"""The first letters of torchvision's random transforms: they give another picture each time."""


@dataclass(frozen=True, eq=False)
class GivenModel:
    """A model in memory before a run uses it. :func:`as_model` makes it, and :func:`vlmbench.evaluate` takes it.

    Attributes:
        card: its model card. It has the model's name and the adapter ``memory``.
        load: returns the model with the weights that it has at that moment.
        holders: its module, and the functions and objects that may hold other networks.
    """

    card: ModelCard
    load: Callable[[], Model]
    holders: tuple[object, ...] = ()

    @property
    def modules(self) -> tuple[nn.Module, ...]:
        """Its networks of this moment, which an evaluation puts into evaluation mode, and back."""
        return modules_of(*self.holders)


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
        name: the name of the model in records and tables. By default it is ``memory:`` and the module's class. A model
            card's name gives a warning.
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
        _text("name", name)
        return _of_object(model, name)
    if not isinstance(model, nn.Module):
        raise UsageError(f"as_model: {_no_model(model)}", hint=_instead(model))
    _text("name", name)
    _text("identity", identity)
    module = unwrapped(model, (encode_image, encode_text))
    parts = Parts(
        module=module,
        transform=transform if transform is not None else getattr(processor, "image_processor", None),
        tokenizer=tokenizer if tokenizer is not None else getattr(processor, "tokenizer", None),
        encode_image=_encoder(module, encode_image, "encode_image"),
        encode_text=_encoder(module, encode_text, "encode_text"),
        logit_scale=_factor("logit_scale", logit_scale, above_zero=True),
        logit_bias=_factor("logit_bias", logit_bias),
    )
    _refuse_random_steps(parts.transform)
    make = recognised(parts)
    _refuse_random(parts.transform)
    _warn_of_a_card(name)
    card = ModelCard(name=name or f"{ADAPTER}:{type(module).__name__}", adapter=ADAPTER, spec=type(module).__name__)
    functions = (parts.encode_image, parts.encode_text, parts.transform, parts.tokenizer)
    others = tuple(each for each in functions if each is not None)
    return GivenModel(card, partial(identified, card, module, others, make, identity), (module, *others))


_TOLD: WeakKeyDictionary[object, set[str]] = WeakKeyDictionary()
"""The sentences about a model that its caller has read, by its first network, or by the model if it has none."""


def told_of(model: GivenModel) -> set[str]:
    """The sentences about a model that earlier evaluations gave as warnings. The caller adds new ones."""
    network = next((each for each in model.modules if isinstance(each, nn.Module)), model)
    return _TOLD.setdefault(network, set())


def unwrapped(module: nn.Module, encoders: Sequence[object] = ()) -> nn.Module:
    """The module inside the wrappers of ``torch.compile``, data parallelism and weight averaging.

    Args:
        encoders: the encoders that the caller gave. Those that are names of methods show which module is meant.
    """
    names = [name for name in encoders if isinstance(name, str)] or ["encode_image", "get_image_features"]
    while True:
        inner = dict(module.named_children())
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
    require_protocol(model)
    return GivenModel(model.card, partial(_checked_object, model), (model,))


def _checked_object(model: Any) -> Model:
    require_protocol(model)
    require_same_weights(model)
    if not model.identity.answers_again:
        say_no_identity("its ModelIdentity can state one: a hash of the weights, and stated=True")
    found: Model = model
    return found


def _encoder(module: nn.Module, given: Callable[[Any], Any] | str | None, what: str) -> Encode | None:
    if not isinstance(given, str):
        return given
    method = getattr(module, given, None)
    if not callable(method):
        raise UsageError(f"as_model: {what} is {given!r}, but {type(module).__name__} has no method of this name")
    found: Encode = method
    return found


def _text(what: str, value: object) -> None:
    """Refuse a name or an identity that is no text with words."""
    if value is not None and (not isinstance(value, str) or is_blank(value)):
        raise UsageError(f"as_model: {what} is {value!r}, not a text", hint=f"Write {what}='…', or leave it out.")


def _warn_of_a_card(name: str | None) -> None:
    """Warn that tables show the facts of a card, such as its training data, beside the numbers of this model."""
    if name in model_card_files():
        warn_caller(
            f"the model in memory is named {name!r}, as a model card is: in tables its numbers take the place of "
            "the card's model. Unless it is that model, give it a name of its own"
        )


def _factor(what: str, value: Any, *, above_zero: bool = False) -> float | None:
    if isinstance(value, Tensor) and value.numel() == 1:
        value = float(value.detach())
    return None if value is None else require_factor(value, what, above_zero=above_zero)


def _steps(transform: Any) -> list[Any]:
    """The steps of a transform, and those inside its steps."""
    inner = transform if isinstance(transform, nn.Sequential) else getattr(transform, "transforms", None)
    if not isinstance(inner, list | tuple | nn.Sequential | nn.ModuleList):
        return [transform]
    return [transform, *(each for step in inner for each in _steps(step))]


def _refuse_random_steps(transform: object) -> None:
    """Refuse a transform for training, by the names of its steps."""
    names = [type(step).__name__ for step in _steps(transform)]
    if random := [name for name in names if name.startswith(_RANDOM_STEPS)]:
        _refuse_training(f" ({listed(random, 'and')})")


def _refuse_random(transform: Any) -> None:
    """Refuse a transform that gives other pixels of the same picture each time."""
    if transform is None:
        return
    values = np.random.default_rng(0).integers(0, 256, (80, 96, 3), dtype=np.uint8)
    prepare = Prepare(transform)
    with undisturbed(()):
        try:
            tries = [cast(Tensor, prepare(PIL.Image.fromarray(values))).nan_to_num() for _ in range(_TRIES)]
        except Exception:  # the evaluation tells what is wrong with it, and of which image
            return
    if not all(torch.equal(tries[0], other) for other in tries[1:]):
        _refuse_training("")


def _refuse_training(which: str) -> None:
    raise UsageError(
        f"as_model: the transform is random{which}",
        hint="This is the transform for training. Give the one for evaluation: open_clip calls it preprocess_val.",
    )


def _no_model(model: object) -> str:
    name = f"{model.__name__}, a class," if isinstance(model, type) else f"a {type(model).__name__}"
    if parts := lacking(model):
        return f"{name} is neither a torch module nor a model: it lacks {listed(parts, 'and', most=12)}"
    return f"{name} is neither a torch module nor an object with the protocol vlmbench.models.base.Model"


def _instead(model: object) -> str | None:
    if isinstance(model, type):
        return "Give an object of the class."
    if isinstance(model, str | ModelCard):
        return "A name or a card is given to evaluate itself: vlmbench.evaluate('demo-clip', …)."
    return None
