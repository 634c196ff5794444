"""Sources: where samples come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlmbench.registry import Registry, modules_in

if TYPE_CHECKING:
    from vlmbench.data.base import OpenSource, Source

SOURCES: Registry[Source | OpenSource] = Registry(
    "data source", modules_in("data/sources", "SOURCE"), group="vlmbench.sources"
)
"""A third party may register a bare function too: see :func:`~vlmbench.data.base.as_source`."""
