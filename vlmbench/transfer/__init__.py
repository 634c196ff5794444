"""Transfer: how a model is adapted to a task before it answers.

``vlmbench run --transfer`` finds methods here by name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlmbench.registry import Registry, modules_in

if TYPE_CHECKING:
    from vlmbench.transfer.base import TransferMethod

METHODS: Registry[TransferMethod] = Registry(
    "transfer method", modules_in("transfer/methods", "METHOD"), group="vlmbench.transfer"
)
ZERO_SHOT = "zero-shot"
"""The method that learns nothing. It is used if no other is named."""
