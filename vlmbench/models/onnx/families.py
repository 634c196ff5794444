"""Tells how a family of transformers checkpoints pads its texts, from config.json. The tokenizer's module uses it.

The facts are those of the transformers adapter. Without that library, and for families that it does not know, the
graph's inputs decide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Paddings:
    """How a family's texts are padded.

    Attributes:
        full: texts are padded to the full length even if the graph takes a mask.
        unmasked: the family was trained without a mask, so that a mask must hide nothing.
        lowercase: the family was trained on lower-case text.
        context_length: the number of tokens after which its authors cut texts; None: the number in the configuration.
    """

    full: bool = False
    unmasked: bool = False
    lowercase: bool = False
    context_length: int | None = None


def paddings_of(config: Mapping[str, Any]) -> Paddings:
    """The paddings of the family that a config.json names."""
    try:
        from vlmbench.models.transformers.families import FAMILIES
    except ImportError:
        return Paddings()
    family = FAMILIES.get(str(config.get("model_type")))
    if family is None:
        return Paddings()
    return Paddings(
        full=family.padding == "max_length",
        unmasked=not family.attention_mask,
        lowercase=family.lowercase,
        context_length=family.context_length,
    )
