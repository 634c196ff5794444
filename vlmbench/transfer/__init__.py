"""Transfer: how a model is adapted to a task before it answers.

Classification looks up the method that ``vlmbench run --transfer`` names in :data:`METHODS`. Each file in
:mod:`vlmbench.transfer.methods` and its subfolders defines one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlmbench.registry import Registry, modules_in
from vlmbench.transfer.asked import ZERO_SHOT

if TYPE_CHECKING:
    from vlmbench.transfer.base import TransferMethod

_FOLDERS = tuple(f"transfer/methods{below}" for below in ("", "/features", "/prompts", "/towers"))
METHODS: Registry[TransferMethod] = Registry(
    "transfer method",
    {name: target for folder in _FOLDERS for name, target in modules_in(folder, "METHOD").items()},
    group="vlmbench.transfer",
)
__all__ = ["METHODS", "ZERO_SHOT"]
