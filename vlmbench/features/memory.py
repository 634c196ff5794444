"""Keeps what is asked for again and again with one model, such as features of a test set, up to a number of bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Any, TypeVar

T = TypeVar("T")
MOST_BYTES = 2**31
"""What the memory of a model may hold: 2 GiB, the features of a million images of 512 numbers each."""


class FeatureMemory:
    """Values by key. If there are too many bytes, those that were not asked for the longest time are forgotten.

    Args:
        most: bytes. One value alone is kept even if it is larger.
    """

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most = most
        self._held: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()

    def get(self, key: Hashable) -> Any | None:
        """The value; None if it was not put, or is forgotten."""
        if key not in self._held:
            return None
        self._held.move_to_end(key)
        return self._held[key][0]

    def put(self, key: Hashable, value: T, size: int) -> T:
        """Keep a value of ``size`` bytes, and return it."""
        self._held[key] = value, size
        self._held.move_to_end(key)
        while len(self._held) > 1 and sum(size for _, size in self._held.values()) > self._most:
            self._held.popitem(last=False)
        return value

    def clear(self) -> None:
        """Forget everything."""
        self._held.clear()
