"""An entry of another package in a registry, for as long as a test runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from vlmbench.registry import Registry

T = TypeVar("T")


@contextmanager
def registered(registry: Registry[T], name: str, entry: T) -> Iterator[T]:
    """Register an entry, and take it out again."""
    registry.register(name, entry, origin="a test")
    try:
        yield entry
    finally:
        del registry._entries[name], registry._origin[name]
