"""A model in memory as a run takes it, and :func:`as_model`, which makes one of a module or an object."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import PIL.Image
import torch
from torch import Tensor, nn

from vlmbench.cards import ModelCard
from vlmbench.catalogue import model_card_files
from vlmbench.errors import UsageError, VlmbenchWarning
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
"""How often a transform is tried on one picture, to see whether it draws at random."""
_RANDOM_STEPS = ("Rand", "AutoAugment", "AugMix", "ColorJitter", "TrivialAugment", "GaussianNoise", "ScaleJitter")
"""How the names of torchvision's transforms begin that give another picture each time."""


@dataclass(frozen=True, eq=False)
class GivenModel:
    """A model in memory, before a run asks it: :func:`as_model` makes it, :func:`vlmbench.evaluate` takes it.

    Attributes:
        card: its name, and the adapter of objects.
        load: gives the model with the weights that it has at that moment.
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
        name: of the model in records and tables; by default ``memory:`` and the module's class. The name of a model
            card gives a warning.
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


def unwrapped(module: nn.Module, encoders: Sequence[object] = ()) -> nn.Module:
    """The module inside what ``torch.compile``, data parallelism and averaging put around it.

    Args:
        encoders: the names of the methods that it is known by, if any.
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
        f"as_model: this model is named {given.card.name!r} by its card, not {name!r}",
        hint="Leave the name out, or make the object with a card of that name.",
    )


def _with_protocol(model: Any) -> GivenModel:
    require_protocol(model)
    return GivenModel(model.card, partial(_checked_object, model), (model,))


def _checked_object(model: Any) -> Model:
    require_protocol(model)
    require_same_weights(model)
    if not model.identity.answers_again:
        say_no_identity()
    found: Model = model
    return found


def _encoder(module: nn.Module, given: Callable[[Any], Any] | str | None, what: str) -> Encode | None:
    if not isinstance(given, str):
        return given
    method = getattr(module, given, None)
    if not callable(method):
        raise UsageError(f"as_model: {what} names {given!r}, and {type(module).__name__} has no such method")
    found: Encode = method
    return found


def _text(what: str, value: object) -> None:
    """Refuse a name or an identity that is no text with words."""
    if value is not None and (not isinstance(value, str) or is_blank(value)):
        raise UsageError(f"as_model: {what} is {value!r}, not a text", hint=f"Write {what}='…', or leave it out.")


def _warn_of_a_card(name: str | None) -> None:
    """Warn that tables show the facts of a card, such as its training data, beside the numbers of this model."""
    if name in model_card_files():
        warnings.warn(
            f"the model in memory is named {name!r}, as a model card is: in tables its numbers take the place of "
            "the card's model. Unless it is that model, give it a name of its own",
            VlmbenchWarning,
            stacklevel=3,
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
            tries = [prepare(PIL.Image.fromarray(values)).nan_to_num() for _ in range(_TRIES)]
        except Exception:  # the evaluation tells what is wrong with it, and of which image
            return
    if not all(torch.equal(tries[0], other) for other in tries[1:]):
        _refuse_training("")


def _refuse_training(which: str) -> None:
    raise UsageError(
        f"as_model: the transform draws at random{which}",
        hint="It is the one for training. Give the one for evaluation: open_clip calls it preprocess_val.",
    )


def _no_model(model: object) -> str:
    name = f"{model.__name__}, a class," if isinstance(model, type) else f"a {type(model).__name__}"
    if parts := lacking(model):
        return f"{name} is no torch module, and no model either: it lacks {listed(parts, 'and', most=12)}"
    return f"{name} is neither a torch module nor an object with the protocol vlmbench.models.base.Model"


def _instead(model: object) -> str | None:
    if isinstance(model, type):
        return "Give an object of the class."
    if isinstance(model, str | ModelCard):
        return "A name or a card is given to evaluate itself: vlmbench.evaluate('demo-clip', …)."
    return None
