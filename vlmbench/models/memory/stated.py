"""The identity of a module in memory: what the caller stated of it, and the weights of every network that it uses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any
from uuid import uuid4

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from vlmbench.cards import ModelCard
from vlmbench.errors import ModelError
from vlmbench.models.base import Model
from vlmbench.models.memory.encoders import weights_dtype
from vlmbench.models.memory.held import modules_of
from vlmbench.models.towers.weights import state_sha256
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import NO_IDENTITY, WEIGHTS_PRECISION

HASHED = "hash"
"""The ``identity`` of a model that is fixed by the hash of its weights and by the descriptions of its parts."""
_ID_LENGTH = 16


def identified(
    card: ModelCard,
    module: nn.Module,
    functions: Sequence[object],
    make: Callable[[ModelCard], Any],
    identity: str | None,
) -> Model:
    """Make the model, and give it the identity that the caller stated.

    If the caller stated none, each evaluation gets a new identity, so that no record replaces another.

    Args:
        functions: what else the caller gave; the networks that they use are part of a stated identity.
    """
    _require_values(module)
    model = make(card)
    if identity is None:
        say_no_identity('as_model(…, identity="hash") states one')
        words = [f"identity not stated; evaluation {uuid4().hex}"]
    else:
        others = _others(module, functions)
        words = ["" if identity == HASHED else f"identity {identity}", others]
        if identity == HASHED:
            _require_hash(module, others)
    found = model.identity
    architecture = " ".join(filter(None, (found.architecture, *words)))
    model.identity = replace(found, architecture=architecture, stated=identity is not None)
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


def say_no_identity(cure: str) -> None:
    """Remark that neither the cache nor an earlier record can be used; ``cure`` says how to state an identity."""
    say(
        NO_IDENTITY,
        "the model is an object without a stated identity, so no cached feature and no earlier record was used; "
        + cure,
        brief="model object without an identity",
    )


def _others(module: nn.Module, functions: Sequence[object]) -> str:
    """A hash of the weights of networks outside the module, such as a text tower that only a function knows."""
    own = {id(value) for value in (*module.parameters(), *module.buffers())}
    hashes = [
        state_sha256(other)
        for other in modules_of(*functions)
        if any(id(value) not in own for value in (*other.parameters(), *other.buffers()))
    ]
    return f"with networks {sha256(' '.join(hashes).encode()).hexdigest()[:_ID_LENGTH]}" if hashes else ""


def _require_values(module: nn.Module) -> None:
    """Refuse a module whose weights have no values yet.

    Raises:
        ModelError: it is lazy, or on the device "meta".
    """
    for name, value in (*module.named_parameters(), *module.named_buffers()):
        if is_lazy(value):
            raise ModelError(
                f"{name} of the module gets its shape at the first forward pass, which has not happened",
                hint="Run one batch through the module first.",
            )
        if value.is_meta:
            raise ModelError(
                f"{name} of the module has no values: it is on the device 'meta'", hint="Load the weights first."
            )


def _require_hash(module: nn.Module, others: str) -> None:
    """Refuse to let the hash of the weights stand for a module that keeps its weights elsewhere.

    Raises:
        ModelError: the module has no tensors, or state that is not in tensors.
    """
    state = module.state_dict()
    elsewhere = [name for name, value in state.items() if not isinstance(value, Tensor)]
    if elsewhere or not (state or others):
        found = f"keeps {elsewhere[0]!r} in no tensor" if elsewhere else "has no weights"
        raise ModelError(
            f"identity='hash': the module {found}, so that a hash of its weights does not tell it apart from others",
            hint="State in words what decides the features: identity='version 2 of …'.",
        )
