"""Adapters: pretrained models behind one interface."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlmbench.registry import Registry

if TYPE_CHECKING:
    from vlmbench.models.base import Adapter

ADAPTERS: Registry[Adapter] = Registry(
    "model adapter",
    {
        "open_clip": "vlmbench.models.open_clip.adapter:load",
        "transformers": "vlmbench.models.transformers.adapter:load",
        "conse": "vlmbench.models.conse.adapter:load",
    },
    group="vlmbench.models",
)
