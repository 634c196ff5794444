"""The families of transformers checkpoints that the adapter knows, by ``model_type`` of their config.json.

Each file of this folder lists some in its ``FAMILIES``, so a new file there is a new family. The adapter finds a
checkpoint's family with :func:`family_of`, and so does the adapter of models in memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

from vlmbench.registry import load_target, modules_in

if TYPE_CHECKING:
    from vlmbench.models.transformers.family import Family


@cache
def families() -> Mapping[str, Family]:
    """Every family by its model type."""
    found: dict[str, Family] = {}
    for target in modules_in("models/transformers/families", "FAMILIES").values():
        found |= load_target(target)
    return found


def family_of(model_type: str) -> Family | None:
    """The family of a model type; None if no file lists it."""
    return families().get(model_type)
