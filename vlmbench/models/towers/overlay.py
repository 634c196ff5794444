"""Computes with a tower's parameters, or with others in their place, and changes none of them.

Towers with gradients use it: :mod:`.tunable_text` and :mod:`.tunable_image`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.func import functional_call

from vlmbench.errors import ModelError
from vlmbench.wording import listed


@dataclass(frozen=True)
class Overlay:
    """The parameters of one tower.

    Attributes:
        module: the module that holds the tower.
        names: the names of the tower's parameters in the module.
    """

    module: nn.Module
    names: tuple[str, ...]

    @property
    def in_full_precision(self) -> bool:
        """Whether every parameter has 32 bits or more."""
        return all(value.dtype in (torch.float32, torch.float64) for value in self.parameters().values())

    def parameters(self) -> dict[str, Tensor]:
        """The parameters by name, without gradients. They share their memory with the module's own."""
        return {name: self.module.get_parameter(name).detach() for name in self.names}

    def compute(self, weights: Mapping[str, Tensor] | None, forward: Callable[[], Tensor]) -> Tensor:
        """Call a function that computes with the module. The module's own parameters get no gradients.

        Args:
            weights: tensors that take the place of parameters during the call, by name.

        Raises:
            ModelError: a weight has a name or a shape that no parameter of the tower has.
        """
        with _without_gradients(self.module):
            if not weights:
                return forward()
            self._check(weights)
            replaced = {f"module.{name}": value for name, value in weights.items()}
            return cast(Tensor, functional_call(_Call(self.module, forward), replaced, ()))

    def _check(self, weights: Mapping[str, Tensor]) -> None:
        own = self.parameters()
        unknown = [name for name in weights if name not in own]
        if unknown:
            raise ModelError(f"the tower has no parameter {listed(unknown, most=3)}")
        for name, value in weights.items():
            if value.shape != own[name].shape:
                raise ModelError(f"{name} has the shape {tuple(own[name].shape)}, and a weight {tuple(value.shape)}")


def overlay(module: nn.Module, beginnings: tuple[str, ...] = ("",)) -> Overlay:
    """The :class:`Overlay` of the parameters whose names begin with one of these."""
    return Overlay(module, tuple(name for name, _ in module.named_parameters() if name.startswith(beginnings)))


class _Call(nn.Module):
    """A function of a module, as a module: ``functional_call`` replaces parameters in modules alone."""

    def __init__(self, module: nn.Module, forward: Callable[[], Tensor]) -> None:
        super().__init__()
        self.module = module
        self._forward = forward

    def forward(self) -> Tensor:
        return self._forward()


@contextmanager
def _without_gradients(module: nn.Module) -> Iterator[None]:
    """In the block, what is computed with the module's parameters keeps no gradients for them."""
    own = [parameter for parameter in module.parameters() if parameter.requires_grad]
    for parameter in own:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in own:
            parameter.requires_grad_(True)
