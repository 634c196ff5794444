"""An environment in which some packages are not installed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def without_packages(*packages: str) -> Iterator[None]:
    """Inside, these packages cannot be imported, nor found by ``find_spec``; what holds them already keeps them."""
    with pytest.MonkeyPatch.context() as patch:
        for package in packages:
            patch.setitem(sys.modules, package, None)  # Python's own way to say so
        yield
