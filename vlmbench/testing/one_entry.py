"""Registers a plugin for the length of a ``with`` block. Tests of plugins and the checks of this package use it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from vlmbench.errors import UsageError
from vlmbench.registry import Registry

T = TypeVar("T")


@contextmanager
def registered(registry: Registry[T], name: str, entry: T) -> Iterator[T]:
    """Register an entry, and remove it at the end of the block.

    Raises:
        PluginError: the name belongs to another entry.
    """
    registry.register(name, entry, origin="a test")
    try:
        yield entry
    finally:
        registry.remove(name)


def require_entry(registry: Registry[T], name: str, entry: T, what: str) -> None:
    """Refuse to check an entry whose name belongs to another one: the other would be checked instead.

    Args:
        what: what is checked, as it should read in a message.

    Raises:
        UsageError: the registry has another entry of this name.
    """
    if name in registry and registry.get(name) != entry:
        raise UsageError(
            f"{what} {name!r} is registered already, and it is not the one that was given",
            hint="Give yours another name, or check the registered one by its name.",
        )
