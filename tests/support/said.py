"""What code says while it works, as remarks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from vlmbench.remarks.base import Remark, gathered_remarks
from vlmbench.remarks.codes import WARNING

T = TypeVar("T")


def remarked(make: Callable[[], T]) -> tuple[T, list[Remark]]:
    """What the call returns, and what is said during it."""
    with gathered_remarks(WARNING) as gathered:
        made = make()
    return made, gathered.remarks


def sentences(make: Callable[[], object]) -> list[str]:
    """What is said during a call, as ``code: sentence``."""
    return [f"{remark.code}: {remark.sentence}" for remark in remarked(make)[1]]
