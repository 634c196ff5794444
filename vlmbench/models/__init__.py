"""Adapters: each loads pretrained models of one library behind one interface. Runs find them in :data:`ADAPTERS`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlmbench.registry import Registry, modules_in

if TYPE_CHECKING:
    from vlmbench.models.base import Adapter

ADAPTERS: Registry[Adapter] = Registry(
    "model adapter", modules_in("models", "load", file="adapter"), group="vlmbench.models"
)
