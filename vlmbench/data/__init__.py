"""Sources: where samples come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlmbench.registry import Registry, modules_in

if TYPE_CHECKING:
    from vlmbench.data.base import Source

SOURCES: Registry[Source] = Registry("data source", modules_in("data/sources", "open_source"), group="vlmbench.sources")
