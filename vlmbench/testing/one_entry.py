"""Registers a plugin for the length of a ``with`` block. Tests of plugins and the checks of this package use it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

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
