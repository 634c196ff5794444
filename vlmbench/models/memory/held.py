"""Finds the networks that an object or a function uses: an evaluation puts all of them into evaluation mode and back.

A function reaches a network through its closure, its defaults, its bound object or a global name; an object through its
attributes. The search stops after a few steps, so that it does not wander through a whole training program.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import PIL.Image
from torch import Tensor, nn

_DEPTH = 5
_MOST_ITEMS = 1000
"""Items of a list or dict that are looked at."""
_MOST_OBJECTS = 20_000
"""Objects that a search looks at."""
_PLAIN = (str, bytes, int, float, complex, type, ModuleType, BuiltinFunctionType, Tensor, np.ndarray, PIL.Image.Image)
"""What holds no network."""


def modules_of(*holders: object, depth: int = _DEPTH) -> tuple[nn.Module, ...]:
    """The networks that objects and functions hold, each once and without those inside another one that was found.

    Args:
        holders: modules, functions, or any objects.
        depth: how many steps the search takes from a holder.
    """
    seen: set[int] = set()
    found = dict.fromkeys(module for holder in holders for module in _found(holder, depth, seen))
    inside = {id(part) for module in found for part in list(module.modules())[1:]}
    return tuple(module for module in found if id(module) not in inside)


def has_short_weights(*holders: object) -> bool:
    """Whether a network that these hold has parameters with fewer than 32 bits a number."""
    parameters = (parameter for module in modules_of(*holders) for parameter in module.parameters())
    return any(parameter.is_floating_point() and parameter.element_size() < 4 for parameter in parameters)


def _found(holder: object, depth: int, seen: set[int]) -> Iterator[nn.Module]:
    if holder is None or isinstance(holder, _PLAIN) or id(holder) in seen or len(seen) > _MOST_OBJECTS:
        return
    seen.add(id(holder))
    if isinstance(holder, nn.Module):
        yield holder
        for part in holder.modules():  # a list of modules is not registered in the module that has it
            seen.add(id(part))
            for value in vars(part).values():
                if isinstance(value, list | tuple | dict):
                    yield from _direct(value, seen)
    elif depth:
        for part in _parts(holder):
            yield from _found(part, depth - 1, seen)


def _direct(values: Any, seen: set[int]) -> Iterator[nn.Module]:
    """The modules among the items of a container."""
    for value in _items(values):
        if isinstance(value, nn.Module) and id(value) not in seen:
            yield from _found(value, 1, seen)


def _items(values: Any) -> list[Any]:
    return list(values.values() if isinstance(values, Mapping) else values)[:_MOST_ITEMS]


def _parts(holder: Any) -> Iterator[Any]:
    """What an object or a function consists of."""
    if isinstance(holder, list | tuple | set | frozenset | dict):
        yield from _items(holder)
    elif isinstance(holder, partial):
        yield from (holder.func, *holder.args, *holder.keywords.values())
    elif isinstance(holder, MethodType):
        yield from (holder.__self__, holder.__func__)
    elif isinstance(holder, FunctionType):
        yield from _of_function(holder)
    else:
        yield from _attributes(holder)


def _of_function(function: FunctionType) -> Iterator[Any]:
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # the name is not bound yet
            continue
    for name in _names(function.__code__):
        if name in function.__globals__:
            yield function.__globals__[name]


def _names(code: CodeType) -> Iterator[str]:
    """The global names and attributes that a function uses, and the functions inside it."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _attributes(holder: object) -> Iterator[Any]:
    yield from list(getattr(holder, "__dict__", {}).values())
    for kind in type(holder).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            descriptor = kind.__dict__.get(name) or kind.__dict__.get(f"_{kind.__name__.lstrip('_')}{name}")
            try:
                yield descriptor.__get__(holder, kind) if descriptor is not None else None
            except AttributeError:  # the slot is empty
                continue
