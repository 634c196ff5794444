"""Datasets: readers of files and of the hub, and the registry of sources, by the names that cards and ``-t`` use.

Runs, ``vlmbench fetch`` and ``vlmbench show`` open datasets here, and tasks read the samples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlmbench.registry import Registry, modules_in

if TYPE_CHECKING:
    from vlmbench.data.base import OpenSource, Source

SOURCES: Registry[Source | OpenSource] = Registry(
    "data source", modules_in("data/sources", "SOURCE"), group="vlmbench.sources"
)
"""Other packages may also register a plain function: see :func:`~vlmbench.data.base.as_source`."""
